# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""Who filters on a path: all of them end in netfilter, so one listing of nft names them.

ufw and firewalld put their rules into nftables too. What rules beside a named place decides as well, so it has to be named.
"""

from __future__ import annotations

import json
import shutil

from .. import files
from ..model import Blocker
from ..processes import PATH, run
from . import nft

XTABLES = {("ip", "filter"), ("ip6", "filter")}
# The tables, as (family, name), that hold the rules of a backend
TABLES = {"ufw": XTABLES, "iptables": XTABLES, "firewalld": {(family, "firewalld") for family in ("inet", "ip", "ip6")}}
UFW_CONF = "/etc/ufw/ufw.conf"
LEGACY = ("/proc/net/ip_tables_names", "/proc/net/ip6_tables_names")


def missing_tool():
    """A list of the Blocker that nft is not there, or empty."""
    if shutil.which(nft.NFT[0], path=PATH):
        return []
    return [Blocker("allowlist-tool", "nft is not installed, so nobody can tell what filters here; install nftables")]


def who_rules(asked):
    """Blockers for others who filter on a named path: no place of theirs is named, or a place says that nobody does."""
    listed = json.loads(run([*nft.NFT, "-j", "-t", "list", "ruleset"], timeout=nft.TIMEOUT).decode("utf-8"))["nftables"]
    tables = {item["table"]["name"] for item in listed if "table" in item}
    chains = [item["chain"] for item in listed if "chain" in item]
    names = {chain["name"] for chain in chains}
    blockers = []
    for path in sorted({place.path for place in asked}):
        here = [place for place in asked if place.path == path]
        known = set().union(*(TABLES.get(place.backend, {(place.family, place.table)}) for place in here))
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


__all__ = ("missing_tool", "who_rules")
