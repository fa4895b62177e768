# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent on real gateways: systemd, the distribution's own store tools, Python 3.9, 3.11 and 3.13, the lab's hub."""

from __future__ import annotations

import json
import subprocess

import pytest

from lab import config, hub_client, network, openssl
from tests.system import devices
from tests.system.fleet import wait_until
from tests.unit.agent.signing import Signer

SOON = 30  # seconds


@pytest.fixture(scope="session")
def tarball(tmp_path_factory):
    return devices.make_tarball(tmp_path_factory.mktemp("agent"))


@pytest.fixture
def install(fleet, tarball):
    """install(name, **settings): a connected device."""
    signer = Signer("lab")

    def make(name: str, wait: bool = True, **settings) -> devices.Device:
        device = devices.Device(fleet.lab, name, tarball, signer, **settings)
        device.install()
        if wait:
            device.wait_connected()
        return device

    yield make
    hub_client.ask(fleet.lab, "clear", {})


@pytest.fixture
def documents(fleet):
    return devices.documents(fleet.lab)


@pytest.fixture
def device(fleet, install):
    return install(fleet.group("trio")[1])


def trusts(fleet, device, root) -> bool:
    return openssl.trusts(fleet.lab, fleet.gateways[device.name], root.pem)


def refuse_sessions(fleet, device, **options):
    """TLS goes well, and no session comes of it."""
    hub_client.ask(fleet.lab, "fault", {"name": "refuse-connack", "key": f"{device.name}/rootwave", **options})


def clear(fleet):
    hub_client.ask(fleet.lab, "clear", {})


def staged(fleet, device, documents):
    """Stage is done, and the hub has moved to the new root."""
    device.wait_for("stage", "proved", order=device.order(documents("stage")))
    hub_client.serve(fleet.lab, "v2")


def left_pending(fleet, device, documents, **changes) -> tuple[dict, str]:
    """(order, trust files before) of a retirement that is applied and waits for its session, which is refused."""
    staged(fleet, device, documents)
    before = fleet.trust_files(device.name)
    refuse_sessions(fleet, device)
    order = device.order(documents("retire", **changes))
    wait_until(lambda: state_of(device) == "pending", "a pending change")
    return order, before


def state_of(device) -> str:
    found = device.execute("sh", "-c", f"cat {devices.STATE}/pending/*/state")
    return json.loads(found.stdout)["state"] if found.returncode == 0 and found.stdout else ""


@pytest.mark.parametrize("number", [0, 1, 2], ids=["Debian 11", "Debian 12", "Debian 13"])
def test_stage_and_retire_by_twin(fleet, install, documents, roots, number):
    device = install(fleet.group("trio")[number])
    staged(fleet, device, documents)
    assert trusts(fleet, device, roots["lab-g2"]) and trusts(fleet, device, roots["lab-baltimore"])
    answer = device.wait_for("retire", "proved", order=device.order(documents("retire")))
    assert trusts(fleet, device, roots["lab-g2"]) and not trusts(fleet, device, roots["lab-baltimore"])
    report = fleet.report(device.name)
    assert (report["phase"], report["outcome"], report["committed_at"]) == ("retire", "done", answer["committed_at"])
    assert "starting commit" in device.journal()
    assert not device.pending()


def test_retire_before_stage_is_refused_and_shuts_nothing_out(fleet, device, documents, roots):
    early = device.order(documents("retire"), serial=2)
    device.wait_for("retire", "refused", order=early)
    assert "not-staged" in {blocker["id"] for blocker in fleet.report(device.name)["blockers"]}
    device.wait_for("stage", "proved", order=device.order(documents("stage"), serial=1))
    hub_client.serve(fleet.lab, "v2")
    device.send({"retire": {**early, "go": 2}})
    device.wait_for("retire", "proved", order={**early, "go": 2})
    assert not trusts(fleet, device, roots["lab-baltimore"])


def test_both_at_once_in_serial_order(fleet, device, documents, roots):
    """A shelved device: the hub is at the new root already when it hears of it all, through a store that still has both."""
    device.run("systemctl", "stop", "rootwave-agent")
    orders = [device.signer.phase(documents(phase), serial) for serial, phase in enumerate(("stage", "retire"), 1)]
    device.send({"retire": orders[1], "stage": orders[0]})
    device.run("systemctl", "start", "rootwave-agent")
    # the old chain is served still, so the retirement must be refused, and after the stage, not before it
    device.wait_for("stage", "proved", order=orders[0])
    assert "endpoint-tls-untrusted" in device.wait_for("retire", "refused", order=orders[1])["reason"]
    hub_client.serve(fleet.lab, "v2")
    device.send({"retire": {"go": 2}})
    device.wait_for("retire", "proved", order={**orders[1], "go": 2})


def test_no_session_through_the_changed_store_reverts(fleet, device, documents, roots):
    order, before = left_pending(fleet, device, documents, confirm_within=SOON)
    assert not trusts(fleet, device, roots["lab-baltimore"])
    wait_until(lambda: not device.pending(), "the revert")
    assert fleet.trust_files(device.name) == before
    clear(fleet)
    answer = device.wait_for("retire", "reverted", order=order)
    assert "no new session" in answer["reason"]
    device.send({"retire": {"go": 2}})  # the same order once more, and now there is a session
    device.wait_for("retire", "proved", order={**order, "go": 2})


def test_order_withdrawn_while_pending_reverts(fleet, device, documents):
    order, before = left_pending(fleet, device, documents)
    device.send({"retire": None})
    clear(fleet)
    assert "withdrawn" in device.wait_for("retire", "reverted", order=order)["reason"]
    assert fleet.trust_files(device.name) == before


def test_killed_while_applying(fleet, device, documents, roots):
    order = device.order(documents("stage"))
    wait_until(device.pending, "a change under way")
    device.run("systemctl", "kill", "--signal=KILL", "--kill-who=all", "rootwave-agent")
    device.wait_for("stage", "proved", order=order)
    assert device.answer()["boot"] == 2
    assert trusts(fleet, device, roots["lab-g2"]) and not device.pending()


def test_killed_while_pending(fleet, device, documents, roots):
    """The next start finds the change and confirms it with its first good session, within its time."""
    order, _before = left_pending(fleet, device, documents, confirm_within=300)
    device.run("systemctl", "kill", "--signal=KILL", "--kill-who=all", "rootwave-agent")
    clear(fleet)
    device.wait_for("retire", "proved", order=order)
    assert not trusts(fleet, device, roots["lab-baltimore"])


def test_reboot_while_pending(fleet, device, documents):
    """At boot the armed revert runs; the agent tells when it may."""
    order, before = left_pending(fleet, device, documents)
    subprocess.run(["podman", "restart", "--time", "5", device.container], check=True, capture_output=True)
    wait_until(lambda: device.execute("test", "-d", devices.STATE).returncode == 0 and not device.pending(), "the revert at boot")
    clear(fleet)
    device.wait_for("retire", "reverted", order=order)
    assert fleet.trust_files(device.name) == before
    assert device.answer()["boot"] == 2


def test_stranded_device_is_staged_over_ssh(fleet, install, roots):
    """It says so where it can, keeps trying, and is back without a restart."""
    hub_client.serve(fleet.lab, "v2")
    name = fleet.group("trio")[2]
    device = install(name, wait=False)
    wait_until(lambda: "not trusted" in device.status().get("reason", ""), "the agent says why")
    pid = device.main_pid()
    assert (device.status()["connected"], "not trusted" in device.journal()) == (False, True)
    run = fleet.play("stage_campaign", fleet.campaign(["trio"]))
    assert run.code == 0, run.output
    device.wait_connected()
    assert device.main_pid() == pid


def test_hub_that_moved_without_a_cut(fleet, device, documents, roots):
    """The agent's own session is with the old address and hinders nothing, for it is dropped; somebody else's is a stranger."""
    lab = fleet.lab
    # a second after the cutover it would be one more stranger with the old address, unless the names had moved by then
    fleet.alter(device.name, "systemctl", "stop", "lab-client")
    device.wait_for("stage", "proved", order=device.order(documents("stage")))
    hub_client.ask(lab, "cutover", {"hub": config.HUB, "chain": "v2", "listen": [lab.old_address, lab.new_address]})
    wait_until(lambda: peer(device) == lab.old_address, "a session with the old address")
    others = "import socket, sys; socket.create_connection((sys.argv[1], 8883)).recv(1)"
    device.run("systemd-run", "--quiet", "--unit=other", "python3", "-c", others, lab.old_address)
    wait_until(lambda: peer(device, "other") == lab.old_address, "the other program's session")
    moved = {name: [lab.new_address] for name, addresses in lab.names.items() if addresses == [lab.old_address]}
    network.set_names(lab, {**network.names(lab), **moved})
    order = device.order(documents("retire"))
    assert "unlisted-endpoint" in device.wait_for("retire", "refused", order=order)["reason"]
    device.run("systemctl", "stop", "other")
    assert peer(device) == lab.old_address
    device.send({"retire": {"go": 2}})
    device.wait_for("retire", "proved", order={**order, "go": 2})
    assert peer(device) == lab.new_address


def peer(device, unit: str = "rootwave-agent") -> str:
    """Whom a unit of the device has a session with by MQTT."""
    pid = device.run("systemctl", "show", "--property=MainPID", "--value", unit).strip()
    rows = device.run("ss", "-Htnp", "state", "established", "dport", "=", ":8883").splitlines()
    return " ".join(row.split()[3].rsplit(":", 1)[0] for row in rows if f"pid={pid}," in row)


def test_hub_away_for_long(fleet, device, documents):
    """The hub is refused for a while and comes back with an order; a lost session is made anew."""
    refuse_sessions(fleet, device)
    hub_client.ask(fleet.lab, "drop", {"hub": config.HUB, "key": f"{device.name}/rootwave"})
    wait_until(lambda: device.status().get("connected") is False, "the agent notices")
    order = device.order(documents("stage"))
    clear(fleet)
    device.wait_for("stage", "proved", order=order)


def test_full_disk(fleet, install, documents):
    """Nothing can be written, so nothing begins; once there is room again the next word of the hub is obeyed."""
    name = fleet.group("trio")[1]
    fleet.alter_mounts(name, f"mkdir -p {devices.STATE} && mount -t tmpfs -o size=8m tmpfs {devices.STATE}")
    device = install(name)
    before = fleet.trust_files(name)
    device.execute("sh", "-c", f"cat /dev/zero > {devices.STATE}/filler")
    device.order(documents("stage"))
    wait_until(lambda: "is tried again" in device.journal(), "the agent gives up for now")
    assert fleet.trust_files(name) == before
    device.run("rm", f"{devices.STATE}/filler")
    device.send({"stage": {"go": 2}})
    assert device.wait_for("stage", "proved")["go"] == 2


def test_what_is_not_believed(fleet, device, documents):
    """One of each kind through the whole way; the rest is order.py's and the worker's tests."""
    before = fleet.trust_files(device.name)
    good = device.signer.phase(documents("stage"), 5)
    strangers = Signer("lab").phase(documents("stage"), 6)
    foreign = Signer("other")
    foreign.keys = device.signer.keys
    tampered = {**good, "c0": ("A" if good["c0"][0] != "A" else "B") + good["c0"][1:]}
    cases = {"damaged": tampered, "unsigned": strangers, "fleet": foreign.phase(documents("stage"), 7)}
    cases["phase"] = device.signer.phase(documents("retire"), 8)
    for reason, order in cases.items():
        device.send({"stage": None})
        device.send({"stage": order})
        assert device.wait_for("stage", "refused", order=order)["reason"].startswith(reason)
    assert fleet.trust_files(device.name) == before
    device.send({"stage": None})
    device.send({"stage": good})
    device.wait_for("stage", "proved", order=good)
    device.send({"stage": None})
    replayed = device.signer.phase(documents("stage"), 4)
    device.send({"stage": replayed})
    assert device.wait_for("stage", "refused", order=replayed)["reason"].startswith("serial")
