# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""Places in iptables with ipset: what stands against using them, and whether boot brings back what comes.

Both variants of iptables have the same commands and the same text, so the one that the alternative points to is asked. What the
other one holds beside it is for detection.py to tell.
"""

from __future__ import annotations

import shutil

from ..errors import CommandFailed
from ..model import Blocker
from ..processes import PATH, run
from . import ipset_text, ipsets, iptables_files, iptables_text
from .backends import Lasting

KINDS = ("hash:net", "hash:ip")
BAD_OPTIONS = {
    "timeout": "its elements expire",
    "forceadd": "it loses elements when it is full",
    "netmask": "it takes whole networks of one size only",
    "bitmask": "it takes whole networks of one size only",
}


def missing_tool(places):
    """Blockers for the first command that is not there."""
    versions = sorted({version for place in places for version in place.versions})
    for tool in ["ipset", *(tool[version] for version in versions for tool in (ipsets.SAVE, ipsets.RESTORE))]:
        if not shutil.which(tool, path=PATH):
            return [
                Blocker(
                    "allowlist-tool",
                    "{0} is not installed; install iptables and ipset, or name the place that filters here".format(tool),
                )
            ]
    return []


def look(places):
    """({Place: State}, Blockers): each IP version's rules are listed once."""
    seen, blockers = {}, []
    try:
        versions = sorted({version for place in places for version in place.versions})
        rules = {version: ipsets.list_rules(version) for version in versions}
        for place in places:
            seen[place] = ipsets.read(place, rules)
            blockers += _sets(place, seen[place]) if place.way == "named_set" else _chain(place, seen[place])
    except CommandFailed as exc:  # no root, no CAP_NET_ADMIN: what is asked of roots can be judged all the same
        return {}, [Blocker("allowlist-tool", "{0} cannot be looked at: {1}".format(places[0].label, exc))]
    return seen, blockers


def _sets(place, now):
    blockers = []
    for version in place.versions:
        name, found = place.set_of(version), now.sets.get(version)
        if found is None:
            message = "{0}: there is no set {1}; create it, or name another one (rootwave_allowlist_places)"
            blockers.append(Blocker("allowlist-missing-set", message.format(place.label, name)))
            continue
        why = _unfit(found, version)
        if why:
            blockers.append(_set_type(place, name, why))
        elif not now.rules[version].admits(_names(name, now.rules[version], place), iptables_text.BUILT_IN[place.path]):
            message = (
                "{0}: no rule on the {1} path lets destinations in set {2} by, so it admits nothing; name the set of the rule "
                "that does"
            )
            blockers.append(Blocker("allowlist-place", message.format(place.label, place.path, name)))
    return blockers


def _names(name, rules, place):
    """The set itself, and the sets of sets that have it; all are listed only where no rule names it."""
    if rules.admits([name], iptables_text.BUILT_IN[place.path]):
        return [name]
    listed = ipset_text.sets_of(run(["ipset", "save"], timeout=ipsets.TIMEOUT).decode("utf-8", "replace"))
    return [one.name for one in listed.values() if one.kind == "list:set" and name in {entry.text for entry in one.entries}]


def _unfit(found, version):
    """Why a set does not take prefixes of this IP version, or an empty text."""
    family = ipset_text.FAMILIES[version]
    if found.kind not in KINDS:
        return "its type is {0}, not {1}".format(found.kind, " or ".join(KINDS))
    if found.options.get("family", "inet") != family:
        return "its family is {0}, not {1}".format(found.options.get("family", "inet"), family)
    bad = [reason for option, reason in BAD_OPTIONS.items() if option in found.options]
    if bad:
        return bad[0]
    return "" if ipset_text.clean(found) else "it has nomatch elements, which take addresses out again"


def _set_type(place, name, why):
    return Blocker("allowlist-set-type", "{0}: set {1} cannot take prefixes: {2}".format(place.label, name, why))


def _chain(place, now):
    built_in = iptables_text.BUILT_IN[place.path]
    for version in place.versions:
        rules = now.rules[version]
        jumps = [name for name, text in rules.rules if text == iptables_text.jump(place) and name != place.chain]
        ways = [name for name, policy in rules.chains.items() if policy != "-" and place.chain in rules.reached(name)]
        if place.chain not in rules.chains:
            why = "there is no such chain in table filter of {0}".format(ipsets.SAVE[version].partition("-")[0])
        elif ways != [built_in]:
            why = "that chain is on the way of {0}, not of {1} alone".format(", ".join(ways) or "no packet", built_in)
        elif jumps:
            why = "{0} is jumped to from chain {1}, as a place that was named before; take that back first (phase revert)".format(
                place.own_chain, jumps[0]
            )
        else:
            continue
        message = "{0}: {1}; name the chain that decides (rootwave_allowlist_places)".format(place.label, why)
        return [Blocker("allowlist-place", message)]
    return []


def before_change(_seen, _moved):
    """All that can be known is in the listings."""
    return []


def rehearse(moves):
    """Blockers of what the kernel would refuse. ipset cannot be asked without being told, so what it says is foretold."""
    blockers = []
    for place, now, value in moves:
        for version in place.versions:
            texts = [text for text in value["prefixes"] if (":" in text) == (version == 6)]
            if place.way == "named_set":
                blockers += _room(place, now.sets[version], texts)
            else:
                blockers += _refused_rules(place, version, now, value["ports"])
    return blockers


def _room(place, found, texts):
    held = {entry.text for entry in found.entries}
    come = [text for text in texts if text not in held]
    wide = [text for text in come if not text.endswith(("/128",) if ":" in text else ("/32",))]
    if found.kind == "hash:ip" and wide:
        why = "its type is hash:ip, and {0} is more than one address; make it a hash:net".format(wide[0])
        return [_set_type(place, found.name, why)]
    if len(found.entries) + len(come) > found.most:  # what comes is added before anything goes
        return [_set_type(place, found.name, "{0} more elements are too many for its maxelem {1}".format(len(come), found.most))]
    return []


def _refused_rules(place, version, now, ports):
    """What iptables-restore says of our chain and jump; our set is not there yet, and a rule is refused without it."""
    text = iptables_text.change(place, version, now.rules[version], ports)
    why = _tested(version, iptables_text.without_sets(text, place), "--noflush")
    return [Blocker("allowlist-ruleset", "{0}: the kernel would not take it: {1}".format(place.label, why))] if why else []


def _tested(version, text, *options):
    """Why iptables-restore would not take a text, or an empty text."""
    try:
        argv = [ipsets.RESTORE[version], "-w", ipsets.LOCK_WAIT, "--test", *options]
        run(argv, stdin=text.encode("utf-8", "surrogateescape"), timeout=ipsets.TIMEOUT)
    except CommandFailed as exc:
        return str(exc)
    return ""


def _refused_at_boot(version, text):
    """Why iptables-restore would not take a whole file, or an empty text."""
    line = iptables_text.undeclared(text)
    return "no chain for '{0}'".format(line) if line else _tested(version, text)


def holds(values):
    """Whether boot loads the files, told without starting a program; that they hold a value is part of the value."""
    found = iptables_files.layout()
    return not values or (
        found is not None and not any(iptables_files.lacking(found, place.versions) for place, _value in values)
    )


def lasting(values):
    """The tool itself writes the files that boot reads, so no edit is needed; but they must be there, and load."""
    found = iptables_files.layout()
    if found is None:
        return Lasting(blockers=(_lost("nothing loads rules and sets then; install {0}".format(_packages())),))
    blockers = []
    for place, value in values:
        why = iptables_files.lacking(found, place.versions)
        if why:
            text = "{0}; install {1}, systemctl enable {2}, and save rules and sets"
            return Lasting(blockers=(_lost(text.format(why, found.packages, " ".join(found.units))),))
        blockers += _in_files(found, place)
        blockers += [] if blockers else _load(found, place, value)
    return Lasting(loads=found.sets if values else "", blockers=tuple(blockers[:1]))


def _packages():
    return " (Debian) or ".join(one.packages for one in iptables_files.LAYOUTS) + " (RHEL)"


def _lost(why):
    return Blocker("allowlist-not-persistent", "what is admitted would be lost at the next boot: " + why)


def _in_files(found, place):
    """Blockers where the files do not have what the administrator has in the kernel."""
    sets = ipset_text.sets_of(iptables_files.text_of(found.sets))
    for version in place.versions:
        path, name = found.rules[version], place.set_of(version)
        rules = iptables_text.rules_of(iptables_files.text_of(path))
        if place.way == "managed_chain":
            if place.chain not in rules.chains:
                return [_lost("{0} has no chain {1}; save your rules there".format(path, place.chain))]
        elif name not in sets:
            return [_lost("{0} does not create the set {1}; save your sets there".format(found.sets, name))]
        elif _unfit(sets[name], version):
            return [_lost("{0} makes set {1} another way: {2}".format(found.sets, name, _unfit(sets[name], version)))]
        else:
            lists = [one.name for one in sets.values() if one.kind == "list:set" and name in {each.text for each in one.entries}]
            if not rules.admits([name, *lists], iptables_text.BUILT_IN[place.path]):
                return [_lost("no rule in {0} refers to the set {1}; save your rules there".format(path, name))]
    return []


def _load(found, place, value):
    """Blockers: the files of rules load as they are, and would load with ours in them."""
    future = iptables_files.future(place, value, iptables_files.record_of(place) if place.way == "named_set" else None)
    for version in place.versions:
        path = found.rules[version]
        text = iptables_files.text_of(path)
        why = _refused_at_boot(version, iptables_text.without_sets(text, place))
        if why:
            return [Blocker("allowlist-ruleset", "{0} does not load as it is, so it is not touched: {1}".format(path, why))]
        if path in future:
            why = _refused_at_boot(version, iptables_text.without_sets(future[path], place))
            if why:
                return [_lost("{0} would not load with our chain in it: {1}".format(path, why))]
    return []


def loads(path):
    """Why what boots would not take the files beside this one any more, or an empty text."""
    found = next((one for one in iptables_files.LAYOUTS if one.sets == path), None)
    if found is None:
        return ""
    texts = {version: iptables_files.text_of(found.rules[version]) for version in (4, 6)}
    failed = [_refused_at_boot(version, text) for version, text in texts.items() if text]
    return next((why for why in failed if why), "")


__all__ = ("before_change", "holds", "lasting", "loads", "look", "missing_tool", "rehearse")
