# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""Pure: the files in which ufw keeps its rules, ``user.rules`` and ``user6.rules``, read and written as ufw itself writes them.

A rule is a comment that ufw reads, ``### tuple ### ...``, and the lines below it, which iptables-restore reads at boot. ufw
writes those anew from the comment, so ours are the very bytes that ufw would write; ours is what has our comment.
"""

from __future__ import annotations

import binascii
from typing import NamedTuple

from ..errors import BadInput, CommandFailed
from . import prefixes

MARK = "rootwave"
COMMENT = " comment=" + binascii.hexlify(MARK.encode("ascii")).decode("ascii")
TUPLE = "### tuple ###"
BEGIN, END = "### RULES ###", "### END RULES ###"
ANY = {4: "0.0.0.0/0", 6: "::/0"}
PORTS_MOST = 15  # of one rule, in ufw as in iptables' multiport


class Rule(NamedTuple):
    """One rule of ufw, of anybody. ``ports`` is ufw's own text, ``anywhere`` says that neither source nor interface narrows it.

    ``interval`` is None for a destination that we do not understand. ``normal`` says whether its lines are what ufw would write.
    """

    text: str
    lines: tuple
    path: str
    action: str
    protocol: str
    ports: str
    interval: prefixes.Interval | None
    anywhere: bool
    ours: bool
    normal: bool

    def meets(self, ports):
        """Whether it decides about TCP at one of these ports."""
        return self.protocol in ("tcp", "any") and any(_within(port, self.ports) for port in ports)

    def admits(self, ports):
        """Whether it lets TCP at all these ports through, from anywhere."""
        return (
            self.action == "allow"
            and self.protocol in ("tcp", "any")
            and self.anywhere
            and all(_within(port, self.ports) for port in ports)
        )

    @property
    def numbers(self):
        """The ports of a rule of ours."""
        return tuple(int(port) for port in self.ports.split(","))


class RulesFile(NamedTuple):
    """A file of rules in three parts, which together are its lines. Rules that hold no tuple are blank or strange lines."""

    head: tuple
    chunks: tuple  # of lines, each with one tuple at most
    tail: tuple

    def data(self):
        """Its bytes."""
        lines = [*self.head, *(line for chunk in self.chunks for line in chunk), *self.tail]
        return "\n".join(lines).encode("utf-8", "surrogateescape")


def parse(data, where):
    """A RulesFile from its bytes; raises CommandFailed that says what to do, for ufw writes the whole file at each change."""
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    if lines.count(BEGIN) != 1 or lines.count(END) != 1 or lines.index(END) < lines.index(BEGIN):
        raise CommandFailed("{0} is not as ufw writes it (no single {1!r}); run 'ufw reload', which writes it".format(where, END))
    begin, end = lines.index(BEGIN) + 1, lines.index(END)
    if end > begin and lines[end - 1] == "":
        end -= 1
    chunks: list[list[str]] = []
    for line in lines[begin:end]:
        if not chunks or line == "" or (line.startswith(TUPLE) and any(one.startswith(TUPLE) for one in chunks[-1])):
            chunks.append([])
        chunks[-1].append(line)
    return RulesFile(tuple(lines[:begin]), tuple(map(tuple, chunks)), tuple(lines[end:]))


def rule_of(chunk, version):
    """The Rule of a chunk of lines, or None where there is none."""
    text = next((line for line in chunk if line.startswith(TUPLE)), None)
    plain, _mark, comment = (text or "").partition(" comment=")
    fields = plain[len(TUPLE) :].split()
    if not 6 <= len(fields) <= 9:
        return None
    verb, protocol, ports, target, source_port, source = fields[:6]
    direction = fields[-1] if len(fields) in (7, 9) else "in"
    routed, action = verb.startswith("route:"), verb.rpartition(":")[2].partition("_")[0]
    rule = Rule(
        text=plain[len(TUPLE) :].strip(),
        lines=tuple(line for line in chunk if line),
        path="forward" if routed else "output" if direction.startswith("out") else "input",
        action=action,
        protocol=protocol,
        ports=ports,
        interval=_interval(target),
        anywhere=(source_port, source) == ("any", ANY[version]) and direction in ("in", "out"),
        ours=False,
        normal=True,
    )
    if " comment=" + comment.strip() != COMMENT or not _of_our_shape(rule, verb):
        return rule
    expected = lines_of(rule.path, prefixes.prefixes_of(rule.interval)[0], rule.numbers)
    return rule._replace(ours=True, normal=rule.lines == expected)


def lines_of(path, prefix, ports):
    """The two lines of a rule of ours: the tuple for ufw, and what iptables-restore takes."""
    version, numbers = 6 if ":" in prefix else 4, ",".join(map(str, ports))
    address, _slash, length = prefix.partition("/")
    target = address if int(length) == prefixes.BITS[version] else prefix
    verb, direction = ("route:allow", "in") if path == "forward" else ("allow", "out")
    text = "{0} {1} tcp {2} {3} any {4} {5}".format(TUPLE, verb, numbers, target, ANY[version], direction)
    narrow = "-m multiport --dports {0} -d {1}" if len(ports) > 1 else "-d {1} --dport {0}"
    return (text + COMMENT, "-A {0} -p tcp {1} -j ACCEPT".format(chain_of(path, version), narrow.format(numbers, target)))


def listed(path, prefix, ports):
    """How iptables-save lists the rule: (chain, the rest of the line)."""
    narrow = "-m multiport --dports" if len(ports) > 1 else "-m tcp --dport"
    version, numbers = 6 if ":" in prefix else 4, ",".join(map(str, ports))
    return chain_of(path, version), "-d {0} -p tcp {1} {2} -j ACCEPT".format(prefix, narrow, numbers)


def chain_of(path, version):
    return "{0}-user-{1}".format({4: "ufw", 6: "ufw6"}[version], path)


def _of_our_shape(rule, verb):
    """Whether we could have written it; a rule with our comment that says something else is its writer's."""
    ports = rule.ports.split(",")
    return (
        verb in ("allow", "route:allow")
        and rule.path != "input"
        and rule.protocol == "tcp"
        and rule.anywhere
        and rule.interval is not None
        and all(port.isdigit() for port in ports)
    )


def _interval(text):
    try:
        return prefixes.parse(text)
    except BadInput:
        return None


def _within(port, text):
    """Whether a port is among ufw's ports: any, or numbers and first:last."""
    if text == "any":
        return True
    for part in text.split(","):
        first, _colon, last = part.partition(":")
        if first.isdigit() and int(first) <= port <= (int(last) if last.isdigit() else int(first)):
            return True
    return False


__all__ = (
    "ANY",
    "COMMENT",
    "MARK",
    "PORTS_MOST",
    "Rule",
    "RulesFile",
    "chain_of",
    "lines_of",
    "listed",
    "parse",
    "rule_of",
)
