# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""Places in nftables rulesets: what stands against using them, and who else filters on the same path.

An accept of ours in a table of ours could not override a drop in the administrator's, so a place is theirs, and named by them.
"""

from __future__ import annotations

import json

from ..errors import CommandFailed
from ..model import Blocker
from ..processes import run
from . import boot_files, nft, reach

XTABLES_PRIORITIES = {"filter": (0,), "nat": (-100, 100), "mangle": (-150,), "raw": (-300,), "security": (50,)}
BAD_FLAGS = {"timeout": "its elements expire", "constant": "it is constant", "dynamic": "packets write to it"}
TYPEOF = {4: {"payload": {"protocol": "ip", "field": "daddr"}}, 6: {"payload": {"protocol": "ip6", "field": "daddr"}}}


def missing_tool(_places):
    """None beside nft, which is asked for in any case."""
    return []


def look(places):
    """({Place: State}, Blockers): each table is listed once."""
    tables: dict[tuple, list] = {}
    seen, blockers = {}, []
    for place in places:
        key = (place.family, place.table)
        if key not in tables:
            try:
                tables[key] = nft.list_table(place) or []
            except CommandFailed as exc:  # no root, no CAP_NET_ADMIN: what is asked of roots can be judged all the same
                return {}, [Blocker("allowlist-tool", "{0} cannot be looked at: {1}".format(place.label, exc))]
        seen[place] = nft.read(place, tables[key])
        blockers += _stands_against(place, seen[place], tables[key])
    return seen, blockers


def _stands_against(place, state, table):
    if place.way == "named_set":
        return _sets(place, state) + _unused(place, state, table)
    chains = {item["chain"]["name"]: item["chain"] for item in table if "chain" in item}
    if _kept_by_iptables(place, table):
        why = "its table is kept by iptables-nft, which refuses to work once a rule of ours is in it"
    elif place.chain not in chains:
        why = "there is no such chain"
    elif reach.hooks_of(table, place.chain) != [place.path]:
        hooks = " and ".join(reach.hooks_of(table, place.chain)) or "no"
        why = "that chain is on {0} path, not on {1} alone".format(hooks, place.path)
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


def _kept_by_iptables(place, table):
    """Whether a table is that of iptables-nft. Rules that need no match of xtables look like nft's own, so its chains tell, that
    each of its rules counts, and that it makes no sets. (Its own listing tells nothing: it shows a native table too, with what it
    does not understand left out.)"""
    rules = [item["rule"]["expr"] for item in table if "rule" in item]
    if any("xt" in expression for rule in rules for expression in rule):
        return True
    known = XTABLES_PRIORITIES.get(place.table, ()) if place.family in ("ip", "ip6") else ()
    hooked = [item["chain"] for item in table if "hook" in item.get("chain", {})]
    alike = all(one["name"] == one["hook"].upper() and one.get("prio") in known for one in hooked)
    counts = all(any("counter" in expression for expression in rule) for rule in rules)
    return bool(known and hooked and alike and counts and not any("set" in item for item in table))


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
    names = [place.set_of(version) for version in sorted(state.sets)]
    message = (
        "{0}: no rule on the {1} path lets destinations in set {2} by, so it admits nothing; name the set of the rule that does"
    )
    return [
        Blocker("allowlist-place", message.format(place.label, place.path, name))
        for name in names
        if not reach.admits(table, place.path, name)
    ]


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


def before_change(seen, moved):
    """Blockers of sets that merge, for the Places that are to change."""
    blockers = []
    for place in moved:
        for version in sorted(seen[place].sets):
            # the JSON of nft 1.0.6 and older is silent about auto-merge
            name = place.set_of(version)
            text = run([*nft.NFT, "-t", "list", "set", place.family, place.table, name], timeout=nft.TIMEOUT)
            if b"auto-merge" in text:
                blockers.append(_merging(place, name))
    return blockers


def rehearse(moves):
    """Blockers of what the kernel would refuse, asked by ``nft --check``; ``moves`` are (Place, State, wanted value)."""
    blockers = []
    for place, state, value in moves:
        try:
            run([*nft.NFT, "--check", "-f", "-"], stdin=nft.commands(place, state, value).encode("ascii"), timeout=nft.TIMEOUT)
        except CommandFailed as exc:
            blockers.append(Blocker("allowlist-overlap", "{0}: the kernel would not take it: {1}".format(place.label, exc)))
    return blockers


def lasting(values):
    from . import persistence  # on a gateway every import is compiled anew

    return persistence.lasting(values)


def loads(path):
    from . import persistence

    return persistence.loads(path)


holds = boot_files.holds

__all__ = ("before_change", "holds", "lasting", "loads", "look", "missing_tool", "rehearse")
