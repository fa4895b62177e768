# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""Pure: the format of ``ipset save``, which ``ipset restore`` and the file for boot have too.

The one machine format that every ipset 7 writes right: 7.10 and 7.17 have no JSON, and that of 7.22 is none (it quotes twice).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ..errors import BadInput
from . import prefixes

WORDS = re.compile(r'"[^"]*"|\S+')
LINES = re.compile(r"[^\n]*\n|[^\n]+")  # str.splitlines breaks at more than that, and a comment may hold it
CREATE, ADD = ("create", "-N"), ("add", "-A")
FLAGS = ("counters", "comment", "skbinfo", "forceadd", "-exist", "-!")  # options of a set that have no value
FAMILIES = {4: "inet", 6: "inet6"}


class Entry(NamedTuple):
    """One element: a prefix as state.py writes it where it is one, else as it stands there."""

    text: str
    options: tuple

    @property
    def packets(self):
        """None where the set does not count."""
        at = self.options.index("packets") + 1 if "packets" in self.options else 0
        return int(self.options[at]) if at and self.options[at].isdigit() else None


class Set(NamedTuple):
    """``options`` are those of its creation, {name: value, "" for a flag}."""

    name: str
    kind: str
    options: dict
    entries: tuple = ()

    @property
    def most(self):
        return int(self.options.get("maxelem", "65536"))


def lines_of(text):
    return LINES.findall(text)


def sets_of(text):
    """{name: Set} of a listing, or of a file of an administrator's; lines that make nothing are passed over."""
    found: dict[str, Set] = {}
    entries: dict[str, list] = {}
    for line in lines_of(text):
        words = WORDS.findall(line)
        if len(words) > 2 and words[0] in CREATE:
            found[words[1]] = Set(words[1], words[2], _options(words[3:]))
        elif len(words) > 2 and words[0] in ADD:
            entries.setdefault(words[1], []).append(Entry(element(words[2]), tuple(words[3:])))
    return {name: one._replace(entries=tuple(entries.get(name, ()))) for name, one in found.items()}


def _options(words):
    found, number = {}, 0
    while number < len(words):
        flag = words[number] in FLAGS
        found[words[number]] = "" if flag or number + 1 == len(words) else words[number + 1]
        number += 1 if flag else 2
    return found


def element(text):
    """The one way in which a prefix is written here; what is none stays as it is."""
    try:
        return prefixes.prefixes_of(prefixes.parse(text))[0]
    except BadInput:
        return text


def made(name, version, most=65536):
    """The line that makes a set of ours."""
    shape = "create {0} hash:net family {1} hashsize 1024 maxelem {2} counters"
    return shape.format(name, FAMILIES[version], most)


def as_made(found, version):
    """Whether a set of our name is as we make it."""
    known = {"family": FAMILIES[version], "counters": ""}
    plain = not {"timeout", "forceadd"} & set(found.options)
    return (
        found.kind == "hash:net"
        and plain
        and all(found.options.get(key) == value for key, value in known.items())
        and clean(found)
    )


def clean(found):
    return not any("nomatch" in one.options for one in found.entries)


def with_elements(text, name, gone, come, create=""):
    """The file with ``come`` in the set and ``gone`` out of it; ``create`` makes it at the end where it is not there.

    Every other line stays byte for byte in its place. What comes follows the set's last line.
    """
    lines, last, there = [], -1, set()
    for line in lines_of(text):
        words = WORDS.findall(line)
        mine = len(words) > 2 and words[1] == name
        if mine and words[0] in ADD:
            if element(words[2]) in gone:
                continue
            there.add(element(words[2]))
        lines.append(line)
        if mine and words[0] in CREATE + ADD:
            last = len(lines)
    added = ["add {0} {1}\n".format(name, one) for one in come if one not in there]
    if last < 0:
        if not create:
            return text
        added, last = [create + "\n", *added], len(lines)
    if added and last and not lines[last - 1].endswith("\n"):
        lines[last - 1] += "\n"
    return "".join(lines[:last] + added + lines[last:])


def without(text, names):
    """The file without these sets."""
    kept = []
    for line in lines_of(text):
        words = WORDS.findall(line)
        if not (len(words) > 2 and words[0] in CREATE + ADD and words[1] in names):
            kept.append(line)
    return "".join(kept)


__all__ = ("Entry", "Set", "as_made", "clean", "element", "lines_of", "made", "sets_of", "with_elements", "without")
