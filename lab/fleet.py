# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gateways: podman containers with systemd as PID 1 and a real sshd. There is one way to make a gateway, this one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import config, containers, filters, network
from .config import HUB, Device, Gateway, Lab
from .hub import sas
from .images import LIMITS, lab_image
from .tools import LabError, ensure_watches, run, say, succeeds

PASSWORD_LIFETIME = 30 * 86400  # seconds
START_MOST = 120.0  # seconds
UNFINISHED = ("", "offline", "starting", "initializing")
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"


def client_key(lab: Lab) -> Path:
    """The one SSH key that opens this lab's gateways; made once."""
    path = lab.state_dir / "id_ed25519"
    if not path.exists():
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"rootwave lab {lab.name}", "-f", str(path)])
    return path


def write_settings(lab: Lab, gateway: Gateway) -> None:
    """What a gateway finds in /etc/lab: its host key, who may log in, its client's settings with the password."""
    folder = lab.state_dir / "gateways" / gateway.name
    folder.mkdir(parents=True, exist_ok=True)
    host_key = folder / "ssh_host_ed25519_key"
    if not host_key.exists():
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", gateway.name, "-f", str(host_key)])
    shutil.copy(client_key(lab).with_suffix(".pub"), folder / "authorized_keys")
    settings = ["HostKey /etc/lab/ssh_host_ed25519_key", "AuthorizedKeysFile /etc/lab/authorized_keys"]
    settings += ["PasswordAuthentication no", "MaxStartups 100:30:200", "UseDNS no"]
    if gateway.faketime:
        settings.append(f"SetEnv LD_PRELOAD={FAKETIME} FAKETIME={gateway.faketime}")
    (folder / "sshd.conf").write_text("\n".join(settings) + "\n")
    password = sas.token(HUB, gateway.name, gateway.key, PASSWORD_LIFETIME)
    store = "--capath /etc/ssl/certs"
    options = [f"-h {HUB}", "-p 8883", store, f"-i {gateway.name}", "-q 1", "-k 10"]
    options += [f"-u {HUB}/{gateway.name}/?api-version=2021-04-12", f"-P {password}"]
    options += [f"-t devices/{gateway.name}/messages/devicebound/#"]
    path = folder / "mosquitto_sub"
    path.touch(mode=0o600)
    path.write_text("\n".join(options) + "\n")


def ensure_gateways(lab: Lab, runtime: str) -> None:
    """Start every gateway that does not run."""
    states = container_states(lab)
    missing = [gateway for gateway in lab.gateways if states.get(lab.container(gateway)) != "running"]
    if missing:
        say(f"starting {len(missing)} gateways with {runtime}")
        ensure_watches(len(lab.hosts))
    client_key(lab)
    _start_all(lab, missing, runtime, states)


def _start_all(lab: Lab, gateways: list[Gateway], runtime: str, states: dict[str, str]) -> None:
    """``states`` are those of containers that are there already."""
    for gateway in gateways[:1]:
        _start(lab, gateway, runtime, states)
    if len(gateways) == len(lab.gateways):  # podman makes it with the first container and ends it with the last
        network.ensure_bridge(lab)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda gateway: _start(lab, gateway, runtime, states), gateways[1:]))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda gateway: wait_ready(lab, gateway), gateways))
        made = [gateway for gateway in gateways if lab.container(gateway) not in states]
        list(pool.map(lambda gateway: filters.settle(lab, gateway), made))


def renew(lab: Lab, gateways: list[Gateway], runtime: str) -> None:
    """The same gateways as on their first day: between two tests."""
    run(["podman", "rm", "--force", "--ignore", "--time", "0", *map(lab.container, gateways)])
    _start_all(lab, gateways, runtime, {})


def container_states(lab: Lab) -> dict[str, str]:
    """{container: state} of everything that carries this lab's label."""
    text = run(["podman", "ps", "--all", "--format", "json", "--filter", f"label=rootwave.lab={lab.name}"])
    return {item["Names"][0]: item["State"] for item in json.loads(text or "[]")}


def remove_all(lab: Lab) -> None:
    """Twice if need be: podman trips over a container that ends by itself while it is being stopped."""
    argv = ["podman", "rm", "--force", "--ignore", "--time", "1"]
    names = list(container_states(lab))
    if names and not succeeds([*argv, *names]):
        run([*argv, *names])


def execute(lab: Lab, host: Gateway | Device, argv, stdin: bytes = b"") -> subprocess.CompletedProcess:
    """Run a program in a container, past SSH: the lab's own eyes, independent of what is tested."""
    return containers.execute(lab, lab.container(host), argv, stdin)


def _start(lab: Lab, gateway: Gateway, runtime: str, states: dict[str, str]) -> None:
    name = lab.container(gateway)
    write_settings(lab, gateway)
    if name in states:
        run(["podman", "start", name])
        return
    settings = lab.state_dir / "gateways" / gateway.name
    argv = (
        ["--hostname", gateway.name]
        + ["--label", f"rootwave.lab={lab.name}", "--systemd=always", "--cap-add=NET_ADMIN,NET_RAW", *LIMITS]
        + ["--network", lab.network, "--ip", gateway.address, "--mac-address", config.mac(gateway.address)]
        # who has containers makes network namespaces and forwards
        + (["--cap-add=SYS_ADMIN", "--sysctl=net.ipv4.ip_forward=1"] if gateway.boxed else [])
        + ["--dns", lab.dns_address]
        + ["--volume", f"{settings}:/etc/lab:ro", lab_image(lab, gateway), "/sbin/init"]
    )
    containers.make(lab, name, runtime, "run", argv)


def wait_ready(lab: Lab, host: Gateway | Device) -> None:
    """systemd tells when it is up, once its bus is there; an sshd without its port would show as a failed unit."""
    deadline = time.monotonic() + START_MOST
    while True:
        done = execute(lab, host, ["timeout", f"{START_MOST:.0f}", "systemctl", "is-system-running", "--wait"])
        state = done.stdout.decode().strip()
        if state == "running":
            return
        if state not in UNFINISHED or time.monotonic() > deadline:
            failed = execute(lab, host, ["systemctl", "--failed", "--no-legend"]).stdout.decode().strip()
            raise LabError(f"{host.name} did not start: {state or done.stderr.decode().strip()} {failed}")
        time.sleep(0.1)


def give_to_caller(path: Path) -> None:
    """Under sudo, what the user's own ansible must read belongs to the user."""
    if "SUDO_UID" in os.environ and os.geteuid() == 0:
        os.chown(path, int(os.environ["SUDO_UID"]), int(os.environ["SUDO_GID"]))
