# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent's sandbox in force, in a container that may make namespaces. ``make sandbox``, not beside another lab."""

from __future__ import annotations

import subprocess

import pytest

from lab import config, hub_client, images
from tests.system import devices
from tests.system.fleet import wait_until
from tests.unit.agent.signing import Signer

FOREIGN = ("/usr/x", "/usr/local/x", "/var/log/x", "/root/x", "/boot/x", "/etc/ssh/x", "/etc/cron.daily/x", "/etc/rootwave/x")
FREE = ("--security-opt=seccomp=unconfined", "--security-opt=apparmor=unconfined", "--security-opt=unmask=ALL")
FILTER = """\
flush ruleset
table inet filter {{
  set hubs {{ type ipv4_addr; flags interval; elements = {{ {address} }} }}
  chain output {{
    type filter hook output priority 0; policy drop;
    oif "lo" accept
    ct state established,related accept
    meta l4proto {{ tcp, udp }} th dport 53 accept
    ip daddr @hubs tcp dport {{ 443, 8883 }} accept
  }}
}}
include "/etc/nftables.d/*.nft"
"""
NET_ADMIN, SYS_ADMIN = 12, 21  # capabilities(7), by their numbers
NEEDED = ("/etc/ssl/certs/x", "/usr/local/share/ca-certificates/x", "/etc/systemd/system/x", "/var/lib/rootwave/x")


@pytest.fixture(scope="session")
def tarball(tmp_path_factory):
    return devices.make_tarball(tmp_path_factory.mktemp("agent"))


@pytest.fixture(params=["bullseye", "bookworm", "trixie"])
def free_container(lab, request):
    """A gateway that may make namespaces: in the lab's own systemd leaves the sandbox out, for they may not.

    Not a privileged one, whose systemd has the machine's own cgroups to write to.
    """
    gateway = [one for one in lab.gateways if one.suite == request.param][0]
    name, settings = f"{lab.network}-sandbox", lab.state_dir / "gateways" / gateway.name
    image = images.lab_image(lab, gateway)
    remove = ["podman", "rm", "--force", "--ignore", "--time", "1", name]
    subprocess.run(remove, check=True, capture_output=True)
    argv = ["podman", "--runtime", images.choose_runtime(image), "run", "--detach", "--name", name, "--systemd=always"]
    argv += ["--cap-add=ALL", *FREE, *images.LIMITS, "--label", f"rootwave.lab={lab.name}", "--network", lab.network]
    argv += ["--ip", lab.address(200), "--dns", lab.dns_address, "--volume", f"{settings}:/etc/lab:ro", image, "/sbin/init"]
    subprocess.run(argv, check=True, capture_output=True)
    yield name
    subprocess.run(remove, check=True, capture_output=True)


@pytest.fixture
def device(lab, free_container, tarball):
    """A device whose systemd is up; the agent is not installed yet."""
    hub_client.serve(lab, "v1")
    hub_client.ask(lab, "seed", {"hub": config.HUB, "devices": {"sandbox": {}}})
    found = devices.Device(lab, "sandbox", tarball, Signer("lab"), container=free_container)
    wait_until(lambda: found.execute("systemctl", "is-system-running").stdout.strip() in (b"running", b"degraded"), "systemd")
    yield found
    hub_client.ask(lab, "clear", {})


def test_sandbox(lab, device):
    """In force, and everything works in it: stage, retire, and the revert of one that found no session."""
    failed = device.execute("systemctl", "--failed", "--no-legend").stdout  # a privileged container may not load modules
    device.install()
    device.wait_connected()
    pid, documents = device.main_pid(), devices.documents(lab)

    def writes(path: str, *inside: str) -> bool:
        return device.execute(*inside, "sh", "-c", f"echo > {path} && rm {path}").returncode == 0

    inside = ("nsenter", "--target", pid, "--mount")
    assert not [path for path in FOREIGN if writes(path, *inside)]
    assert all(writes(path, *inside) for path in NEEDED)
    assert all(writes(path) for path in FOREIGN)  # without the sandbox they can be written
    facts = dict(line.split(":\t", 1) for line in device.run("cat", f"/proc/{pid}/status").splitlines() if ":\t" in line)
    assert (facts["NoNewPrivs"], facts["Seccomp"]) == ("1", "2")
    assert not rights(device) & {NET_ADMIN, SYS_ADMIN}

    device.wait_for("stage", "proved", order=device.order(documents("stage")))
    hub_client.serve(lab, "v2")
    hub_client.ask(lab, "fault", {"name": "refuse-connack", "key": "sandbox/rootwave"})
    order = device.order(documents("retire", confirm_within=10))
    wait_until(device.pending, "a pending change")
    wait_until(lambda: not device.pending(), "the revert")
    hub_client.ask(lab, "clear", {})
    device.wait_for("retire", "reverted", order=order)
    device.wait_for("retire", "proved", order=device.order(documents("retire")))
    assert device.execute("systemctl", "--failed", "--no-legend").stdout == failed


def rights(device) -> set[int]:
    """The capabilities that the agent could have at most."""
    status = device.run("cat", f"/proc/{device.main_pid()}/status")
    (bounding,) = [int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapBnd:")]
    return {number for number in range(64) if bounding >> number & 1}


def test_allowlist_by_an_order(lab, device):
    """nftables beside the roots: what is pending stands once the agent has a new session through it, and goes without one."""
    filter_as(device, lab.old_address)
    device.install("--firewall")
    device.wait_connected()
    assert rights(device) & {NET_ADMIN, SYS_ADMIN} == {NET_ADMIN}
    asked = devices.documents(lab)("stage", confirm_within=10, allowlist=allowlist_of([lab.new_address], [lab.old_address]))
    assert not admits(device, lab.new_address)
    hub_client.ask(lab, "fault", {"name": "refuse-connack", "key": "sandbox/rootwave"})
    order = device.order(asked)
    wait_until(lambda: admits(device, lab.new_address), "the new address")
    wait_until(lambda: not admits(device, lab.new_address), "the revert")
    hub_client.ask(lab, "clear", {})
    device.wait_for("stage", "reverted", order=order)
    device.wait_for("stage", "proved", order=device.order({**asked, "confirm_within": 60}))
    assert admits(device, lab.new_address) and admits(device, lab.old_address)
    assert not device.pending()
    device.run("systemctl", "restart", "nftables")
    assert admits(device, lab.new_address), "lost at the next boot"


def test_no_right_no_allowlist(lab, device):
    """Installed without --firewall, also where it was installed with it: refused, and nothing is changed."""
    filter_as(device, lab.old_address)
    device.install("--firewall")
    device.install()
    device.wait_connected()
    assert not rights(device) & {NET_ADMIN, SYS_ADMIN}
    order = device.order(devices.documents(lab)("stage", allowlist=allowlist_of([lab.new_address], [lab.old_address])))
    assert "allowlist-tool" in device.wait_for("stage", "refused", order=order)["reason"]
    assert not admits(device, lab.new_address)


def filter_as(device, address: str) -> None:
    """An administrator's default-drop egress filter, loaded at boot."""
    device.put("/etc/nftables.conf", FILTER.format(address=address))
    device.run("mkdir", "-p", "/etc/nftables.d")
    device.run("systemctl", "enable", "--now", "nftables")


def admits(device, address: str) -> bool:
    return device.execute("nft", "get", "element", "inet", "filter", "hubs", f"{{ {address} }}").returncode == 0


def allowlist_of(new: list[str], old: list[str]) -> dict:
    known = {key: [{"prefix": text, "source": "test"} for text in texts] for key, texts in (("new", new), ("old", old))}
    place = {"path": "output", "backend": "nftables", "way": "named_set", "family": "inet", "table": "filter", "set4": "hubs"}
    return {**known, "private": True, "quiet_period": 0, "places": [place]}
