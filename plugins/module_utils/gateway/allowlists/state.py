# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""What every backend says of a place: which addresses it lets through now, and which of them are ours.

The state that a tool reads has ``found``, ``elements`` ({IP version: Elements}), ``own()``, ``others()``, ``ports``, ``whole``,
``value(place)``: {"prefixes", "ports"}, with "damaged" where what is ours is not as we made it, None where it is not there.
It may have ``counter``, a text that is another one once what counts was made anew, where the tool knows such a thing.
Where rules stand one by one (``Place.rules``) it has ``versions`` and ``admitted(ports)`` too, what rules of others let through
at all these ports and at one of them at least; ``others()`` is empty there, for ours may meet them.
"""

from __future__ import annotations

from typing import NamedTuple

from . import prefixes

RECORD = "allowlist.json"  # what traffic.py keeps, in the state directory


class Element(NamedTuple):
    """Addresses that a place lets through; ``packets`` is None where nothing counts."""

    interval: prefixes.Interval
    ours: bool
    packets: int | None = None


def own(elements):
    """Our prefixes among {IP version: Elements}, as text."""
    ours = [one.interval for listed in elements.values() for one in listed if one.ours]
    return [text for interval in sorted(ours) for text in prefixes.prefixes_of(interval)]


def others(elements):
    """The Intervals of somebody else's."""
    return [one.interval for listed in elements.values() for one in listed if not one.ours]


def counted(elements, interval):
    """The packets that an Interval's elements have seen here; None where one of them does not count, or counts others' too."""
    met = [one for listed in elements.values() for one in listed if prefixes.overlap(one.interval, interval)]
    inside = all(interval.first <= one.interval.first and one.interval.last <= interval.last for one in met)
    return sum(one.packets for one in met) if inside and all(one.packets is not None for one in met) else None


__all__ = ("Element", "counted", "others", "own")
