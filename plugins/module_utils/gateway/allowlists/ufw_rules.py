# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""What the revert program too must know of ufw: how a place is read, and moved from one state to another.

``ufw allow`` takes half a second for each rule, so ours go in as one batch: under ufw's own lock into the files that ufw and boot
read, and one transaction of iptables-restore for each IP version. Nothing is flushed, so the administrator's rules keep place
and counters.

The files hold ours longer than the kernel does: what comes is written before it is loaded, what goes is struck out after it is
unloaded. Whoever is killed between the two has left rules that the comment tells, and ``damaged`` until they are walked again.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import time
from typing import NamedTuple

from .. import files
from ..errors import CommandFailed
from ..processes import run
from . import prefixes, state, ufw_files
from .state import Element

NEEDS = (ufw_files,)  # modules of this folder that the revert program must have beside this one
PATHS = {4: "/etc/ufw/user.rules", 6: "/etc/ufw/user6.rules"}
DEFAULTS, CONF = "/etc/default/ufw", "/etc/ufw/ufw.conf"
IPV6_THERE = "/proc/sys/net/ipv6"
LOCK = "/run/ufw.lock"
LOCK_WAIT = 30.0  # seconds; ufw asks "Proceed (y|n)?" with the lock in its hand
TIMEOUT = 60.0  # seconds
XTABLES_WAIT = "20"  # seconds, for the lock that iptables-legacy takes
SAVE = {4: "iptables-save", 6: "ip6tables-save"}
RESTORE = {4: "iptables-restore", 6: "ip6tables-restore"}
LISTED = re.compile(r"\[(\d+):\d+\] -A (\S+) (.*)")
CHAIN = re.compile(r":(\S+) ")


class State(NamedTuple):
    """One place as it is now. ``found`` is False where ufw has no rules file.

    ``versions`` are the IP versions that ufw rules, ``alive`` those whose chain is in the kernel. ``rules`` are the Rules of this
    path in their order, of anybody, as {IP version: list}; ``whole`` says whether ours are in the kernel as the files say.
    ``counter`` is when the files were written last: who writes them, ufw above all, often loads all rules anew.
    """

    found: bool
    elements: dict
    versions: tuple = ()
    alive: tuple = ()
    rules: dict = {}
    ports: tuple = ()
    whole: bool = True
    counter: str = ""

    def own(self):
        return state.own(self.elements)

    def others(self):
        """Nothing that ours must not meet: rules stand one by one."""
        return []

    def value(self, _place):
        """What a switch compares and brings back: JSON."""
        found = {"prefixes": self.own(), "ports": list(self.ports)}
        return found if self.whole else dict(found, damaged=True)

    def admitted(self, ports):
        """(whole, some): Intervals that rules of others let through at all these ports, and at one of them at least."""
        whole, some = [], []
        for rules in self.rules.values():
            against: list = []
            for rule in rules:
                if rule.ours or not rule.meets(ports):
                    continue
                if rule.action != "allow":
                    against.append(rule)
                elif rule.interval is not None:
                    some.append(rule.interval)
                    if rule.admits(ports) and not first_meeting(against, rule.interval):
                        whole.append(rule.interval)
        return whole, some


def first_meeting(rules, interval):
    """The first Rule whose destination shares an address with an Interval, or None; a destination unknown to us may."""
    return next((rule for rule in rules if rule.interval is None or prefixes.overlap(rule.interval, interval)), None)


def uses_ipv6():
    """Whether ufw rules IPv6, as ufw tells."""
    return setting(DEFAULTS, "IPV6") == "yes" and os.path.isdir(IPV6_THERE)


def setting(path, key):
    """The last value of a key in a file of ufw's, in small letters, or an empty text."""
    text = (files.read(path) or b"").decode("utf-8", "replace")
    found = re.findall(r"^{0}=[\"']?(\w+)".format(key), text, re.MULTILINE)
    return found[-1].lower() if found else ""


class Kernel(NamedTuple):
    """What the kernel has in the filter table of an IP version: the chains' names, and {(chain, rule): packets}."""

    chains: frozenset
    rules: dict


class Listing(NamedTuple):
    """What there is of ufw, for all places: both by IP version. Where ufw does not rule a version the kernel is not asked."""

    texts: dict
    kernel: dict


def listing():
    """Raises CommandFailed, also for a file that is not as ufw writes it."""
    texts = {version: parsed for version in (4, 6) for parsed in [_parsed(version)] if parsed}
    return Listing(texts, {version: _kernel(version) for version in _versions()} if texts else {})


def _versions():
    return (4, 6) if uses_ipv6() else (4,)


def read(place, found=None):
    """The State of a place; raises as ``listing`` does, which is ``found`` where there are more places than one."""
    texts, kernel = found or listing()
    versions = _versions()
    if not all(version in texts for version in versions):
        return State(False, {})
    rules = {version: _rules(text, version, place.path) for version, text in texts.items()}
    own = [rule for listed in rules.values() for rule in listed if rule.ours]
    ports = own[0].numbers if own else ()
    return State(
        found=True,
        elements={version: _elements(place, listed, ports, kernel.get(version)) for version, listed in rules.items()},
        versions=versions,
        alive=tuple(version for version in versions if ufw_files.chain_of(place.path, version) in kernel[version].chains),
        rules=rules,
        ports=ports,
        whole=len({rule.interval for rule in own}) == len(own)
        and all(rule.normal and rule.numbers == ports for rule in own)
        and all(_loaded(place, rule, kernel) for rule in own),
        counter="-".join(str(os.stat(PATHS[version]).st_mtime_ns) for version in versions),
    )


def _rules(text, version, path):
    found = [ufw_files.rule_of(chunk, version) for chunk in text.chunks]
    return [rule for rule in found if rule and rule.path == path]


def _kernel(version):
    chains: set[str] = set()
    rules: dict[tuple, int] = {}
    for line in run([SAVE[version], "-c", "-t", "filter"], timeout=TIMEOUT).decode("utf-8", "replace").splitlines():
        found = LISTED.fullmatch(line)
        if found:
            rules.setdefault((found.group(2), found.group(3)), int(found.group(1)))
        elif CHAIN.match(line):
            chains.add(line[1:].split(" ")[0])
    return Kernel(frozenset(chains), rules)


def _parsed(version):
    data = files.read(PATHS[version])
    return None if data is None else ufw_files.parse(data, PATHS[version])


def _prefix(rule):
    return prefixes.prefixes_of(rule.interval)[0]


def _loaded(place, rule, kernel):
    """Whether the kernel has a rule of ours; there is nothing to have where ufw does not rule its IP version."""
    side = kernel.get(rule.interval.version)
    return side is None or ufw_files.listed(place.path, _prefix(rule), rule.numbers) in side.rules


def _elements(place, rules, ports, side):
    """Ours with their counters, which see the first packet of each connection: ufw lets the rest through before them. Those of
    others at our ports without: they may see a packet before ours do.
    """
    found = []
    for rule in rules:
        if rule.ours:
            key = ufw_files.listed(place.path, _prefix(rule), rule.numbers)
            found.append(Element(rule.interval, True, side.rules.get(key, 0) if side else 0))
        elif rule.interval is not None and rule.action in ("allow", "limit") and rule.meets(ports):
            found.append(Element(rule.interval, False, None))
    return found


class UfwLock:
    """ufw's own lock, a context manager: who runs ufw meanwhile waits. Raises CommandFailed when it is held for too long."""

    def __enter__(self):
        self._stream = open(LOCK, "w")  # noqa: SIM115
        deadline = time.monotonic() + LOCK_WAIT
        while not self._take():
            if time.monotonic() > deadline:
                self._stream.close()
                raise CommandFailed(
                    "another ufw holds {0} for more than {1:.0f} s, perhaps it waits for an answer; let it end ('fuser {0}') "
                    "and start again".format(LOCK, LOCK_WAIT)
                )
            time.sleep(0.05)
        return self

    def _take(self):
        try:
            fcntl.lockf(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def __exit__(self, *exc_info):
        self._stream.close()


def move(place, now, wanted, lock=None):
    """Bring a place to the value ``wanted``, None for nothing of ours. Raises CommandFailed, OSError.

    What counts is not ``now`` but what is there once the lock is ours: the administrator's ufw may have been at work.
    """
    wanted = wanted or {"prefixes": [], "ports": []}
    if now.value(place) == wanted:
        return
    with UfwLock():
        for version in (4, 6):
            text = _parsed(version)
            if text:
                _move_version(place, version, text, wanted, lock)


def _move_version(place, version, text, wanted, lock):
    """One file, and what the kernel has of it. What is new stands last, so that nobody's rule gets another number."""
    asked = [one for one in wanted["prefixes"] if (":" in one) == (version == 6)]
    kept, gone, left = [], [], set(asked)
    for chunk in text.chunks:
        rule = ufw_files.rule_of(chunk, version)
        if rule is None or not rule.ours or rule.path != place.path:
            kept.append(chunk)
        elif rule.normal and list(rule.numbers) == wanted["ports"] and _prefix(rule) in left:
            kept.append(chunk)
            left.remove(_prefix(rule))
        else:
            gone.append((_prefix(rule), rule.numbers))
    lines = {one: ufw_files.lines_of(place.path, one, wanted["ports"]) for one in asked}
    more = [("", *lines[one]) for one in asked if one in left]
    rules = {ufw_files.listed(place.path, one, wanted["ports"]): lines[one][1] for one in asked}
    try:
        _write(version, text, [*text.chunks, *more])
    except OSError as exc:
        if exc.errno == errno.EROFS:  # only a revert gets here on such a disk, and the kernel is the way in
            _load(place, version, gone, rules, lock)
        raise
    _load(place, version, gone, rules, lock)
    _write(version, text, [*kept, *more])


def _write(version, text, chunks):
    path = os.path.realpath(PATHS[version])
    data = text._replace(chunks=tuple(chunks)).data()
    if files.read(path) != data:
        status = os.stat(path)
        files.write(path, data, status.st_mode & 0o7777, status.st_uid, status.st_gid)


def _load(place, version, gone, asked, lock):
    """Bring the kernel to the rules ``asked``, {as iptables-save lists it: line}, without those that are ``gone``.

    There is nothing to do where ufw is off, or does not rule this IP version.
    """
    if version == 6 and not uses_ipv6():
        return
    side = _kernel(version)
    if ufw_files.chain_of(place.path, version) not in side.chains:
        return
    lines = []
    for prefix, ports in gone:
        key = ufw_files.listed(place.path, prefix, ports)
        if key in side.rules and key not in asked:
            lines.append("-D" + ufw_files.lines_of(place.path, prefix, ports)[1][2:])
    lines += [line for key, line in asked.items() if key not in side.rules]
    if lines:
        text = "\n".join(["*filter", *lines, "COMMIT", ""])
        run([RESTORE[version], "-w", XTABLES_WAIT, "--noflush"], stdin=text.encode("ascii"), timeout=TIMEOUT, lock=lock)


def shut(place, now, lock=None):
    """Nobody else can refer to rules of ours, so they can be removed at any time."""
    move(place, now, None, lock)


__all__ = (
    "CONF",
    "NEEDS",
    "PATHS",
    "RESTORE",
    "SAVE",
    "TIMEOUT",
    "XTABLES_WAIT",
    "State",
    "UfwLock",
    "first_meeting",
    "listing",
    "move",
    "read",
    "setting",
    "shut",
    "uses_ipv6",
)
