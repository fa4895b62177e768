# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""Places in nftables rulesets: what stands against using them, and who else filters on the same path.

An accept of ours in a table of ours could not override a drop in the administrator's, so a place is theirs, and named by them.
"""

from __future__ import annotations

import json
import shutil

from .. import files
from ..errors import CommandFailed
from ..model import Blocker
from ..processes import PATH, run
from . import nft, prefixes

KIND = "nftables"
UFW_CONF = "/etc/ufw/ufw.conf"
LEGACY = ("/proc/net/ip_tables_names", "/proc/net/ip6_tables_names")
BAD_FLAGS = {"timeout": "its elements expire", "constant": "it is constant", "dynamic": "packets write to it"}
TYPEOF = {4: {"payload": {"protocol": "ip", "field": "daddr"}}, 6: {"payload": {"protocol": "ip6", "field": "daddr"}}}


def missing_tool():
    """A list of the Blocker that nft is not there, or empty."""
    if shutil.which(nft.NFT[0], path=PATH):
        return []
    return [Blocker("allowlist-tool", "a place in an nftables ruleset is named, but nft is not installed; install nftables")]


def look(places):
    """({Place: (State, its table's objects)}, Blockers): each table is listed once."""
    tables: dict[tuple, list] = {}
    seen, blockers = {}, []
    for place in places:
        key = (place.family, place.table)
        if key not in tables:
            try:
                tables[key] = nft.list_table(place) or []
            except CommandFailed as exc:  # no root, no CAP_NET_ADMIN: what is asked of roots can be judged all the same
                return {}, [Blocker("allowlist-tool", "{0} cannot be looked at: {1}".format(place.label, exc))]
        seen[place] = (nft.read(place, tables[key]), tables[key])
        blockers += _stands_against(place, *seen[place])
    return seen, blockers


def _stands_against(place, state, table):
    if place.way == "named_set":
        return _sets(place, state) + _unused(place, state, table)
    chains = {item["chain"]["name"]: item["chain"] for item in table if "chain" in item}
    if any("xt" in expression for item in table if "rule" in item for expression in item["rule"]["expr"]):
        why = "its table is kept by iptables-nft, which refuses to work once a rule of ours is in it"
    elif place.chain not in chains:
        why = "there is no such chain"
    elif chains[place.chain].get("hook", place.path) != place.path:
        why = "that chain is on the {0} path".format(chains[place.chain]["hook"])
    elif chains[place.chain].get("type", "filter") != "filter":
        why = "that chain is of type {0}, which accepts nothing".format(chains[place.chain]["type"])
    elif [chain for chain, _handle in state.jumps if chain != place.chain]:
        why = "{0} is jumped to from chain {1}, as a place that was named before; take that back first (phase revert)".format(
            place.own_chain, next(chain for chain, _handle in state.jumps if chain != place.chain)
        )
    else:
        return []
    return [
        Blocker("allowlist-place", "{0}: {1}; name the chain that decides (rootwave_allowlist_places)".format(place.label, why))
    ]


def _sets(place, state):
    blockers = []
    for version in (4, 6):
        name = place.set_of(version)
        if name and version not in state.sets:
            message = "{0}: there is no set {1}; define it, or name another one (rootwave_allowlist_places)".format(
                place.label, name
            )
            blockers.append(Blocker("allowlist-missing-set", message))
        elif name:
            blockers += [
                Blocker("allowlist-set-type", "{0}: set {1} cannot take prefixes: {2}".format(place.label, name, why))
                for why in _unfit(state.sets[version], version)
            ]
            if state.sets[version].get("auto-merge"):
                blockers.append(_merging(place, name))
    return blockers


def _unused(place, state, table):
    """Sets that no rule looks into admit nothing. A set belongs to one table."""
    rules = json.dumps([item["rule"]["expr"] for item in table if "rule" in item])
    names = [place.set_of(version) for version in sorted(state.sets) if '"@{0}"'.format(place.set_of(version)) not in rules]
    message = "{0}: no rule refers to set {1}, so it admits nothing; name the set that the rules refer to"
    return [Blocker("allowlist-place", message.format(place.label, name)) for name in names]


def _unfit(found, version):
    """Why a set does not take prefixes of this IP version, a list of at most one text."""
    kind = found.get("type")
    if kind != nft.TYPES[version] and not (isinstance(kind, dict) and kind.get("typeof") == TYPEOF[version]):
        return ["its type is {0}, not {1}".format(json.dumps(kind), nft.TYPES[version])]
    flags = found.get("flags", ())
    bad = [reason for flag, reason in BAD_FLAGS.items() if flag in flags]
    if bad or "timeout" in found:
        return [bad[0] if bad else BAD_FLAGS["timeout"]]
    return [] if "interval" in flags else ["it has no 'flags interval'"]


def _merging(place, name):
    return Blocker(
        "allowlist-auto-merge",
        "{0}: set {1} has auto-merge, so what was added could not be taken out again; remove auto-merge".format(
            place.label, name
        ),
    )


def before_change(places, asked, seen):
    """Blockers that are looked for only when something is to change at ``places``; ``asked`` are all that are named."""
    blockers = []
    for place in places:
        for version in sorted(seen[place][0].sets):
            # the JSON of nft 1.0.6 and older is silent about auto-merge
            name = place.set_of(version)
            text = run([*nft.NFT, "-t", "list", "set", place.family, place.table, name], timeout=nft.TIMEOUT)
            if b"auto-merge" in text:
                blockers.append(_merging(place, name))
    return blockers + who_rules(asked)


def who_rules(asked):
    """Blockers for others who filter on a named path: no place of theirs is named, or a place says that nobody does."""
    listed = json.loads(run([*nft.NFT, "-j", "-t", "list", "ruleset"], timeout=nft.TIMEOUT).decode("utf-8"))["nftables"]
    tables = {item["table"]["name"] for item in listed if "table" in item}
    chains = [item["chain"] for item in listed if "chain" in item]
    names = {chain["name"] for chain in chains}
    blockers = []
    for path in sorted({place.path for place in asked}):
        here = [place for place in asked if place.path == path]
        known = {(place.family, place.table) for place in here}
        others = [name for name, rules in (("firewalld", "firewalld" in tables), ("ufw", _ufw(names))) if rules]
        others = [name for name in others if name not in {place.backend for place in here}]
        drops = [one for one in chains if one.get("hook") == path and one.get("policy") == "drop"]
        # Docker's own forward chain drops and accepts its containers itself, so on that path a policy alone proves nothing
        others += [
            "chain {family} {table} {name}".format(**one)
            for one in drops
            if path == "output" and (one["family"], one["table"]) not in known
        ]
        if any(place.backend == "none" for place in here):
            blockers += _none_is_wrong(path, listed, others)
        elif others:
            message = "{0} filters on the {1} path too, and no place of it is named; name one, or end it".format(others[0], path)
            blockers.append(Blocker("allowlist-two-backends", message))
    return blockers


def _none_is_wrong(path, listed, others):
    """A place that says that nothing filters on a path is believed only where that is so."""
    hooked = {(item["chain"]["family"], item["chain"]["table"]) for item in listed if item.get("chain", {}).get("hook") == path}
    verdicts = [
        item["rule"]
        for item in listed
        if "rule" in item and {"drop", "reject"} & {key for expression in item["rule"]["expr"] for key in expression}
    ]
    found = others + [
        "chain {family} {table} {chain}".format(**rule) for rule in verdicts if (rule["family"], rule["table"]) in hooked
    ]
    found += ["chain {family} {table} {name}".format(**item["chain"]) for item in listed if _drops(item, path)]
    found += [path_ for path_ in LEGACY if b"filter" in (files.read(path_) or b"")]
    if not found:
        return []
    message = "backend none says that nothing filters on the {0} path, but {1} does; name a place there".format(path, found[0])
    return [Blocker("allowlist-place", message)]


def _drops(item, path):
    chain = item.get("chain", {})
    return chain.get("hook") == path and chain.get("policy") == "drop"


def _ufw(chains):
    return "ufw-before-output" in chains and b"ENABLED=yes" in (files.read(UFW_CONF) or b"")


def rehearse(moves):
    """Blockers of what the kernel would refuse, asked by ``nft --check``; ``moves`` are (Place, State, wanted value)."""
    blockers = []
    for place, state, value in moves:
        try:
            run([*nft.NFT, "--check", "-f", "-"], stdin=nft.commands(place, state, value).encode("ascii"), timeout=nft.TIMEOUT)
        except CommandFailed as exc:
            blockers.append(Blocker("allowlist-overlap", "{0}: the kernel would not take it: {1}".format(place.label, exc)))
    return blockers


def counted(state, interval):
    """The packets that an Interval's elements have seen here; None where one of them does not count, or counts others' too."""
    met = [one for elements in state.elements.values() for one in elements if prefixes.overlap(one.interval, interval)]
    inside = all(interval.first <= one.interval.first and one.interval.last <= interval.last for one in met)
    return sum(one.packets for one in met) if inside and all(one.packets is not None for one in met) else None


__all__ = ("KIND", "before_change", "counted", "look", "missing_tool", "rehearse", "who_rules")
