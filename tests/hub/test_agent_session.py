# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent's session with a hub, the package as a process of its own: how it connects, what it hears and says and survives."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub.connect import connect

from agent import build
from lab import pki
from tests.hub.test_device_sdk import certificate

DRIVER = Path(__file__).with_name("agent_process.py")
PATIENCE = 60.0  # seconds


def wait_until(condition, what, agent=None):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        told = agent.log() if agent else ""
        assert time.monotonic() < deadline, f"{what} did not happen within {PATIENCE:.0f} s\n{told[-3000:]}"
        time.sleep(0.05)


@pytest.fixture(scope="session")
def package(tmp_path_factory):
    return build.build(tmp_path_factory.mktemp("package"))


@pytest.fixture
def service(azure):
    options = {"sku": "S1", "units": 20, "timeout": 30, "time_budget": 60, "implementation": "pipeline"}
    return connect({**options, "connection_string": azure.connection_string})


class Agent:
    """One running agent and its module twin."""

    def __init__(self, azure, service, package, folder, **settings):
        self.azure, self.service, self.package, self.folder = azure, service, package, folder
        self.device = f"agent-{uuid.uuid4().hex[:8]}"
        azure.seed({self.device: {}})
        self.key = base64.b64encode(os.urandom(32)).decode()
        self.identity(type="sas", symmetricKey={"primaryKey": self.key, "secondaryKey": self.key})
        (folder / "key").write_text(self.key)
        (folder / "jobs").mkdir()
        self.roots = folder / "roots.pem"
        self.roots.write_bytes(azure.ca_file.read_bytes())
        self.settings = {"fleet": "lab", "hub": azure.host, "device": self.device, "key_file": str(folder / "key")}
        self.settings |= {"proxy": "http://{}:{}".format(*azure.proxy), "state_dir": str(folder / "state"), "keep_alive": 5}
        self.settings |= {"retry_least": 0.1, "retry_most": 1.0, "answer_within": 5, **settings}
        self.process = None
        # what a device's environment says must have no say
        self.environment = {"SSL_CERT_FILE": "/nonexistent", "SSL_CERT_DIR": "/nonexistent"}

    def identity(self, **authentication):
        self.authentication = {"authentication": authentication}
        self.azure.seed({f"{self.device}/rootwave": self.authentication})

    def start(self):
        path = self.folder / "agent.json"
        path.write_text(json.dumps({name: value for name, value in self.settings.items() if value is not None}))
        path.chmod(0o600)
        argv = [sys.executable, "-I", DRIVER, self.package, path, self.roots, self.folder / "jobs"]
        with (self.folder / "log").open("ab") as log:
            environment = {**os.environ, **self.environment}
            self.process = subprocess.Popen([str(one) for one in argv], stderr=log, env=environment)
        return self

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            assert self.process.wait(PATIENCE) == 0

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def status(self) -> dict:
        path = self.folder / "state" / "agent-status.json"
        return json.loads(path.read_text()) if path.exists() else {}

    def wait_connected(self, wanted=True):
        wait_until(lambda: self.status().get("connected") is wanted, f"connected: {wanted}", self)

    def send(self, section):
        self.service.patch_twin(self.device, {"properties": {"desired": {"rootwave": section}}}, module="rootwave")

    def order(self, name="stage", go=1, **more) -> str:
        identity = uuid.uuid4().hex
        self.send({name: {"id": identity, "go": go, **more}})
        return identity

    def answer(self) -> dict:
        return self.service.get_twin(self.device, "rootwave")["properties"]["reported"].get("rootwave", {})

    def wait_for(self, name, state, identity):
        def reached():
            said = self.answer().get(name, {})
            return (said.get("id"), said.get("state")) == (identity, state)

        wait_until(reached, f"{name} {state}", self)
        return self.answer()[name]

    def jobs(self) -> list[dict]:
        path = self.folder / "jobs" / "log"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def agent(azure, service, package, tmp_path):
    """agent(**settings): one that is not started yet; all end with the test."""
    made = []

    def make(**settings):
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Agent(azure, service, package, folder, **settings))
        return made[-1]

    yield make
    for one in made:
        one.stop()


@pytest.mark.parametrize("port", [8883, 443], ids=["MQTT", "WebSocket"])
def test_orders_come_and_answers_go(agent, port):
    one = agent(port=port)
    waiting = one.order()  # from before the first session
    one.start()
    one.wait_for("stage", "proved", waiting)
    later = one.order("retire")
    one.wait_for("retire", "proved", later)
    assert one.answer()["boot"] == 1 and one.answer()["agent"].count("+") == 1
    assert [job["job"] for job in one.jobs()] == ["orders", "orders"]


def test_x509(agent, azure, tmp_path):
    one = agent(key_file=None, certificate_file=str(tmp_path / "x.pem"), certificate_key_file=str(tmp_path / "x.key"))
    file, key, der = certificate(tmp_path, one.device)
    os.rename(file, tmp_path / "x.pem")
    os.rename(key, tmp_path / "x.key")
    azure.ask("trust_client", {"pem": (tmp_path / "x.pem").read_text()})
    right = {"primaryThumbprint": hashlib.sha256(der).hexdigest().upper(), "secondaryThumbprint": "0" * 64}
    one.identity(type="selfSigned", x509Thumbprint={**right, "primaryThumbprint": "1" * 64})
    one.start()
    one.wait_connected(False)
    assert "refuses" in one.status()["reason"]
    one.identity(type="selfSigned", x509Thumbprint=right)
    one.wait_connected()
    one.wait_for("stage", "proved", one.order())


def test_wrong_key(agent):
    one = agent()
    (one.folder / "key").write_text(base64.b64encode(b"wrong").decode())
    one.start()
    one.wait_connected(False)
    assert "refuses" in one.status()["reason"]
    (one.folder / "key").write_text(one.key)  # read anew for each session
    one.wait_connected()


def test_untrusted_hub_until_its_root_is_there(agent):
    one = agent()
    good = one.roots.read_bytes()
    one.roots.write_text(pki.make_root("A stranger").pem)
    one.start()
    one.wait_connected(False)
    assert "not trusted" in one.status()["reason"] and "not trusted" in one.log()
    one.roots.write_bytes(good)
    one.wait_connected()
    assert one.status()["pid"] == one.process.pid and one.status()["boot"] == 1


def test_order_is_run_once_for_each_go(agent):
    one = agent().start()
    first = one.order()
    one.wait_for("stage", "proved", first)
    one.send({"other": 1})  # a patch that changes nothing about it
    one.send({"stage": {"go": 2}})
    wait_until(lambda: one.answer()["stage"]["go"] == 2, "the second go", one)
    one.stop()
    one.start()
    one.wait_for("retire", "proved", one.order("retire"))
    assert [job["orders"] for job in one.jobs()[:2]] == [[first], [first]] and len(one.jobs()) == 3
    assert one.answer()["boot"] == 2


@pytest.mark.parametrize("kill", [False, True])
def test_hub_restarts(agent, azure, kill):
    one = agent().start()
    one.wait_connected()
    azure.restart(kill=kill)
    one.wait_for("stage", "proved", one.order())


def test_changes_while_it_was_away(agent, azure):
    """They are not queued: what was ordered and withdrawn is not heard of, what stands is."""
    one = agent().start()
    one.wait_for("stage", "proved", one.order())
    azure.fault("refuse-connack", key=f"{one.device}/rootwave", code=3)
    azure.ask("drop", {"hub": azure.host, "key": f"{one.device}/rootwave"})
    one.wait_connected(False)
    gone = one.order("retire")
    one.send({"retire": None})
    stands = one.order("revert")
    azure.clear()
    one.wait_for("revert", "proved", stands)
    assert all(gone not in job["orders"] for job in one.jobs())


@pytest.mark.parametrize("fault", ["lose-session", "strict-twin-res"])
def test_forgetful_and_strict_hubs(agent, azure, fault):
    """A hub that lost the subscriptions, and one that answers only who has subscribed."""
    one = agent()
    azure.fault(fault, key=f"{one.device}/rootwave")
    one.start()
    one.wait_for("stage", "proved", one.order())
    azure.ask("drop", {"hub": azure.host, "key": f"{one.device}/rootwave"})
    one.wait_for("retire", "proved", one.order("retire"))


def test_throttled_answer_is_given_later(agent, azure, monkeypatch):
    """A declined patch does not end the session, and is not sent again at once."""
    one = agent().start()
    one.wait_connected()
    azure.fault("twin-status", key=f"{one.device}/rootwave", status=429, count=1)
    order = one.order()
    wait_until(one.jobs, "the job", one)
    one.stop()
    one.start()  # whoever was declined says it in its next session at the latest
    one.wait_for("stage", "proved", order)


def test_two_with_one_identity_do_not_fight(agent):
    """Each evicts the other. Both back off, further each time: a minute holds few attempts, not hundreds."""
    one, other = agent(retry_least=0.5, retry_most=60), agent(retry_least=0.5, retry_most=60)
    other.settings["device"] = one.device
    (other.folder / "key").write_text(one.key)
    one.start()
    one.wait_connected()
    other.start()
    wait_until(lambda: one.log().count("not connected") + other.log().count("not connected") >= 6, "evictions", one)
    reached = one.log().count("connected to") + other.log().count("connected to")
    lost = one.log().count("not connected") + other.log().count("not connected")
    assert reached <= lost + 2  # never a second attempt without a pause, which writes a line


def test_pending_waits_for_a_new_session(agent, azure):
    """The session in which a change became pending is dropped, and the next one confirms it."""
    one = agent().start()
    one.wait_connected()
    order = one.order("retire", leave="pending", confirm_by=int(time.time()) + 60)
    one.wait_for("retire", "proved", order)
    assert [job["job"] for job in one.jobs()] == ["orders", "commit"]


def test_commit_that_fails_is_tried_again_in_time(agent, azure):
    """Soon, and not when the time to confirm is over."""
    one = agent(keep_alive=600).start()  # no ping wakes it
    one.wait_connected()
    (one.folder / "jobs" / "fail").touch()
    order = one.order("retire", leave="pending", confirm_by=int(time.time()) + 3600)
    one.wait_for("retire", "proved", order)
    assert [job["job"] for job in one.jobs()] == ["orders", "commit", "commit"]


def test_new_package_while_a_change_is_pending(agent, azure):
    """As deploy_agent does it: the file is replaced, the agent told to stop, and the next one confirms what this one began."""
    one = agent().start()
    one.wait_connected()
    azure.fault("refuse-connack", key=f"{one.device}/rootwave")
    order = one.order("retire", leave="pending", confirm_by=int(time.time()) + 3600)
    one.wait_connected(False)
    newer = one.folder / "newer.pyz"
    newer.write_bytes(one.package.read_bytes())
    one.stop()
    one.package = newer
    azure.clear()
    one.start()
    one.wait_for("retire", "proved", order)
    assert [job["job"] for job in one.jobs()] == ["orders", "settle", "commit"] and one.answer()["boot"] == 2


def test_pending_without_a_session_is_settled(agent, azure):
    one = agent().start()
    one.wait_connected()
    azure.fault("refuse-connack", key=f"{one.device}/rootwave")
    order = one.order("retire", leave="pending", confirm_by=int(time.time()) + 3)
    wait_until(lambda: [job["job"] for job in one.jobs()] == ["orders", "settle"], "the change is settled", one)
    azure.clear()
    one.wait_for("retire", "reverted", order)


def test_pending_and_withdrawn_is_reverted(agent, azure):
    one = agent().start()
    one.wait_connected()
    azure.fault("refuse-connack", key=f"{one.device}/rootwave")
    order = one.order("retire", leave="pending", confirm_by=int(time.time()) + 60)
    one.wait_connected(False)
    one.send({"retire": None})
    azure.clear()
    one.wait_for("retire", "reverted", order)
    assert [job["job"] for job in one.jobs()] == ["orders", "revert"]


def test_token_is_renewed(agent, azure):
    """300 s is the least; so the session is looked at, not waited for: renewal is due before the token ends."""
    one = agent(token_lifetime=300).start()
    one.wait_connected()
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); sys.argv[1:2] = []\n"
        "from agent import config, session\nfrom gateway.probe import context_for\nfrom gateway.model import Trust\n"
        "import time\n"
        "settings = config.load(sys.argv[1])\n"
        "with session.Session(settings, lambda _: context_for(Trust('lab', cafile=sys.argv[2]))) as one:\n"
        "    print(one.renew_at - time.monotonic())\n"
    )
    one.stop()
    argv = [sys.executable, "-I", "-c", script, one.package, one.folder / "agent.json", one.roots]
    left = float(subprocess.run([str(part) for part in argv], check=True, capture_output=True, text=True).stdout)
    assert 0 < left <= 300 - 120
