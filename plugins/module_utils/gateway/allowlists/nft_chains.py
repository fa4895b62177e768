# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""Pure: what stands against a chain of the administrator's nftables ruleset as the place of ours, by its listing."""

from __future__ import annotations

from ..model import Blocker
from . import reach

XTABLES_PRIORITIES = {"filter": (0,), "nat": (-100, 100), "mangle": (-150,), "raw": (-300,), "security": (50,)}


def stands_against(place, state, table):
    """Blockers of a place whose chain is to jump to ours."""
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


__all__ = ("stands_against",)
