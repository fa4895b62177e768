# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""What the revert program too must know of iptables with ipset: how a place is read, and moved from one state to another.

An administrator's set is never swapped: elements that others add meanwhile would be lost. Nor is ours while it is sound: its
elements stand one by one and overlap as they like, and what comes is added before anything goes, so no address that stays is
ever out and no counter begins anew. Only one of our name that somebody made another way is replaced, by ``ipset swap`` under
the rules.

Kernel and files are one move: first the kernel, then the files of iptables_files.py. Where the two differ a value is damaged, so
whoever is killed between them is seen, and taken back by walking again.
"""

from __future__ import annotations

import time
from typing import NamedTuple

from ..errors import CommandFailed
from ..processes import run
from . import ipset_text, iptables_files, iptables_text, own, prefixes, state
from .state import Element

TIMEOUT = 60.0  # seconds; 4,096 prefixes take 0.1 s
LOCK_WAIT = "20"  # seconds, for the lock that iptables-legacy takes
SAVE = {4: "iptables-save", 6: "ip6tables-save"}
RESTORE = {4: "iptables-restore", 6: "ip6tables-restore"}
# The kernel lets go of a set some milliseconds after the last rule that named it; nothing tells when
RELEASE_MOST, RELEASE_STEP = 5.0, 0.02  # seconds
NEEDS = (ipset_text, iptables_text, iptables_files, own)
BUSY = "{0} is busy: a rule that is not ours refers to it"


class State(NamedTuple):
    """One place as it is now. ``found`` is False where its set or chain is missing, in the kernel and in the files.

    ``sets`` are the Sets that are there, ``rules`` the Rules, both by IP version. Of our own chain: ``chain`` says whether
    anything of it is there, ``whole`` whether it is exactly as we made it and boot brings it back so.
    """

    found: bool
    elements: dict
    sets: dict
    versions: tuple = ()
    rules: dict = {}
    chain: bool = False
    whole: bool = True
    ports: tuple = ()

    def own(self):
        return state.own(self.elements)

    def others(self):
        """Nothing that ours must not meet: the elements of a hash:net stand one by one."""
        return []

    def admitted(self, _ports):
        """(whole, some): Intervals that others' elements let through; an administrator's rules have ports of their own."""
        theirs = state.others(self.elements)
        return theirs, theirs

    @property
    def counter(self):
        """Another text once a set, and with it what it counts, was made anew: the kernel draws a seed for each."""
        return " ".join(self.sets[version].options.get("initval", "") for version in sorted(self.sets))

    def value(self, place):
        """What a switch compares and brings back: JSON, None where nothing of our chain is there."""
        found = {"prefixes": self.own()}
        if place.way == "managed_chain":
            found["ports"] = list(self.ports)
            if not self.chain:
                return None
        return found if self.whole else dict(found, damaged=True)


def list_set(name):
    """A Set of the kernel's, or None where there is none. Raises CommandFailed."""
    try:
        listed = run(["ipset", "save", name], timeout=TIMEOUT)
    except CommandFailed as exc:
        if "does not exist" in str(exc):
            return None
        raise
    return ipset_text.sets_of(listed.decode("utf-8", "replace")).get(name)


def list_rules(version):
    """The Rules of an IP version's table filter. Raises CommandFailed."""
    return iptables_text.rules_of(run([SAVE[version], "-t", "filter"], timeout=TIMEOUT).decode("utf-8", "replace"))


def read(place, rules=None):
    """The State of a place; ``rules`` are {IP version: Rules} where they were listed before."""
    listed = {version: list_set(place.set_of(version)) for version in place.versions}
    sets = {version: one for version, one in listed.items() if one}
    if place.way == "named_set":
        return _read_named(place, sets, rules)
    rules = {version: list_rules(version) for version in place.versions} if rules is None else rules
    return _read_chain(place, sets, rules)


def _read_named(place, sets, rules):
    record = iptables_files.record_of(place)
    elements = {version: _elements(one, version, record[version]) for version, one in sets.items()}
    ours = {version: state.own({version: elements.get(version, [])}) for version in place.versions}
    return State(
        found=bool(sets) or any(record.values()),
        elements=elements,
        sets=sets,
        versions=tuple(place.versions),
        rules=rules or {},
        whole=iptables_files.kept(place, record, ours),
    )


def _read_chain(place, sets, rules):
    elements = {version: _elements(one, version, None) for version, one in sets.items()}
    ports = max((iptables_text.ports_of(rules[version].of(place.own_chain)) for version in place.versions), key=len)
    there = {version: version in sets or place.own_chain in rules[version].chains for version in place.versions}
    sound = all(
        version in sets
        and ipset_text.as_made(sets[version], version)
        and iptables_text.whole(place, version, rules[version], ports)
        for version in place.versions
    )
    kernel = {version: (state.own({version: elements.get(version, [])}), ports) for version in place.versions}
    kept = iptables_files.kept(place, None, {version: kernel[version] if there[version] else None for version in there})
    nothing = not any(there.values())
    return State(
        found=all(place.chain in rules[version].chains for version in place.versions),
        elements=elements,
        sets=sets,
        versions=tuple(place.versions),
        rules=rules,
        chain=not (nothing and kept),
        whole=kept and (sound or nothing),
        ports=ports,
    )


def _elements(found, version, record):
    """A Set's Elements; those in ``record`` are ours, and all of a set of ours, whose record is None."""
    listed = []
    for entry in found.entries:
        if "/" in entry.text and (":" in entry.text) == (version == 6) and "," not in entry.text and "-" not in entry.text:
            ours = record is None or entry.text in record
            listed.append(Element(prefixes.parse(entry.text), ours, entry.packets))
    return listed


def move(place, now, wanted, lock=None):
    """Bring a place from the State ``now`` to the value ``wanted``. Raises CommandFailed, OSError."""
    if place.way == "named_set":
        _move_named(place, now, wanted, lock)
    elif wanted is None:
        _remove(place, now, lock)
    else:
        _move_chain(place, now, wanted, lock)


def _move_named(place, now, wanted, lock):
    record, come, gone, mine = iptables_files.record_of(place), [], [], {}
    for version in now.sets:
        name = place.set_of(version)
        there = {entry.text for entry in now.sets[version].entries}
        asked = {text for text in wanted["prefixes"] if (":" in text) == (version == 6)}
        mine[version] = asked - (there - record[version])  # what is somebody else's does not become ours
        own.save(iptables_files.key_of(name), record[version] | mine[version])
        come += ["add {0} {1}".format(name, text) for text in sorted(asked - there)]
        gone += ["del {0} {1}".format(name, text) for text in sorted(there & record[version] - asked)]
    _restore_sets([*come, *gone], lock)
    kept = {"prefixes": [text for some in mine.values() for text in some]}
    iptables_files.write(iptables_files.future(place, kept, record))
    for version in place.versions:
        own.save(iptables_files.key_of(place.set_of(version)), mine.get(version, ()))


def _move_chain(place, now, wanted, lock):
    come, gone = [], []
    for version in place.versions:
        name, there = place.set_of(version), now.sets.get(version)
        asked = [text for text in wanted["prefixes"] if (":" in text) == (version == 6)]
        if there and not ipset_text.as_made(there, version):
            come += _made_anew(name, version, asked)
            continue
        held = {entry.text for entry in there.entries} if there else set()
        come += [] if there else [ipset_text.made(name, version)]
        come += ["add {0} {1}".format(name, text) for text in asked if text not in held]
        gone += ["del {0} {1}".format(name, text) for text in sorted(held - set(asked))]
    _restore_sets([*come, *gone], lock)
    for version in place.versions:
        rules = now.rules[version]
        if not iptables_text.whole(place, version, rules, wanted["ports"]):
            _restore_rules(version, iptables_text.change(place, version, rules, wanted["ports"]), lock)
    iptables_files.write(iptables_files.future(place, wanted))


def _made_anew(name, version, texts):
    """A set of our name that is not as we make it is replaced under the rules that refer to it."""
    draft = name + "_draft"
    lines = [ipset_text.made(draft, version), "flush " + draft, *("add {0} {1}".format(draft, text) for text in texts)]
    return [*lines, "swap {0} {1}".format(draft, name), "destroy " + draft]


def _restore_sets(lines, lock):
    """One batch; what is there already, or gone already, is no error."""
    if lines:
        run(["ipset", "-exist", "restore"], "".join(line + "\n" for line in lines).encode("ascii"), TIMEOUT, lock=lock)


def _restore_rules(version, text, lock):
    """One transaction for an IP version."""
    if text:
        run([RESTORE[version], "-w", LOCK_WAIT, "--noflush"], text.encode("utf-8", "surrogateescape"), TIMEOUT, lock=lock)


def _remove(place, now, lock):
    for version in place.versions:
        if now.rules[version].strangers(place):
            raise CommandFailed(BUSY.format(place.own_chain))
    for version in place.versions:
        _restore_rules(version, iptables_text.change(place, version, now.rules[version], None), lock)
    names = set(run(["ipset", "list", "-n"], timeout=TIMEOUT).decode("utf-8", "replace").split())
    for version in place.versions:
        name = place.set_of(version)
        for one in sorted({name, name + "_draft"} & names):
            _destroy(one, lock)
    iptables_files.write(iptables_files.future(place, None))


def _destroy(name, lock):
    deadline = time.monotonic() + RELEASE_MOST
    while True:
        try:
            run(["ipset", "destroy", name], timeout=TIMEOUT, lock=lock)
            return
        except CommandFailed as exc:
            if "in use" not in str(exc):
                raise
            if time.monotonic() > deadline:
                raise CommandFailed(BUSY.format(name)) from exc
        time.sleep(RELEASE_STEP)


def shut(place, now, lock=None):
    """Where somebody else refers to our chain or sets, so that they cannot be removed: they let nothing through any more."""
    for version in place.versions:
        rules = now.rules[version]
        lines = ["-D {0} {1}".format(name, text) for name, text in rules.rules if text == iptables_text.jump(place)]
        lines += ["-F " + place.own_chain] if place.own_chain in rules.chains else []
        _restore_rules(version, "".join(line + "\n" for line in ["*filter", *lines, "COMMIT"]) if lines else "", lock)
    _restore_sets(["flush " + place.set_of(version) for version in now.sets], lock)
    iptables_files.write(iptables_files.future(place, {"prefixes": [], "ports": []}))


__all__ = ("NEEDS", "RESTORE", "SAVE", "State", "list_rules", "list_set", "move", "read", "shut")
