# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""Places in firewalld: entries of an administrator's ipset, or rich rules in a policy of theirs, and what stands against both."""

from __future__ import annotations

import glob
import json
import shutil

from ..errors import CommandFailed
from ..model import Blocker
from ..processes import PATH, run
from . import firewall_cmd, firewalld_bus, firewalld_files, nft, prefixes, reach
from .backends import Lasting

ENABLED = "/etc/systemd/system/*.wants/firewalld.service"
ASK_TIMEOUT = 60.0  # seconds
RULES_MOST = 300  # of a policy; each is a transaction, 20 ms and more, now, at the revert and at each start of firewalld
FAMILIES = {4: "inet", 6: "inet6"}
HOOKS = {"output": "filter_OUTPUT", "forward": "filter_FORWARD"}


def missing_tool(_places):
    """A list of the Blocker that firewall-cmd is not there, or empty."""
    if shutil.which(firewall_cmd.CMD, path=PATH):
        return []
    return [Blocker("allowlist-tool", "firewall-cmd is not installed; name a place of the firewall that is there")]


def look(places):
    """({Place: State}, Blockers): the kernel is listed once."""
    try:
        table = firewall_cmd.list_table(places[0])
    except CommandFailed as exc:
        return {}, [Blocker("allowlist-tool", "{0} cannot be looked at: {1}".format(places[0].label, exc))]
    if table is None:
        message = "{0}: firewalld does not run, or has its rules not in nftables (FirewallBackend); systemctl start firewalld"
        return {}, [Blocker("allowlist-tool", message.format(places[0].label))]
    seen, blockers = {}, []
    for place in places:
        seen[place] = now = firewall_cmd.read(place, table)
        if now.unread:
            blockers.append(Blocker("allowlist-ruleset", "{0}: {1}".format(place.label, now.unread)))
        else:
            blockers += _sets(place, now) if place.way == "named_set" else _policy(place, now)
    return seen, blockers


def _sets(place, now):
    blockers = []
    loaded = {item["set"]["name"]: item["set"] for item in now.table if "set" in item}
    for version in place.versions:
        name, stored = place.set_of(version), now.stored.get(version)
        if stored is None or name not in loaded:
            blockers.append(_missing(place, name, stored, name in loaded))
            continue
        why = _unfit(stored, version) or _unfit_in_kernel(loaded[name], version)
        if why:
            message = "{0}: ipset {1} cannot take prefixes: {2}".format(place.label, name, why)
            blockers.append(Blocker("allowlist-set-type", message))
        elif not reach.admits(now.table, place.path, name):
            message = (
                "{0}: no rule on the {1} path lets destinations in ipset {2} by, so it admits nothing; name the one that a "
                "policy refers to"
            )
            blockers.append(Blocker("allowlist-place", message.format(place.label, place.path, name)))
    return blockers or _differing(place, now)


def _missing(place, name, stored, loaded):
    if loaded:
        message = "{0}: ipset {1} is not in {2}, so what is added would be lost; firewall-cmd --runtime-to-permanent first"
        return Blocker("allowlist-not-persistent", message.format(place.label, name, firewalld_files.path_of("ipsets", name)))
    if stored:
        message = "{0}: ipset {1} is not loaded; firewall-cmd --reload first"
    else:
        message = "{0}: there is no ipset {1}; define it, or name another one (rootwave_allowlist_places)"
    return Blocker("allowlist-missing-set", message.format(place.label, name))


def _unfit(stored, version):
    """Why an ipset does not take prefixes of this IP version, or an empty text."""
    if stored.kind != "hash:net":
        return "its type is {0}, not hash:net".format(stored.kind)
    if stored.options.get("family", "inet") != FAMILIES[version]:
        return "its family is not {0}".format(FAMILIES[version])
    return "its entries expire" if stored.options.get("timeout", "0") != "0" else ""


def _unfit_in_kernel(found, version):
    """The same of what is loaded, where the file was changed since."""
    fits = found.get("type") == nft.TYPES[version] and "interval" in found.get("flags", ())
    return "" if fits and "timeout" not in found.get("flags", ()) else "it is loaded as another one; firewall-cmd --reload first"


def _differing(place, now):
    """What is on one side only and not ours: nobody can tell whether it is to stay, and a covered prefix might be lost."""
    odd = sorted(interval for interval, _port in (now.runs ^ now.lasts) - now.ours)
    if not odd:
        return []
    message = (
        "{0}: {1} and {2} more entries differ between what runs and the permanent configuration; "
        "firewall-cmd --runtime-to-permanent, or --reload, first"
    )
    text = message.format(place.label, prefixes.prefixes_of(odd[0])[0], len(odd) - 1)
    return [Blocker("allowlist-not-persistent", text)]


def _policy(place, now):
    chains = {item["chain"]["name"] for item in now.table if "chain" in item}
    loaded = firewall_cmd.CHAINS[place.path].format(place.policy) in chains
    hook = [item["rule"]["expr"] for item in now.table if "rule" in item and item["rule"]["chain"] == HOOKS[place.path]]
    if not now.found and loaded:
        path = firewalld_files.path_of("policies", place.policy)
        message = "{0}: the policy is not in {1}, so what is added would be lost; firewall-cmd --runtime-to-permanent first"
        return [Blocker("allowlist-not-persistent", message.format(place.label, path))]
    if not now.found:
        why = "there is no such policy"
    elif not loaded:
        zones = "ingress HOST, egress ANY" if place.path == "output" else "zones that are forwarded between"
        why = "the policy decides nothing on the {0} path; it needs {1}, and to be loaded (firewall-cmd --reload)".format(
            place.path, zones
        )
    elif not any('"established"' in json.dumps(rule) and {"accept": None} in rule for rule in hook):
        why = (
            "this firewalld (older than 1.0) lets nothing out for belonging to a connection, so a rule would admit the first "
            "packet only; name the ipset of an egress zone whose policy has target ACCEPT (way named_set)"
        )
    else:
        return []
    return [Blocker("allowlist-place", "{0}: {1}".format(place.label, why))]


def before_change(_seen, moved):
    """Blockers that need firewalld itself to be asked."""
    if not moved:
        return []
    try:
        if not firewalld_bus.panics():
            return []
    except CommandFailed as exc:
        return [Blocker("allowlist-tool", "firewalld does not answer ({0}); systemctl restart firewalld".format(exc))]
    return [Blocker("allowlist-tool", "firewalld is in panic mode and drops everything; firewall-cmd --panic-off first")]


def rehearse(moves):
    """Blockers of what would not go in; ``moves`` are (Place, State, wanted value)."""
    blockers = [blocker for one in moves for blocker in _would_not_fit(*one)]
    why = loads(firewalld_files.MAIN) if moves else ""
    if why:
        message = "the permanent configuration is not sound as it is, so it is not touched: {0}".format(why)
        blockers.append(Blocker("allowlist-ruleset", message))
    return blockers


def _would_not_fit(place, now, value):
    asked = firewall_cmd.items_of(place, value)
    if place.way == "managed_rules" and len(asked) > RULES_MOST:
        message = "{0}: {1} rules are too many for a policy (at most {2}); name an ipset that it refers to (way named_set)"
        return [Blocker("allowlist-place", message.format(place.label, len(asked), RULES_MOST))]
    theirs = sorted((asked - now.ours) & (now.runs | now.lasts))
    if theirs:
        message = "{0}: there is such a rule or entry for {1} already, which is not ours; take it out first".format(
            place.label, prefixes.prefixes_of(theirs[0][0])[0]
        )
        return [Blocker("allowlist-overlap", message)]
    try:
        for version, stored in now.stored.items():
            come = frozenset(item for item in asked - now.lasts if version in (0, item[0].version))
            firewalld_files.edited(stored, (now.ours - asked) & stored.items, come)
    except CommandFailed as exc:
        return [Blocker("allowlist-ruleset", "{0}: {1}".format(place.label, exc))]
    return []


def holds(_values):
    """Whether boot starts firewalld; that its files hold what runs is part of a place's value."""
    return bool(glob.glob(ENABLED))


def lasting(values):
    """No edits, for a tool's move reaches the files too."""
    if not values or holds(values):
        return Lasting(loads=firewalld_files.MAIN if values else "")
    why = "what is admitted would be lost at the next boot: firewalld.service is not enabled; systemctl enable firewalld"
    return Lasting(blockers=(Blocker("allowlist-not-persistent", why),))


def loads(_path):
    """Why firewalld would not take its permanent configuration, or an empty text."""
    try:
        run([firewall_cmd.CMD, "--check-config"], timeout=ASK_TIMEOUT)
    except CommandFailed as exc:
        return str(exc)
    return ""


__all__ = ("before_change", "holds", "lasting", "loads", "look", "missing_tool", "rehearse")
