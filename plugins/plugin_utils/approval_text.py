# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. Pure: what somebody reads who is to approve a wave, from its evidence and its gateways' reports."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Sequence

from .evidence import ACCEPTED, REFUSED, Evidence

LENGTH_MOST = 2000  # characters; AWX shows the description in a box
REASONS_MOST, KINDS_MOST = 5, 6
REASON_MOST = 80  # characters, of what a device says
CUT = " ..."


def description(name: str, evidence: dict, results: dict, max_age: int, seen: Sequence[Evidence] = ()) -> str:
    """Lines of plain text; ``results`` are {host: report}, ``max_age`` in seconds.

    ``seen`` tells why devices refused, of which nobody has a report: their twins hold no more than a reason.
    """
    numbers = ", ".join(f"{number} {word}" for word, number in evidence["numbers"].items() if number)
    about = f"campaign {name}, phase {evidence['phase']}, wave {evidence['wave']}"
    lines = [f"{evidence['verdict'].upper()}: {about}: {numbers or 'nobody'}"]
    lines += [f"Reason: {reason}" for reason in evidence["reasons"][:REASONS_MOST]]
    lines += _counted("Refused for", _blockers(results) + _told(seen, results)) + _counted("Changed", _changes(results))
    until = _time(evidence["at"] + max_age)
    lines.append(f"Next: {evidence['next']}. Seen {_time(evidence['at'])}, good until {until}.")
    lines.append(f"Evidence {evidence['hash']}")
    return _cut(lines)


def _blockers(results: dict) -> Counter:
    return Counter(one["id"] for report in _reports(results) for one in report.get("blockers") or ())


def _told(seen: Sequence[Evidence], results: dict) -> Counter:
    words = (one.reason for one in seen if one.word in (ACCEPTED, REFUSED) and not results.get(one.host))
    return Counter(text if len(text) <= REASON_MOST else text[:REASON_MOST] + CUT for text in words)


def _changes(results: dict) -> Counter:
    """{"add DigiCert Global Root G2": gateways, "admit 12 prefixes at output: ...": gateways}"""
    found: Counter = Counter()
    for report in _reports(results):
        for change in report.get("plan") or ():
            if "anchor" in change:
                found[f"{change['action']} {change['anchor']}"] += 1
            elif "place" in change:
                found[f"{change['action']} {len(change.get('prefixes') or ())} prefixes at {change['place']}"] += 1
    return found


def _reports(results: dict) -> list[dict]:
    return [report for report in results.values() if isinstance(report, dict)]


def _counted(word: str, found: Counter) -> list[str]:
    told = [f"{what} ({number} gateways)" for what, number in found.most_common(KINDS_MOST)]
    more = f" and {len(found) - KINDS_MOST} more kinds" if len(found) > KINDS_MOST else ""
    return [f"{word}: {', '.join(told)}{more}"] if told else []


def _time(at: float) -> str:
    return datetime.datetime.fromtimestamp(at, datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")


def _cut(lines: list[str]) -> str:
    """The last two lines whole, whatever the others need: what comes next, and the hash."""
    end = "\n".join(lines[-2:])
    start = "\n".join(lines[:-2])
    room = LENGTH_MOST - len(end) - 1
    return (start if len(start) <= room else start[: room - len(CUT)] + CUT) + "\n" + end


__all__ = ("description",)
