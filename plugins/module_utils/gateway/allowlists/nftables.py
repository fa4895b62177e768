# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""Places in nftables rulesets: what stands against using them, and who else filters on the same path.

An accept of ours in a table of ours could not override a drop in the administrator's, so a place is theirs, and named by them.
"""

from __future__ import annotations

import json

from ..errors import CommandFailed
from ..model import Blocker
from . import boot_files, nft, reach

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
    from . import nft_chains  # on a gateway every import is compiled anew

    return nft_chains.stands_against(place, state, table)


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
                blockers.append(merging(place, name))
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


def merging(place, name):
    return Blocker(
        "allowlist-auto-merge",
        "{0}: set {1} has auto-merge, so what was added could not be taken out again; remove auto-merge".format(
            place.label, name
        ),
    )


def before_change(seen, moved):
    from . import nft_changing

    return nft_changing.before_change(seen, moved)


def rehearse(moves):
    from . import nft_changing

    return nft_changing.rehearse(moves)


def lasting(values):
    from . import persistence

    return persistence.lasting(values)


def loads(path):
    from . import persistence

    return persistence.loads(path)


holds = boot_files.holds

__all__ = ("before_change", "holds", "lasting", "loads", "look", "merging", "missing_tool", "rehearse")
