# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""Pure: which packets a listing of nft, as JSON, decides about, and how. It tells what names a place admits nothing at.

Not a simulation: who puts a drop before the rule that admits is found by the proof after apply, not here.
"""

from __future__ import annotations

import json

WAYS_ON = ("jump", "goto")
LETS_BY = (*WAYS_ON, "accept", "return", "vmap")
STOPS = ("drop", "reject", "queue", "DROP", "REJECT", "NFQUEUE")
PLAIN = ("counter", "log", "notrack")  # statements that neither narrow a rule nor decide


def chains_on(table, path):
    """The names of the chains of one table's objects that packets of a path (a hook) get to."""
    chains = [item["chain"] for item in table if "chain" in item]
    rules = [item["rule"] for item in table if "rule" in item]
    found, ways = set(), [one["name"] for one in chains if one.get("hook") == path]
    while ways:
        here = ways.pop()
        if here not in found:
            found.add(here)
            ways += [target for rule in rules if rule["chain"] == here for target in _targets(rule["expr"])]
    return found


def hooks_of(table, chain):
    """The hooks whose packets get to a chain, sorted."""
    hooks = {item["chain"]["hook"] for item in table if "hook" in item.get("chain", {})}
    return sorted(hook for hook in hooks if chain in chains_on(table, hook))


def _targets(value):
    """Where jumps and gotos lead, those of verdict maps too."""
    if isinstance(value, list):
        return [target for one in value for target in _targets(one)]
    if not isinstance(value, dict):
        return []
    here = [value[way]["target"] for way in WAYS_ON if isinstance(value.get(way), dict) and "target" in value[way]]
    return here + [target for one in value.values() for target in _targets(one)]


def admits(table, path, name):
    """Whether a rule on a path lets destinations of a set by, or stops all others."""
    reached = chains_on(table, path)
    rules = [item["rule"]["expr"] for item in table if "rule" in item and item["rule"]["chain"] in reached]
    return any(_lets_by(rule, "@" + name) for rule in rules)


def _lets_by(rule, name):
    for match in [expression["match"] for expression in rule if "match" in expression]:
        if match.get("right") == name and '"daddr"' in json.dumps(match["left"]):
            return stops(rule) if match["op"] == "!=" else _has(rule, LETS_BY)
    return False


def stops(rule):
    """Whether a rule's expressions stop packets, all or some, as far as a listing tells."""
    return _has(rule, STOPS)


def stops_all(rules):
    """Whether one of a chain's rules, in their order, stops all that comes to it. nft 0.9.8 shows a target of xtables without its
    name; as the last word of a chain it is taken for REJECT."""
    narrow = [[expression for expression in rule if not any(key in PLAIN for key in expression)] for rule in rules]
    return any(len(rule) == 1 and stops(rule) for rule in narrow) or narrow[-1:] == [[{"xt": None}]]


def _has(value, words):
    """Whether an expression has one of these statements, or targets of xtables."""
    if isinstance(value, list):
        return any(_has(one, words) for one in value)
    if not isinstance(value, dict):
        return False
    return value.get("name") in words or any(key in words or (key != "log" and _has(one, words)) for key, one in value.items())


__all__ = ("admits", "chains_on", "hooks_of", "stops", "stops_all")
