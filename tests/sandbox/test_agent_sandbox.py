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


def test_sandbox(lab, free_container, tarball):
    """In force, and everything works in it: stage, retire, and the revert of one that found no session."""
    hub_client.serve(lab, "v1")
    hub_client.ask(lab, "seed", {"hub": config.HUB, "devices": {"sandbox": {}}})
    device = devices.Device(lab, "sandbox", tarball, Signer("lab"), container=free_container)
    wait_until(lambda: device.execute("systemctl", "is-system-running").stdout.strip() in (b"running", b"degraded"), "systemd")
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
    assert (facts["NoNewPrivs"], facts["Seccomp"], int(facts["CapBnd"], 16) >> 21 & 1) == ("1", "2", 0)  # 21: CAP_SYS_ADMIN

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
