# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is around the agent: its installation over SSH, the inbox, and that it does what Ansible does."""

from __future__ import annotations

import hashlib
import json
import ssl
from pathlib import Path

import pytest

from agent import build
from lab import config, hub_client, openssl, pki
from lab.environment import environment
from tests.system import devices
from tests.system.fleet import wait_until
from tests.unit.agent.signing import Signer

# what may differ between two gateways that did the same
OWN = ("finished_at", "elapsed", "committed_at", "seconds_since_commit")


@pytest.fixture(scope="session")
def tarball(tmp_path_factory):
    return devices.make_tarball(tmp_path_factory.mktemp("agent"))


@pytest.fixture
def deploy(fleet, tmp_path):
    """deploy(names, **variables): one run of deploy_agent."""
    build.paho_wheel(Path.home() / ".ansible" / "rootwave")  # a run sees the lab's proxy only, and behind that is no registry
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps(Signer("lab").document))
    settings = json.loads((fleet.lab.state_dir / "hub.json").read_text())
    around = environment(settings, pki.roots_file(fleet.lab.state_dir))
    around["ROOTWAVE_HUB_CONNECTION_STRING"] = devices.connection_string(fleet.lab)
    around = {name: value for name, value in around.items() if name != "ANSIBLE_COLLECTIONS_PATH"}

    def run(names, *arguments, **variables):
        variables = {"rootwave_hosts": ",".join(names), "trust_agent_fleet": "lab", "trust_agent_hub": config.HUB, **variables}
        variables = {"trust_agent_keys_file": str(keys), "trust_agent_connect_within": 60, **variables}
        return fleet.play("deploy_agent", fleet.campaign(["trio"]), *arguments, "-e", json.dumps(variables), settings=around)

    yield run
    hub_client.ask(fleet.lab, "clear", {})


def test_deploy_agent_over_ssh(fleet, deploy, tarball):
    """The playbook makes the identity, installs, and waits for the first session; a second run changes nothing."""
    trio = fleet.group("trio")
    looked = deploy(trio[:1], "--check")
    assert looked.code == 0 and looked.changed > 0, looked.output
    first = deploy(trio)
    assert first.code == 0, first.output
    again = deploy(trio)
    assert (again.code, again.changed) == (0, 0), again.output
    for name in trio:
        device = devices.Device(fleet.lab, name, tarball, Signer("lab"))
        assert device.status()["connected"]
        assert device.run("stat", "-c", "%a %U", "/etc/rootwave/agent.key").split() == ["600", "root"]
        key = device.run("cat", "/etc/rootwave/agent.key").strip()
        assert key not in first.output + again.output
    # a hub that refuses: the playbook fails and says where to look
    hub_client.ask(fleet.lab, "fault", {"name": "refuse-connack"})
    device.run("systemctl", "stop", "rootwave-agent")
    wrong = deploy(trio[-1:], trust_agent_connect_within=5)
    assert wrong.code != 0 and "agent-status.json" in wrong.output


def test_deploy_agent_with_another_front_end(fleet, deploy, tarball):
    """Never two on one device, and the inbox is looked at after a reboot, too."""
    name = fleet.group("trio")[0]
    device = devices.Device(fleet.lab, name, tarball, Signer("lab"))
    units = ("rootwave-agent.service", "rootwave-inbox.path", "rootwave-inbox.service")
    for front_end, enabled in (
        ("module", [True, False, False]),
        ("inbox", [False, True, True]),
        ("module", [True, False, False]),
    ):
        run = deploy([name], trust_agent_front_end=front_end)
        assert run.code == 0, run.output
        assert [device.execute("systemctl", "is-enabled", "--quiet", unit).returncode == 0 for unit in units] == enabled
        active = [device.execute("systemctl", "is-active", "--quiet", unit).returncode == 0 for unit in units[:2]]
        assert active == enabled[:2]
        again = deploy([name], trust_agent_front_end=front_end)
        assert (again.code, again.changed) == (0, 0), again.output


def test_deploy_agent_for_firewalls_too(fleet, deploy, tarball):
    """The agent may change nftables where it was said, and no more once it is not."""
    device = devices.Device(fleet.lab, fleet.group("trio")[0], tarball, Signer("lab"))
    for may in (True, False):
        looked, run, again = (deploy([device.name], *args, trust_agent_firewall=may) for args in (["--check"], [], []))
        assert (looked.code, run.code) == (0, 0), looked.output + run.output
        assert (again.code, again.changed) == (0, 0), again.output
        shown = device.run("systemctl", "show", "--property=CapabilityBoundingSet", "rootwave-agent", "rootwave-inbox")
        assert shown.count("cap_net_admin") == (2 if may else 0), shown
        status = device.run("cat", f"/proc/{device.main_pid()}/status")
        (bounding,) = [int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapBnd:")]
        assert bool(bounding >> 12 & 1) == may  # CAP_NET_ADMIN


def test_deploy_agent_with_a_certificate(fleet, deploy, tarball):
    name, folder = fleet.group("trio")[2], "/etc/rootwave"
    device = devices.Device(fleet.lab, name, tarball, Signer("lab"))
    device.run("mkdir", "-p", folder)
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"]
    device.run(*argv, "-subj", f"/CN={name}", "-keyout", f"{folder}/x.key", "-out", f"{folder}/x.pem")
    pem = device.run("cat", f"{folder}/x.pem")
    hub_client.ask(fleet.lab, "trust_client", {"pem": pem})
    thumbprint = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest().upper()
    settings = {"certificate_file": f"{folder}/x.pem", "certificate_key_file": f"{folder}/x.key"}
    variables = {"trust_agent_settings": settings, "trust_agent_thumbprints": [thumbprint]}
    run = deploy([name], **variables)
    assert run.code == 0, run.output
    assert device.status()["connected"] and device.execute("test", "-e", f"{folder}/agent.key").returncode != 0
    again = deploy([name], **variables)
    assert (again.code, again.changed) == (0, 0), again.output


def test_new_package_while_a_change_is_pending(fleet, deploy, tarball):
    """The agent that deploy_agent starts confirms what the one before it began."""
    name = fleet.group("trio")[1]
    device = devices.Device(fleet.lab, name, tarball, Signer("lab"))
    device.install()
    device.wait_connected()
    documents = devices.documents(fleet.lab)
    device.wait_for("stage", "proved", order=device.order(documents("stage")))
    hub_client.serve(fleet.lab, "v2")
    hub_client.ask(fleet.lab, "fault", {"name": "refuse-connack", "key": f"{name}/rootwave"})
    order = device.order(documents("retire", confirm_within=300))
    wait_until(device.pending, "a pending change")
    wait_until(lambda: device.status().get("connected") is False, "no session")
    pid = device.main_pid()
    device.run("sh", "-c", "printf '\\n' >> /usr/local/lib/rootwave/rootwave-agent.pyz")  # an older package
    hub_client.ask(fleet.lab, "clear", {})
    run = deploy([name])
    assert run.code == 0, run.output
    assert device.main_pid() != pid
    device.wait_for("retire", "proved", order=order)
    assert not device.pending()


def bring(device, name, document):
    """As an application does: written beside its place, and renamed."""
    inbox = f"{devices.STATE}/inbox"
    device.put(f"{inbox}/.{name}", json.dumps(document))
    device.run("mv", f"{inbox}/.{name}", f"{inbox}/{name}")


@pytest.mark.parametrize("number", [0, 1, 2], ids=["Debian 11", "Debian 12", "Debian 13"])
def test_inbox(fleet, tarball, roots, number):
    """No connection of its own: the path unit wakes it, and retire waits for the application's word."""
    device = devices.Device(fleet.lab, fleet.group("trio")[number], tarball, Signer("lab"), front_end="inbox", key_file="")
    device.install()
    documents = devices.documents(fleet.lab)

    def said(phase):
        return ((device.json(f"{devices.STATE}/outbox/reported.json") or {}).get(phase) or {}).get("state")

    stage = device.signer.phase(documents("stage"), 1)
    bring(device, "desired.json", {"stage": stage})
    wait_until(lambda: said("stage") == "proved", "the stage")
    hub_client.serve(fleet.lab, "v2")
    before = fleet.trust_files(device.name)

    retire = device.signer.phase(documents("retire", confirm_within=10), 2)
    bring(device, "desired.json", {"stage": stage, "retire": retire})
    wait_until(lambda: said("retire") == "reverted", "nobody reconnected")
    assert fleet.trust_files(device.name) == before

    retire = device.signer.phase(documents("retire"), 3)
    bring(device, "desired.json", {"stage": stage, "retire": retire})
    wait_until(lambda: device.json(f"{devices.STATE}/outbox/reconnect.json"), "the request for a new session")
    asked = device.json(f"{devices.STATE}/outbox/reconnect.json")
    assert asked["change"] in device.pending() and said("retire") == "running"
    bring(device, "reconnected.json", {"change": asked["change"]})
    wait_until(lambda: said("retire") == "proved", "the commit")
    assert not openssl.trusts(fleet.lab, fleet.gateways[device.name], roots["lab-baltimore"].pem)
    wait_until(lambda: not device.execute("pgrep", "-f", "rootwave-agent.pyz").stdout, "nothing runs when nothing is to do")


def same_suite(fleet) -> tuple[str, str]:
    """Two gateways that nothing tells apart but their names."""
    first, second = fleet.group("first"), fleet.group("second")
    alike = [(a, b) for a in first for b in second if fleet.gateways[a].image == fleet.gateways[b].image]
    return alike[0]


def what_matters(report: dict) -> dict:
    kept = {key: value for key, value in report.items() if key not in OWN}
    return {**kept, "probes": [{key: value for key, value in probe.items() if key != "at"} for probe in report["probes"]]}


def test_push_and_pull_do_the_same(fleet, tarball):
    """One campaign by the module over SSH and by the agent: equal plans, trust files and reports."""
    pushed, pulled = same_suite(fleet)
    device = devices.Device(fleet.lab, pulled, tarball, Signer("lab"))
    device.install()
    device.wait_connected()
    assert fleet.trust_files(pushed) == fleet.trust_files(pulled)
    campaign = fleet.campaign(["first"])
    document = devices.documents_of(campaign, [{"host": config.HUB, "port": port, "role": "hub"} for port in (8883, 443)])
    seen = []
    for phase in ("stage", "retire"):
        run = fleet.play(f"{phase}_campaign", campaign)
        assert run.code == 0, run.output
        device.wait_for(phase, "proved", order=device.order(document(phase)))
        mine, theirs = fleet.report(pushed), fleet.report(pulled)
        assert mine["plan"] and what_matters(mine) == what_matters(theirs)
        assert fleet.trust_files(pushed) == fleet.trust_files(pulled)
        seen.append(theirs)
        device.send({phase: None})  # two orders about seven roots each do not fit into one twin
        hub_client.serve(fleet.lab, "v2")
    # and the comparison can fail
    assert what_matters(seen[0]) != what_matters(seen[1])
    fleet.alter(pulled, "sh", "-c", "echo >> /etc/ca-certificates.conf")
    assert fleet.trust_files(pushed) != fleet.trust_files(pulled)
