# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An administrator's default-drop egress filter on a gateway, in one of four backends, from before anybody heard of Rootwave.

``lab/files/filter-<backend>.sh`` sets it up for good: services enabled, files where the distribution reads them at boot. It lets
DNS, ICMP, loopback, answers and the hub at the given addresses out, drops the rest, and has rules around it that are nobody's
business: foreign tables, comments, sets with timeouts, chains as docker and fail2ban make them.
"""

from __future__ import annotations

from pathlib import Path

from . import containers
from .config import Gateway, Lab
from .tools import LabError

BACKENDS = ("nftables", "firewalld", "ufw", "iptables")
MIXED = "mixed"
KINDS = (*BACKENDS, MIXED)
FILES = Path(__file__).parent / "files"
# Numbers of gateways in a mixed lab, one of each Debian for each backend; the seventh and the fourteenth filter nothing
NUMBERS = {"nftables": (1, 2, 3), "firewalld": (4, 5, 6), "ufw": (8, 9, 13), "iptables": (10, 11, 12)}
# Where the scripts' filters take addresses; a backend's ways go round over its gateways
OUTPUT: dict[str, tuple[dict, ...]] = {
    "nftables": (
        {"way": "managed_chain", "family": "inet", "table": "filter", "chain": "output"},
        {"way": "named_set", "family": "inet", "table": "filter", "set4": "hubs"},
    ),
    # rules of ours need firewalld 1.0, so the gateways with Debian 11 and 13 have a set, those with 12 a policy
    "firewalld": (
        {"way": "named_set", "set4": "hubs"},
        {"way": "named_set", "set4": "hubs"},
        {"way": "managed_rules", "policy": "egress"},
    ),
    "ufw": ({"way": "managed_rules"},),
    "iptables": ({"way": "managed_chain", "family": "ip", "chain": "OUTPUT"}, {"way": "named_set", "set4": "hubs"}),
}
FORWARD = {"nftables": {"way": "managed_chain", "family": "inet", "table": "filter", "chain": "forward"}}
BOXED = 3  # the number of the gateway whose hub client lives in a container
# A place that lets MQTT alone out to what is in it: no place for the address of who administers the gateway
BROKERS = {"path": "output", "backend": "nftables", "way": "named_set", "family": "inet", "table": "filter", "set4": "brokers"}


def assign(lab: Lab, kind: str) -> None:
    """Say which gateway of a planned lab filters with what: all with one backend, or ``mixed``, or nobody."""
    lab.filters = kind
    for number, gateway in enumerate(lab.gateways, 1):
        mixed = next((backend for backend, numbers in NUMBERS.items() if number in numbers), "")
        gateway.filter = mixed if kind == MIXED else kind
        gateway.boxed = number == BOXED and gateway.filter in FORWARD


def places(gateway: Gateway) -> list[dict]:
    """``rootwave_allowlist_places`` of a gateway in a lab with filters."""
    if not gateway.filter:
        return [{"path": "output", "backend": "none"}]
    ways = OUTPUT[gateway.filter]
    found = [{"path": "output", "backend": gateway.filter, **ways[int(gateway.name.rpartition("-")[2]) % len(ways)]}]
    return found + ([{"path": "forward", "backend": gateway.filter, **FORWARD[gateway.filter]}] if gateway.boxed else [])


def install(lab: Lab, gateway: Gateway, backend: str, *admitted: str) -> None:
    """Put it on a running gateway; ``admitted`` are the addresses at which the hub may be reached (443, 8883)."""
    _run_there(lab, gateway, f"filter-{backend}.sh", *admitted)


def settle(lab: Lab, gateway: Gateway) -> None:
    """What a gateway of its kind has from its first day: the filter, which knows the old address alone, and the container."""
    if gateway.filter:
        install(lab, gateway, gateway.filter, lab.old_address)
    if gateway.boxed:
        _run_there(lab, gateway, "box.sh")


def _run_there(lab: Lab, gateway: Gateway, name: str, *arguments: str) -> None:
    script = (FILES / name).read_text()
    done = containers.execute(lab, lab.container(gateway), ["sh", "-eu", "-s", "--", *arguments], script.encode())
    if done.returncode != 0:
        raise LabError(f"{name} ended with code {done.returncode} on {gateway.name}: {done.stderr.decode().strip()[-2000:]}")
