# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""What the revert program too must know of nftables: how a place is read, and the text that boot loads. nft_moves.py moves it.

Read as JSON, written as text: of nft 0.9.8 the JSON parser drops a set's counter and ends with a segmentation fault where the
kernel says no. What is ours carries the comment ``rootwave``, in the kernel and in the file that is loaded at boot.
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple

from ..errors import BadInput, CommandFailed
from ..processes import run
from . import prefixes, state
from .state import Element

NFT = ("nft",)
MARK = "rootwave"
TIMEOUT = 60.0  # seconds; 4,096 prefixes take 0.1 s
ELEMENTS_MOST = 200  # of one command; nft 1.1.3 fails to delete some thousands at once ("No buffer space available")
TYPES = {4: "ipv4_addr", 6: "ipv6_addr"}
PROTOCOLS = {4: "ip", 6: "ip6"}


class State(NamedTuple):
    """One place as it is now. ``found`` is False where its table, set or chain is missing.

    ``ports`` and ``jumps`` (handles) are those of our own chain; ``chain`` says whether that one exists, ``whole`` whether it
    is exactly as we made it and is jumped to from the place's chain. ``counter`` holds the handles of table and sets, which the
    kernel gives anew to what is loaded again.
    """

    found: bool
    elements: dict  # IP version: Elements, of the versions that have a set here
    sets: dict  # IP version: the set as nft describes it, its elements left out
    chain: bool = False
    whole: bool = True
    ports: tuple = ()
    jumps: tuple = ()
    counter: str = ""

    def own(self):
        return state.own(self.elements)

    def others(self):
        return state.others(self.elements)

    def value(self, place):
        """What a switch compares and brings back: JSON, None where our chain is not there."""
        if place.way == "named_set":
            return {"prefixes": self.own()}
        return (
            dict({"prefixes": self.own(), "ports": list(self.ports)}, **({} if self.whole else {"damaged": True}))
            if self.chain
            else None
        )


def list_table(place):
    """The objects of a place's table, a list; None where there is none. Raises CommandFailed."""
    try:
        listed = run([*NFT, "-j", "list", "table", place.family, place.table], timeout=TIMEOUT)
    except CommandFailed as exc:
        if "No such file or directory" in str(exc) and exc.details.get("code") == 1:
            return None
        raise
    return json.loads(listed.decode("utf-8"))["nftables"]


def read(place, table=None):
    """The State of a place; ``table`` is its table's objects where they were listed before."""
    table = list_table(place) if table is None else table
    kinds: dict[str, list] = {"table": [], "set": [], "chain": [], "rule": []}
    for item in table or ():
        for kind, found in kinds.items():
            if kind in item:
                found.append(item[kind])
    named = {one["name"]: one for one in kinds["set"]}
    sets = {version: named[name] for version in (4, 6) for name in [place.set_of(version)] if name in named}
    elements = {version: _elements(found, version) for version, found in sets.items()}
    plain = {version: {key: value for key, value in found.items() if key != "elem"} for version, found in sets.items()}
    counter = "-".join(str(one.get("handle")) for one in [*kinds["table"], *sets.values()])
    if place.way == "named_set":
        wanted = [version for version in (4, 6) if place.set_of(version)]
        return State(all(version in sets for version in wanted), elements, plain, counter=counter)
    chains = {one["name"] for one in kinds["chain"]}
    jumps = [
        rule for rule in kinds["rule"] if rule["expr"] == [{"jump": {"target": place.own_chain}}]
    ]  # with a condition: not ours
    rules = [rule["expr"] for rule in kinds["rule"] if rule["chain"] == place.own_chain]
    ports = _ports_of(rules)
    return State(
        found=place.chain in chains,
        elements=elements,
        sets=plain,
        chain=place.own_chain in chains,
        whole=_normal(rules) == _normal(_expected(place, ports))
        and any(rule["chain"] == place.chain for rule in jumps)
        and all(version in sets for version in (4, 6) if place.set_of(version)),
        ports=ports,
        jumps=tuple((rule["chain"], rule["handle"]) for rule in jumps),
        counter=counter,
    )


def frame(place, ports):
    """The commands that make our sets, our chain and the one jump to it; run again they change nothing but the jump."""
    where = "{0} {1}".format(place.family, place.table)
    lines = [
        "add set {0} {1} {{ type {2}; flags interval; counter; }}".format(where, place.set_of(version), TYPES[version])
        for version in (4, 6)
        if place.set_of(version)
    ]
    lines += ["add chain {0} {1}".format(where, place.own_chain), "flush chain {0} {1}".format(where, place.own_chain)]
    numbers = ", ".join(map(str, ports))
    for version, direction in _directions(place):
        way = "daddr" if direction == "dport" else "saddr"
        state = "" if direction == "dport" else "ct state established "
        lines.append(
            'add rule {0} {1} {2} {3} @{4} tcp {5} {{ {6} }} {7}accept comment "{8}"'.format(
                where, place.own_chain, PROTOCOLS[version], way, place.set_of(version), direction, numbers, state, MARK
            )
        )
    return [*lines, 'insert rule {0} {1} jump {2} comment "{3}"'.format(where, place.chain, place.own_chain, MARK)]


def elements(place, verb, texts, mark=True):
    """Commands that add or delete elements, each of a bearable size; what comes gets our mark."""
    lines = []
    suffix = ' comment "{0}"'.format(MARK) if verb == "add" and mark else ""
    for version in (4, 6):
        mine = [text + suffix for text in texts if (":" in text) == (version == 6)]
        for start in range(0, len(mine), ELEMENTS_MOST):
            batch = ", ".join(mine[start : start + ELEMENTS_MOST])
            lines.append(
                "{0} element {1} {2} {3} {{ {4} }}".format(verb, place.family, place.table, place.set_of(version), batch)
            )
    return lines


def _directions(place):
    """(IP version, port field) of each rule of our chain: what goes out, and on the forward path what comes back."""
    fields = ("dport", "sport") if place.path == "forward" else ("dport",)
    return [(version, field) for version in (4, 6) if place.set_of(version) for field in fields]


def _expected(place, ports):
    """Our rules' expressions as nft lists them."""
    rules = []
    for version, field in _directions(place):
        way = "daddr" if field == "dport" else "saddr"
        rule = [_match({"payload": {"protocol": PROTOCOLS[version], "field": way}}, "@" + place.set_of(version))]
        rule.append(_match({"payload": {"protocol": "tcp", "field": field}}, {"set": list(ports)}))
        if field == "sport":
            rule.append(_match({"ct": {"key": "state"}}, "established", "in"))
        rules.append([*rule, {"accept": None}])
    return rules


def _match(left, right, op="=="):
    return {"match": {"op": op, "left": left, "right": right}}


def _normal(rules):
    """Rules as comparable text; nft 0.9.8 writes a set of one port as a set, later ones as a number."""
    return re.sub(r'{"set": \[(\d+)\]}', r"\1", json.dumps(rules, sort_keys=True))


def _ports_of(rules):
    """The ports of the first rule of our chain, or none."""
    for expression in rules[0] if rules else ():
        match = expression.get("match", {})
        if match.get("left") == {"payload": {"protocol": "tcp", "field": "dport"}}:
            right = match["right"]
            ports = right.get("set", ()) if isinstance(right, dict) else (right,)
            return tuple(sorted(port for port in ports if isinstance(port, int)))
    return ()


def _elements(found, version):
    """A set's Elements; empty for a set whose elements are no addresses, which is refused by its type."""
    listed = []
    for item in found.get("elem", ()):
        detail = item.get("elem", {}) if isinstance(item, dict) else {}
        interval = interval_of(detail.get("val", item), version)
        if interval:
            packets = detail.get("counter", {}).get("packets")
            listed.append(Element(interval, detail.get("comment") == MARK, packets))
    return listed


def interval_of(value, version):
    """None for what is no address of this IP version: a port, an interface, a pair."""
    if not isinstance(value, dict):
        value = {"range": [value, value]}
    try:
        if "prefix" in value:
            found = prefixes.parse("{addr}/{len}".format(**value["prefix"]))
        else:
            first, last = map(prefixes.parse, value.get("range") or (None, None))
            found = first._replace(last=last.last)
    except BadInput:
        return None
    return found if found.version == version else None


__all__ = ("MARK", "State", "elements", "frame", "interval_of", "list_table", "read")
