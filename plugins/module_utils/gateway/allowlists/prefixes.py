# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""Pure: arithmetic of address prefixes. Nothing is ever asked of the network; socket only knows how addresses are written.

A stretch of addresses is an Interval, whole numbers at both ends, because the elements of a set may be ranges that are no prefix.
"""

from __future__ import annotations

import bisect
import socket
from typing import NamedTuple

from ..errors import BadInput

BITS = {4: 32, 6: 128}
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
WIDEST = {4: 8, 6: 16}  # bits of a prefix


class Interval(NamedTuple):
    """The addresses from ``first`` to ``last``, both included, of IP version 4 or 6."""

    version: int
    first: int
    last: int


def parse(text, where="prefix"):
    """A prefix or a single address as Interval; raises BadInput, also where bits right of the length are set."""
    address, slash, length = text.partition("/") if isinstance(text, str) else ("", "", "")
    version = 6 if ":" in address else 4
    bits = BITS[version]
    try:
        first = int.from_bytes(socket.inet_pton(FAMILIES[version], address), "big")
        size = int(length) if slash else bits
    except (OSError, ValueError):
        size = -1
    if not 0 <= size <= bits or (slash and not length.isdigit()):
        raise BadInput("{0}: {1!r} is not an address prefix like 203.0.113.0/24".format(where, text))
    hosts = (1 << (bits - size)) - 1
    if first & hosts:
        raise BadInput("{0}: {1!r} has bits set right of its length".format(where, text))
    return Interval(version, first, first | hosts)


# What is never a hub's address, and what is one only behind a private endpoint (RFC 6890)
_NEVER = tuple(map(parse, ("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3", "::/128", "::1/128", "ff00::/8")))
_PRIVATE = tuple(
    map(
        parse,
        ("10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fe80::/10"),
    )
)


def admissible(text, private, where="prefix"):
    """The Interval of a prefix of an allowlist; raises BadInput for wide ones, multicast, loopback and private ones not meant."""
    interval = parse(text, where)
    if interval.last - interval.first + 1 == 1 << BITS[interval.version]:
        raise BadInput("{0}: {1} admits everything, which is no allowlist".format(where, text))
    if any(overlap(interval, never) for never in _NEVER):
        raise BadInput("{0}: {1} holds addresses that no hub has (loopback, multicast, reserved)".format(where, text))
    if not private and any(overlap(interval, one) for one in _PRIVATE):
        raise BadInput("{0}: {1} is private; set allowlist.private to true when private endpoints are meant".format(where, text))
    if interval.last - interval.first >= 1 << (BITS[interval.version] - WIDEST[interval.version]):
        message = "{0}: {1} is wider than /{2} and admits a large part of the Internet, which is no allowlist"
        raise BadInput(message.format(where, text, WIDEST[interval.version]))
    return interval


def overlap(one, other):
    return one.version == other.version and one.first <= other.last and other.first <= one.last


def overlapping(interval, others):
    return [other for other in others if overlap(interval, other)]


def union(intervals):
    """The same addresses as disjoint Intervals in order, none beside another."""
    merged: list[Interval] = []
    for one in sorted(intervals):
        last = merged[-1] if merged else None
        if last and last.version == one.version and one.first <= last.last + 1:
            merged[-1] = last._replace(last=max(last.last, one.last))
        else:
            merged.append(one)
    return merged


def subtract(intervals, others):
    """What of ``intervals`` none of ``others`` holds: Intervals in order. Each keeps its own borders, nothing is collapsed."""
    left, cover = [], Cover(others)
    for one in sorted(intervals):
        first = one.first
        for other in cover.meeting(one):
            if first < other.first:
                left.append(Interval(one.version, first, other.first - 1))
            first = other.last + 1
        if first <= one.last:
            left.append(Interval(one.version, first, one.last))
    return left


class Cover:
    """Many Intervals, asked often."""

    def __init__(self, intervals):
        self._merged = union(intervals)

    def meeting(self, interval):
        """The stretches that share an address with an Interval, in order."""
        # behind every stretch that begins at or before its first address, for that is the greatest tuple with this beginning
        start = bisect.bisect_right(self._merged, (interval.version, interval.first, 1 << 129)) - 1
        found = []
        for one in range(max(start, 0), len(self._merged)):
            if overlap(self._merged[one], interval):
                found.append(self._merged[one])
            elif self._merged[one] > interval:
                break
        return found

    def holds(self, interval):
        return any(one.first <= interval.first and interval.last <= one.last for one in self.meeting(interval))


def distinct(intervals):
    """Without those that another one holds; prefixes hold each other or do not meet at all."""
    kept: list[Interval] = []
    for one in sorted(intervals, key=lambda one: (one.version, one.first, -one.last)):
        if not kept or kept[-1].version != one.version or kept[-1].last < one.last:
            kept.append(one)
    return kept


def prefixes_of(interval):
    """The fewest prefixes that make up an Interval, as text."""
    version, first, last = interval
    bits, found = BITS[version], []
    while first <= last:
        host = min((first & -first).bit_length() - 1 if first else bits, (last - first + 1).bit_length() - 1)
        found.append("{0}/{1}".format(_text(version, first), bits - host))
        first += 1 << host
    return found


def texts(intervals):
    """The prefixes of Intervals, in their order."""
    return [text for one in sorted(intervals) for text in prefixes_of(one)]


def within(cover, address):
    """Whether a Cover holds an address, a text."""
    return cover.holds(parse(address))


def _text(version, number):
    return socket.inet_ntop(FAMILIES[version], number.to_bytes(BITS[version] // 8, "big"))


__all__ = (
    "Cover",
    "Interval",
    "admissible",
    "distinct",
    "overlap",
    "overlapping",
    "parse",
    "prefixes_of",
    "subtract",
    "texts",
    "union",
    "within",
)
