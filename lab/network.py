# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's own network: a podman bridge, the hub's addresses on it, and a name server that answers as the lab says."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import struct
import subprocess
import time
from pathlib import Path

from .config import Lab, mac
from .tools import LabError, run, say, succeeds

MARK_ADDRESS = "192.0.2.1"
DNS_MOST = 30.0  # seconds


def ensure_network(lab: Lab) -> None:
    if not succeeds(["podman", "network", "exists", lab.network]):
        run(
            ["podman", "network", "create", "--disable-dns", "--label", f"rootwave.lab={lab.name}"]
            + ["--subnet", lab.address(0) + "/24", "--gateway", lab.dns_address, lab.network]
        )


def ensure_bridge(lab: Lab) -> None:
    """The hub's addresses on the bridge, and a hardware address that stays.

    Left alone, a bridge takes the lowest of its ports' addresses: it would change whenever a gateway is made anew, and
    the other gateways would talk to the old one until their neighbour tables notice.
    """
    bridge = json.loads(run(["podman", "network", "inspect", lab.network]))[0]["network_interface"]
    shown = json.loads(run(["ip", "-json", "address", "show", "dev", bridge]))
    if shown[0]["address"] != mac(lab.dns_address):
        run(["ip", "link", "set", "dev", bridge, "address", mac(lab.dns_address)])
    held = {item["local"] for item in shown[0]["addr_info"]}
    for address in lab.hub_addresses:
        if address not in held:
            run(["ip", "address", "add", address + "/24", "dev", bridge])


def names(lab: Lab) -> dict[str, list[str]]:
    """The names that the lab's DNS answers now."""
    path = lab.state_dir / "names.json"
    return json.loads(path.read_text()) if path.exists() else lab.names


def set_names(lab: Lab, wanted: dict[str, list[str]]) -> None:
    """Let the lab's DNS answer exactly these names, and a mark by which is seen that it does; in effect when this returns."""
    (lab.state_dir / "names.json").write_text(json.dumps(wanted))
    mark = f"mark-{secrets.token_hex(8)}.invalid"
    lines = [f"{address} {name}\n" for name, addresses in wanted.items() for address in addresses]
    (lab.state_dir / "hosts").write_text("".join([*lines, f"{MARK_ADDRESS} {mark}\n"]))
    pid = running(lab, "dnsmasq")
    if pid:
        os.kill(pid, signal.SIGHUP)
        _wait_for(lab, mark)


def _wait_for(lab: Lab, name: str) -> None:
    """Ask the lab's DNS for a name until it has an answer (RFC 1035, section 4): it reads its file some time after the signal."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    question = struct.pack(">6H", 1, 0x0100, 1, 0, 0, 0) + labels + struct.pack(">B2H", 0, 1, 1)
    deadline = time.monotonic() + DNS_MOST
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.settimeout(1)
        while time.monotonic() < deadline:
            asker.sendto(question, (lab.dns_address, 53))
            try:
                if struct.unpack(">H", asker.recv(512)[6:8])[0]:  # answers
                    return
            except TimeoutError:
                continue
            time.sleep(0.01)
    raise LabError(f"the lab's dnsmasq did not read {lab.state_dir / 'hosts'} within {DNS_MOST:.0f} s; see dnsmasq.log beside it")


def ensure_dns(lab: Lab) -> None:
    set_names(lab, names(lab))
    start(
        lab,
        "dnsmasq",
        ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root"]
        + [f"--addn-hosts={lab.state_dir / 'hosts'}", f"--listen-address={lab.dns_address}", "--bind-interfaces"]
        + ["--except-interface=lo", "--local=/#/", "--max-ttl=1", "--pid-file="],
    )


def running(lab: Lab, name: str) -> int | None:
    """The pid of a process that the lab started and that is still the same one, or None."""
    path = lab.state_dir / f"{name}.pid"
    if not path.exists():
        return None
    pid, started = path.read_text().split()
    return int(pid) if _start_time(int(pid)) == started else None


def start(lab: Lab, name: str, argv: list[str], ready: str | None = None, cwd: Path | None = None) -> None:
    """Start a process of the lab unless it runs; wait for the line ``ready`` in its output if one is given."""
    if running(lab, name):
        return
    log = lab.state_dir / f"{name}.log"
    with log.open("w") as stream:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT, start_new_session=True, cwd=cwd
        )
    (lab.state_dir / f"{name}.pid").write_text(f"{process.pid} {_start_time(process.pid)}")
    deadline = time.monotonic() + 60
    while ready is not None and ready not in log.read_text().splitlines():
        if process.poll() is not None or time.monotonic() > deadline:
            raise LabError(f"{name} did not start; see {log}: {log.read_text()[-1000:]}")
        time.sleep(0.05)


def stop(lab: Lab, name: str) -> None:
    """End exactly the process that ``start`` started, and wait for its end."""
    pid = running(lab, name)
    if pid:
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + 10
        while running(lab, name) and time.monotonic() < deadline:
            time.sleep(0.05)
        if running(lab, name):
            say(f"{name} does not end; killing process {pid}")
            os.kill(pid, signal.SIGKILL)
    (lab.state_dir / f"{name}.pid").unlink(missing_ok=True)


def _start_time(pid: int) -> str:
    """proc(5), field 22 of stat: tells a process from a later one with the same number; empty when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if fields[0] == "Z" else fields[19]
