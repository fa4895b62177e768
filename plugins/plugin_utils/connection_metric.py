# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. Pure: the metric Connected Devices against what it was before the change."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import NamedTuple

OLD = 1800.0  # seconds: a newest value older than this says nothing about now
EARLIER_LEAST = 15  # minutes with a value before the cutover that may stand for the time before it
LATEST = 5  # the last minutes with a value, so that one odd sample decides nothing


class Point(NamedTuple):
    """One interval of the metric; ``at`` is its beginning."""

    at: float
    average: float
    minimum: float


class Reading(NamedTuple):
    """``missing`` is why there is no verdict, or empty; ``unknown`` says that it is the baseline that is missing."""

    baseline: float | None
    latest: float | None
    lowest: float | None
    drop_percent: float | None
    missing: str = ""
    unknown: bool = False

    def shown(self) -> dict:
        return {name: getattr(self, name) for name in ("baseline", "latest", "lowest", "drop_percent")}


def read(points: Sequence[Point], baseline: float | None, moment: float | None, most: float, now: float) -> Reading:
    """``moment`` is when connections fell together by the log, or None; ``most`` is the fall in percent that is let pass."""
    if not points:
        return Reading(baseline, None, None, None, "it has no value in this time")
    latest = statistics.median(point.average for point in points[-LATEST:])
    lowest = min(point.minimum for point in points)
    if now - points[-1].at > OLD:
        minutes = (now - points[-1].at) / 60
        return Reading(baseline, latest, lowest, None, f"its newest value is {minutes:.0f} minutes old")
    why = ""
    if baseline is None:
        baseline, why = _earlier(points, moment, most)
    if baseline is None:
        return Reading(None, latest, lowest, None, why, True)
    if baseline <= 0:
        return Reading(baseline, latest, lowest, None, "it is no number above zero", True)
    return Reading(baseline, latest, lowest, round(max(0.0, (baseline - latest) / baseline * 100), 2))


def _earlier(points: Sequence[Point], moment: float | None, most: float) -> tuple[float | None, str]:
    """(what it was before the moment, or None and why). Without a moment nobody knows which part is before the change."""
    if moment is None:
        return None, "no baseline was given, and the log shows no moment at which connections fell together"
    before = [point.average for point in points if point.at + 60 <= moment]
    if len(before) < EARLIER_LEAST:
        return None, f"no baseline was given, and the metric has {len(before)} values before the connections fell"
    middle = statistics.median(before)
    spread = statistics.quantiles(before, n=20)
    if middle <= 0 or (spread[-1] - spread[0]) / middle * 100 > most:
        return None, "no baseline was given, and the metric was not steady before the connections fell"
    return middle, ""


__all__ = ("Point", "Reading", "read")
