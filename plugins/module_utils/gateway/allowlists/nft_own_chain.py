# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""Our own chain in a table of nftables, and the one jump to it (way ``managed_chain``): how it is read, and what makes it."""

from __future__ import annotations

import json
import re

from . import nft


def read(place, kinds, elements, sets, counter):
    """The nft.State of a place, of its table's objects by kind and what nft.read knows of its sets."""
    chains = {one["name"] for one in kinds["chain"]}
    jumps = [
        rule for rule in kinds["rule"] if rule["expr"] == [{"jump": {"target": place.own_chain}}]
    ]  # with a condition: not ours
    rules = [rule["expr"] for rule in kinds["rule"] if rule["chain"] == place.own_chain]
    ports = _ports_of(rules)
    return nft.State(
        found=place.chain in chains,
        elements=elements,
        sets=sets,
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
        "add set {0} {1} {{ type {2}; flags interval; counter; }}".format(where, place.set_of(version), nft.TYPES[version])
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
                where, place.own_chain, nft.PROTOCOLS[version], way, place.set_of(version), direction, numbers, state, nft.MARK
            )
        )
    return [*lines, 'insert rule {0} {1} jump {2} comment "{3}"'.format(where, place.chain, place.own_chain, nft.MARK)]


def _directions(place):
    """(IP version, port field) of each rule of our chain: what goes out, and on the forward path what comes back."""
    fields = ("dport", "sport") if place.path == "forward" else ("dport",)
    return [(version, field) for version in (4, 6) if place.set_of(version) for field in fields]


def _expected(place, ports):
    """Our rules' expressions as nft lists them."""
    rules = []
    for version, field in _directions(place):
        way = "daddr" if field == "dport" else "saddr"
        rule = [_match({"payload": {"protocol": nft.PROTOCOLS[version], "field": way}}, "@" + place.set_of(version))]
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


__all__ = ("frame", "read")
