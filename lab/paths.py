# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lossy and half-open paths between a gateway and the lab's own machine, where hub, name server and ansible are.

Drop rules in a table of the lab's own on that machine, for its input from the gateway and its output to it. tc's netem would add
delay, but many kernels are built without it; ``numgen random`` drops the same packets everywhere.
"""

from __future__ import annotations

from .config import Gateway, Lab
from .tools import run, succeeds

SSH_ANSWER = "tcp sport 22 tcp flags & (syn | ack) == (syn | ack)"


def lossy(lab: Lab, gateway: Gateway, percent: int) -> None:
    """So many of a hundred packets are lost, in each direction."""
    lost = f"numgen random mod 100 < {percent}"
    _lay(lab, gateway, {"from": lost, "to": lost})


def half_open(lab: Lab, gateway: Gateway, match: str = "") -> None:
    """What the gateway sends is lost, what it is sent arrives; ``match`` (nft) says which packets, without it all."""
    _lay(lab, gateway, {"from": match})


def dropped(lab: Lab, gateway: Gateway) -> int:
    """Packets that were lost so far."""
    words = run(["nft", "list", "table", "ip", _table(lab, gateway)]).split()
    return sum(int(words[index + 1]) for index, word in enumerate(words) if word == "packets")


def mend(lab: Lab, gateway: Gateway) -> None:
    """The path as it was."""
    if succeeds(["nft", "list", "table", "ip", _table(lab, gateway)]):
        run(["nft", "delete", "table", "ip", _table(lab, gateway)])


def mend_all(lab: Lab) -> None:
    for gateway in lab.gateways:
        mend(lab, gateway)


def _lay(lab: Lab, gateway: Gateway, matches: dict[str, str]) -> None:
    mend(lab, gateway)
    ways = {"from": ("input", "saddr"), "to": ("output", "daddr")}
    lines = [f"table ip {_table(lab, gateway)} {{"]
    for way, match in matches.items():
        hook, side = ways[way]
        lines += [f"chain {way} {{", f"type filter hook {hook} priority -10; policy accept;"]
        lines += [f"ip {side} {gateway.address} {match} counter drop", "}"]
    run(["nft", "-f", "-"], stdin="\n".join([*lines, "}", ""]))


def _table(lab: Lab, gateway: Gateway) -> str:
    return f"rootwave-{lab.name}-{gateway.name}"
