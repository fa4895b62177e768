# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""Who filters on a path: all of them end in netfilter, so one listing of nft names them.

ufw and firewalld put their rules into nftables too. What rules beside a named place decides as well, so it has to be named.
"""

from __future__ import annotations

import json
import os
import shutil

from .. import files
from ..model import Blocker
from ..processes import PATH, run
from . import nft, reach

XTABLES = {("ip", "filter"), ("ip6", "filter")}
# The tables, as (family, name), that hold the rules of a backend
TABLES = {"ufw": XTABLES, "iptables": XTABLES, "firewalld": {(family, "firewalld") for family in ("inet", "ip", "ip6")}}
FIREWALLD = "firewalld"  # its table, of three families; "firewalld_policy_drop" is there while it loads and in panic
UFW_CONF = "/etc/ufw/ufw.conf"
LEGACY = {
    "/proc/net/ip_tables_names": ("iptables-legacy-save", "iptables-save"),
    "/proc/net/ip6_tables_names": ("ip6tables-legacy-save", "ip6tables-save"),
}


def who_rules(asked):
    """Blockers for others who filter on a named path: no place of theirs is named, or a place says that nobody does."""
    listed = json.loads(run([*nft.NFT, "-j", "-t", "list", "ruleset"], timeout=nft.TIMEOUT).decode("utf-8"))["nftables"]
    chains = [item["chain"] for item in listed if "chain" in item]
    names = {chain["name"] for chain in chains}
    blockers = []
    for path in sorted({place.path for place in asked}):
        here = [place for place in asked if place.path == path]
        older = any(place.backend in ("ufw", "iptables") for place in here) and _uses_legacy()
        tables_of = {**TABLES, **({"ufw": set(), "iptables": set()} if older else {})}
        known = set().union(*(tables_of.get(place.backend, {(place.family, place.table)}) for place in here))
        others = [name for name, rules in (("firewalld", _firewalld(path, listed)), ("ufw", _ufw(names))) if rules]
        others = [name for name in others if name not in {place.backend for place in here}]
        drops = [one for one in chains if one.get("hook") == path and _stops_what_is_left(one, listed)]
        others += [_ruler(one) for one in drops if (one["family"], one["table"]) not in known and _decides(one, path, chains)]
        others += [] if older else _legacy(path)
        if any(place.backend == "none" for place in here):
            blockers += _none_is_wrong(path, listed, others)
        elif others:
            message = "{0} filters on the {1} path too, and no place of it is named; name one, or end it".format(others[0], path)
            blockers.append(Blocker("allowlist-two-backends", message))
    return blockers


def _decides(chain, path, chains):
    """Docker's own forward chain drops and accepts its containers itself, so on that path a policy alone proves nothing."""
    table = (chain["family"], chain["table"])
    beside = [one["name"] for one in chains if (one["family"], one["table"]) == table]
    return path == "output" or (table in XTABLES and not any(name.startswith("DOCKER") for name in beside))


def _ruler(chain):
    """A chain by its name, and by that of the tool that keeps it."""
    tool = "iptables: " if (chain["family"], chain["table"]) in XTABLES and chain["name"].isupper() else ""
    return "{0}chain {family} {table} {name}".format(tool, **chain)


def _uses_legacy():
    """Whether the gateway's own iptables is the one that keeps its rules beside nftables."""
    return "legacy" in os.path.basename(os.path.realpath(shutil.which("iptables-save", path=PATH) or ""))


def _legacy(path):
    """The chains of iptables-legacy that drop on a path; nft does not list them."""
    found = []
    for names, tools in LEGACY.items():
        if b"filter" not in (files.read(names) or b""):
            continue
        from . import iptables_text

        tool = next((one for one in tools if shutil.which(one, path=PATH)), "")
        rules = iptables_text.rules_of(run([tool, "-t", "filter"]).decode("utf-8", "replace")) if tool else None
        chain = iptables_text.BUILT_IN[path]
        docker = rules is not None and path == "forward" and any(name.startswith("DOCKER") for name in rules.chains)
        if rules is None or (rules.chains.get(chain) == "DROP" and not docker):
            found.append("iptables-legacy: chain {0}".format(chain))
    return found


def _none_is_wrong(path, listed, others):
    """A place that says that nothing filters on a path is believed only where that is so."""
    hooked = {(item["chain"]["family"], item["chain"]["table"]) for item in listed if item.get("chain", {}).get("hook") == path}
    verdicts = [item["rule"] for item in listed if "rule" in item and reach.stops(item["rule"]["expr"])]
    idle = [rule for rule in verdicts if rule["table"] == FIREWALLD and not _firewalld(path, listed)]
    found = others + [
        "chain {family} {table} {chain}".format(**rule)
        for rule in verdicts
        if (rule["family"], rule["table"]) in hooked and rule not in idle
    ]
    found += ["chain {family} {table} {name}".format(**item["chain"]) for item in listed if _drops(item, path)]
    found += [path_ for path_ in LEGACY if b"filter" in (files.read(path_) or b"")]
    if not found:
        return []
    message = "backend none says that nothing filters on the {0} path, but {1} does; name a place there".format(path, found[0])
    return [Blocker("allowlist-place", message)]


def _stops_what_is_left(chain, listed):
    """Whether a chain of a hook ends in a drop: by its policy, or by a rule that all come to."""
    if chain.get("policy") == "drop":
        return True
    of = {key: chain[key] for key in ("family", "table")}
    rules = [item["rule"] for item in listed if "rule" in item]
    return reach.stops_all([one["expr"] for one in rules if dict(of, chain=chain["name"]).items() <= one.items()])


def _firewalld(path, listed):
    """Whether firewalld filters on a path. It always does on the forward path. What leaves the host it stops by a policy, or in
    panic; the rule against addresses that embed IPv4 ones in IPv6 (RFC3964_IPv4), in filter_OUTPUT, stops no hub."""
    rules = [item["rule"] for item in listed if "rule" in item and item["rule"]["table"].startswith(FIREWALLD)]
    if path == "forward":
        return bool(rules)
    names = ("filter_OUT_", "filter_OUTPUT_POLICIES")
    return any(reach.stops(rule["expr"]) and (rule["table"] != FIREWALLD or rule["chain"].startswith(names)) for rule in rules)


def _drops(item, path):
    chain = item.get("chain", {})
    return chain.get("hook") == path and chain.get("policy") == "drop"


def _ufw(chains):
    return "ufw-before-output" in chains and b"ENABLED=yes" in (files.read(UFW_CONF) or b"")


__all__ = ("who_rules",)
