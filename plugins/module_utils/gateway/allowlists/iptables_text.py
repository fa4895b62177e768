# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""Pure: the table filter in the format of ``iptables-save``, which ``iptables-restore`` and the files for boot have too.

A rule is compared as the text that every iptables lists of it; 1.8.7, 1.8.9 and 1.8.11 list ours alike, on nftables and legacy.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from .ipset_text import lines_of

MARK = "rootwave"
COMMENT = "-m comment --comment " + MARK
PORTS_MOST = 15  # of one multiport match
BUILT_IN = {"output": "OUTPUT", "forward": "FORWARD"}
RULE = re.compile(r"^(?:\[\d+:\d+\] )?-A (\S+) ?(.*)$")
TARGET = re.compile(r"(?:^| )(?:-j|-g|--jump|--goto) (\S+)")
SET = re.compile(r"--match-set (\S+) ")
DESTINATION = re.compile(r"(! )?--match-set (\S+) dst\b")
STOPS = ("DROP", "REJECT")
THERE = ("INPUT", "OUTPUT", "FORWARD", "PREROUTING", "POSTROUTING")
EXTENSION = re.compile(r"[A-Z0-9_]+")
QUOTED = re.compile(r'"(?:\\.|[^"\\])*"')


class Rules(NamedTuple):
    """One IP version's table filter: {chain: policy}, and (chain, text) of each rule in order."""

    chains: dict
    rules: tuple

    def of(self, chain):
        return [text for name, text in self.rules if name == chain]

    def reached(self, chain):
        """This chain and all that packets get to from it."""
        found, ways = set(), [chain]
        while ways:
            here = ways.pop()
            if here in self.chains and here not in found:
                found.add(here)
                ways += [target for text in self.of(here) for target in TARGET.findall(text)]
        return found

    def admits(self, names, chain):
        """Whether a rule on the way from this chain lets destinations in one of these sets by, or stops all others."""
        reached = self.reached(chain)
        return any(_lets_by(text, names, self.chains) for name, text in self.rules if name in reached)

    def strangers(self, place):
        """Rules that hold on to our chain or our sets, and are not ours."""
        sets = {place.set_of(version) for version in (4, 6)}
        return [
            text
            for name, text in self.rules
            if name != place.own_chain
            and text != jump(place)
            and (place.own_chain in TARGET.findall(text) or sets & set(SET.findall(text + " ")))
        ]


def _lets_by(text, names, chains):
    """Whether a rule accepts what goes to one of these sets, or sends it on to another chain; or stops what does not."""
    targets = TARGET.findall(text)
    stops = any(target in STOPS for target in targets)
    lets_by = any(target in ("ACCEPT", "RETURN") or target in chains for target in targets)
    return any(name in names and (stops if negated else lets_by) for negated, name in DESTINATION.findall(text))


def rules_of(text):
    """The Rules of a listing or a file; lines of other tables and comments are passed over."""
    chains, rules, inside = {}, [], False
    for line in lines_of(text):
        match = RULE.match(line)
        if line.startswith("*"):
            inside = line.strip() == "*filter"
        elif inside and line.startswith(":"):
            name, policy = (line[1:].split() + ["-"])[:2]
            chains[name] = policy
        elif inside and match:
            rules.append((match.group(1), match.group(2).rstrip()))
    return Rules(chains, tuple(rules))


def undeclared(text):
    """The first rule of a file that names a chain which its table does not declare, or an empty text.

    iptables-restore ends at it and loads nothing of the table; asked with --test it takes it (1.8.7 to 1.8.11, on nftables).
    """
    chains = set(THERE)
    for line in lines_of(text):
        match = RULE.match(line)
        if line.startswith("*"):
            chains = set(THERE)
        elif line.startswith(":"):
            chains.add(line[1:].split(" ")[0])
        elif match:
            targets = TARGET.findall(QUOTED.sub("", match.group(2)))
            named = [match.group(1), *(target for target in targets if not EXTENSION.fullmatch(target))]
            if not chains.issuperset(named):
                return line.strip()
    return ""


def jump(place):
    """The one rule of ours in the administrator's chain."""
    return "{0} -j {1}".format(COMMENT, place.own_chain)


def expected(place, version, ports):
    """The rules of our own chain: what goes out, and on the forward path what comes back."""
    name, found = place.set_of(version), []
    for number in range(0, len(ports), PORTS_MOST):
        some = ",".join(map(str, ports[number : number + PORTS_MOST]))
        rule = "-p tcp -m multiport --{0} {1} -m set --match-set {2} {3} {4}{5} -j ACCEPT"
        found.append(rule.format("dports", some, name, "dst", "", COMMENT))
        if place.path == "forward":
            found.append(rule.format("sports", some, name, "src", "-m conntrack --ctstate ESTABLISHED ", COMMENT))
    return found


def ports_of(rules):
    """The ports that rules of our own chain name."""
    found = re.findall(r"--dports ([0-9,]+)", "\n".join(rules))
    return tuple(sorted({int(port) for some in found for port in some.split(",")}))


def whole(place, version, found, ports):
    """Whether what is ours in a Rules is exactly as we make it, and is jumped to from the place's chain."""
    return (
        place.own_chain in found.chains
        and found.of(place.own_chain) == expected(place, version, ports)
        and jump(place) in found.of(place.chain)
    )


def change(place, version, found, ports):
    """What iptables-restore is told so that our chain is there and on top of the place's; None for ports takes it out.

    Naming a chain empties it, and nothing else with --noflush. A jump that is right stays where it is, as an administrator may
    have put something before it since.
    """
    jumps = [name for name, text in found.rules if text == jump(place)]
    stays = ports is not None and jumps == [place.chain]
    lines = [] if stays else ["-D {0} {1}".format(name, jump(place)) for name in jumps]
    if ports is None:
        lines += ["{0} {1}".format(verb, place.own_chain) for verb in ("-F", "-X")] if place.own_chain in found.chains else []
    else:
        lines.insert(0, ":{0} - [0:0]".format(place.own_chain))
        lines += ["-A {0} {1}".format(place.own_chain, rule) for rule in expected(place, version, ports)]
        lines += [] if stays else ["-I {0} 1 {1}".format(place.chain, jump(place))]
    return "".join(line + "\n" for line in ["*filter", *lines, "COMMIT"]) if lines else ""


def with_place(text, place, version, ports):
    """A file for boot with our chain in it; None for ports takes it out. Every other line stays byte for byte in its place."""
    if ports is not None and whole(place, version, rules_of(text), ports):
        return text
    lines = [line for line in lines_of(text) if not _ours(line, place, ports is not None)]
    if ports is None:
        return "".join(lines)
    number = next((at for at, line in enumerate(lines) if line.strip() == "*filter"), None)
    if number is None:
        return text
    chains, first, end = number + 1, 0, len(lines)
    for at in range(number + 1, len(lines)):
        match = RULE.match(lines[at])
        if lines[at].startswith(":"):
            chains = at + 1
        elif match and match.group(1) == place.chain and not first:
            first = at
        elif lines[at].strip() == "COMMIT":
            end = at
            break
    rules = ["-A {0} {1}\n".format(place.own_chain, rule) for rule in expected(place, version, ports)]
    jumps = [] if jump(place) in rules_of("".join(lines)).of(place.chain) else ["-A {0} {1}\n".format(place.chain, jump(place))]
    lines[end:end] = rules
    at = max(first or end, chains)
    lines[at:at] = jumps
    lines.insert(chains, ":{0} - [0:0]\n".format(place.own_chain))
    return "".join(lines)


def without_sets(text, place):
    """A text in which our rules ask no set: what can be tried before our sets are there."""
    for version in place.versions:
        for way in ("dst", "src"):
            text = text.replace("-m set --match-set {0} {1} ".format(place.set_of(version), way), "")
    return text


def _ours(line, place, keep_jump):
    """Whether a file's line is one of those that we make; of the jumps the one at the right place may stay."""
    match = RULE.match(line)
    if match and match.group(2).rstrip() == jump(place):
        return not (keep_jump and match.group(1) == place.chain)
    return bool(match and match.group(1) == place.own_chain) or line.startswith(":{0} ".format(place.own_chain))


__all__ = (
    "BUILT_IN",
    "MARK",
    "Rules",
    "change",
    "expected",
    "jump",
    "ports_of",
    "rules_of",
    "undeclared",
    "whole",
    "with_place",
    "without_sets",
)
