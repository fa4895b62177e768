# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""What the revert program too must know of firewalld: how a place is read, and moved from one state to another.

A place has two sides, what runs and what the next start loads, and ours are on both. What runs is read from the kernel with
nft, for one listing shows sets and rules; it is changed with firewall-cmd alone, item by item in one call. Its ways to give a
set many entries at once empty the set before, those of the administrator too; ``--reload`` throws away what is only in the
runtime, and with direct rules flushes iptables; neither is ever used.

First what runs, then the file: the first is where firewalld may refuse. An item that is on one side only makes the place
``damaged``; whoever is killed between the two walks again. Which items are ours is in the record (own.py), for they carry no
mark. Where firewalld does not run its next start loads the file; what it has left in the kernel, as one that was killed or has
CleanupOnExit=no, is changed there with nft.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from .. import files
from ..errors import CommandFailed
from ..processes import run
from . import firewalld_bus, firewalld_files, nft, own, prefixes, state
from .state import Element

NEEDS = (firewalld_bus, firewalld_files, nft, own)  # modules of this folder that the revert program must have beside this one
CMD = "firewall-cmd"
TIMEOUT = 600.0  # seconds; each entry is a message on D-Bus and a transaction, 510 took 2 to 7 s
AT_ONCE = 10  # rules; those of one call are one message, and D-Bus gives up the answer to a long one while firewalld goes on
CHAINS = {"output": "filter_OUT_policy_{0}_allow", "forward": "filter_FWD_policy_{0}_allow"}
RULE = 'rule family="ipv{0}" destination address="{1}" port port="{2}" protocol="tcp" accept'


class State(NamedTuple):
    """One place as it is now. ``found`` is False where the permanent configuration has no such set or policy.

    ``runs``, ``lasts`` and ``ours`` are Items (firewalld_files.py). ``table`` holds the objects of firewalld's table, ``stored``
    the files as {IP version: Stored}, of a policy under 0. ``unread`` says why one of them, left out there, cannot be read.
    """

    found: bool
    elements: dict
    runs: frozenset = frozenset()
    lasts: frozenset = frozenset()
    ours: frozenset = frozenset()
    table: tuple = ()
    stored: dict = {}
    unread: str = ""

    def own(self):
        return state.own(self.elements)

    def others(self):
        return state.others(self.elements)

    @property
    def ports(self):
        return tuple(sorted({port for _interval, port in self.ours}))

    @property
    def whole(self):
        """Whether all that is ours is on both sides, each prefix with each port."""
        full = {(interval, port) for interval, _port in self.ours for port in self.ports}
        return not self.unread and self.ours <= self.runs & self.lasts and self.ours == full

    @property
    def versions(self):
        return tuple(sorted(self.elements))

    def admitted(self, ports):
        """(Intervals that rules of others in our form let through at all these ports, those that they do at some)."""
        theirs: dict = {}
        for interval, port in (self.runs & self.lasts) - self.ours:
            theirs.setdefault(interval, set()).add(port)
        some = [interval for interval in sorted(theirs) if theirs[interval] & set(ports)]
        return [interval for interval in some if theirs[interval] >= set(ports)], some

    def value(self, place):
        """What a switch compares and brings back: JSON."""
        found = {"prefixes": self.own()}
        if place.way == "managed_rules":
            found["ports"] = list(self.ports)
        return found if self.whole else dict(found, damaged=True)


def list_table(place):
    """The objects of firewalld's one table of sets and rules, a list; None where there is none. Raises CommandFailed."""
    return nft.list_table(place._replace(family="inet", table="firewalld"))


def read(place, table=None):
    """The State of a place; ``table`` is what ``list_table`` gave where it was asked before. Raises CommandFailed."""
    table = list_table(place) if table is None else table
    stored, unread = _stored(place)
    runs = _entries(place, table or ()) if place.way == "named_set" else _rules(place, table or ())
    lasts = frozenset(item for one in stored.values() for item in one.items if bool(item[1]) == (place.way == "managed_rules"))
    ours = _recorded(place) & (runs | lasts)
    intervals = {interval for interval, _port in ours}
    elements: dict = {version: [] for version in place.versions}
    for interval in sorted(intervals if place.way == "managed_rules" else {interval for interval, _port in runs | lasts}):
        elements.setdefault(interval.version, []).append(Element(interval, interval in intervals))
    wanted = place.versions if place.way == "named_set" else [0]
    found = bool(unread) or all(one in stored for one in wanted)
    return State(found, elements, runs, lasts, ours, tuple(table or ()), stored, unread)


def _stored(place):
    named = {0: ("policies", place.policy)}
    if place.way == "named_set":
        named = {version: ("ipsets", place.set_of(version)) for version in place.versions}
    found, unread = {}, ""
    for key, (kind, name) in named.items():
        path = firewalld_files.path_of(kind, name)
        data = files.read(path, firewalld_files.SIZE_MOST + 1)
        try:
            if data is not None:
                found[key] = firewalld_files.parse(path, data)
        except CommandFailed as exc:
            unread = str(exc)
    return found, unread


def _entries(place, table):
    names = {place.set_of(version): version for version in place.versions}
    found = set()
    for item in table:
        if "set" in item and item["set"]["name"] in names:
            for element in item["set"].get("elem", ()):
                value = element.get("elem", {}).get("val", element) if isinstance(element, dict) else element
                found.add((nft.interval_of(value, names[item["set"]["name"]]), 0))
    return frozenset(item for item in found if item[0])


def _rules(place, table):
    found = [_rule(rule["expr"]) for rule in _rules_in_kernel(place, table)]
    return frozenset(item for item in found if item)


def _rules_in_kernel(place, table):
    chain = CHAINS[place.path].format(place.policy)
    return [item["rule"] for item in table if "rule" in item and item["rule"]["chain"] == chain]


def _rule(expressions):
    """The Item of a rule of our form in the kernel, or None. firewalld adds a state (0.9) or a counter by itself."""
    matched: dict = {}
    for expression in expressions[:-1]:
        match = expression.get("match")
        if match and match["op"] == "==" and "payload" in match["left"]:
            payload = match["left"]["payload"]
            matched[payload.get("protocol"), payload.get("field")] = match["right"]
        elif "counter" not in expression and not (match and match["left"] == {"ct": {"key": "state"}}):
            return None
    if expressions[-1] != {"accept": None} or len(matched) != 2:
        return None
    port = matched.get(("tcp", "dport"))
    for protocol, version in (("ip", 4), ("ip6", 6)):
        interval = nft.interval_of(matched.get((protocol, "daddr")), version)
        if interval and isinstance(port, int):
            return (interval, port)
    return None


def _recorded(place):
    found = (text.partition(" ") for text in own.load(place.label))
    return frozenset((prefixes.parse(prefix), int(port or 0)) for prefix, _space, port in found)


def _record(place, items):
    texts = (" ".join([prefixes.prefixes_of(interval)[0], *([str(port)] if port else [])]) for interval, port in items)
    own.save(place.label, set(texts))


def items_of(place, value):
    """The Items of a switch's value."""
    ports = value["ports"] if place.way == "managed_rules" else [0]
    return frozenset((prefixes.parse(text), port) for text in value["prefixes"] for port in ports)


def move(place, now, wanted, lock=None):
    """Bring a place from the State ``now`` to the value ``wanted``, on both sides. Raises CommandFailed, OSError.

    firewalld is asked first and the place read anew: 0.9 is on D-Bus, and its unit has started, before its rules are loaded.
    Each side is changed even where the other cannot be.
    """
    running = _answers(place, lock)
    now = read(place)
    asked = items_of(place, wanted) if wanted is not None else frozenset()
    gone = now.ours - asked
    _record(place, now.ours | asked)
    try:
        if running:
            _tell(place, "remove", gone & now.runs, lock)
            _tell(place, "add", asked - now.runs, lock)
        elif now.table:
            _tell_kernel(place, now, gone & now.runs, asked - now.runs, lock)
    finally:
        for version, stored in now.stored.items():
            come = frozenset(item for item in asked - now.lasts if version in (0, item[0].version))
            _write(stored, gone & stored.items, come)
    if now.unread:
        raise CommandFailed(now.unread)
    after = read(place)
    if (after.lasts | after.runs) & gone:
        # firewall-cmd ends with 0 as long as one of many items was taken
        raise CommandFailed("{0}: firewalld has kept what was taken out; look with {1}".format(place.label, CMD))
    _record(place, asked)


def _answers(place, lock):
    """Whether firewalld runs. Raises CommandFailed where it has rules in the kernel and does not answer: it may be at work yet.

    With CleanupOnExit=no its rules stay there when it ends, until it starts again and loads the files.
    """
    try:
        return firewalld_bus.running(lock)
    except CommandFailed:
        if list_table(place) is not None:
            raise
        return False


def _tell(place, verb, items, lock):
    """Items to what runs."""
    most = AT_ONCE if place.way == "managed_rules" else len(items)
    for target, options in _options(place, verb, sorted(items)).items():
        for start in range(0, len(options), most):
            run([CMD, target, *options[start : start + most]], timeout=TIMEOUT, lock=lock)


def _tell_kernel(place, now, gone, come, lock):
    """Items to the table that a firewalld which does not run has left in the kernel: after a crash its next start puts what the
    files have beside what is there (1.3.3)."""
    lines = []
    if place.way == "managed_rules":
        handles = [rule["handle"] for rule in _rules_in_kernel(place, now.table) if _rule(rule["expr"]) in gone]
        chain = "rule inet firewalld " + CHAINS[place.path].format(place.policy)
        lines += ["delete {0} handle {1}".format(chain, handle) for handle in handles]
        for interval, port in sorted(come):
            (prefix,) = prefixes.prefixes_of(interval)
            lines.append(
                "add {0} {1} daddr {2} tcp dport {3} accept".format(chain, nft.PROTOCOLS[interval.version], prefix, port)
            )
    else:
        where = place._replace(family="inet", table="firewalld")
        for verb, items in (("delete", gone), ("add", come)):
            texts = [text for interval, _port in sorted(items) for text in prefixes.prefixes_of(interval)]
            lines += nft.elements(where, verb, texts, mark=False)
    if lines:
        text = "".join(line + "\n" for line in lines)
        run([*nft.NFT, "-f", "-"], stdin=text.encode("ascii"), timeout=nft.TIMEOUT, lock=lock)


def _options(place, verb, items):
    """{what is changed: options of firewall-cmd}."""
    found: dict[str, list] = {}
    for interval, port in items:
        (prefix,) = prefixes.prefixes_of(interval)
        if place.way == "managed_rules":
            option = "--{0}-rich-rule={1}".format(verb, RULE.format(interval.version, prefix, port))
            found.setdefault("--policy=" + place.policy, []).append(option)
        else:
            target = "--ipset=" + place.set_of(interval.version)
            found.setdefault(target, []).append("--{0}-entry={1}".format(verb, prefix))
    return found


def _write(stored, gone, come):
    if gone or come:
        text, path = firewalld_files.edited(stored, gone, come), os.path.realpath(stored.path)
        status = os.stat(path)
        files.write(path, text.encode("utf-8"), status.st_mode & 0o7777, status.st_uid, status.st_gid)


def shut(place, now, lock=None):
    """Nobody else can refer to entries and rules of ours, so they can be removed at any time."""
    move(place, now, None, lock)


__all__ = ("CHAINS", "CMD", "NEEDS", "State", "items_of", "list_table", "move", "read", "shut")
