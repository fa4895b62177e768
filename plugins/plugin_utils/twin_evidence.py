# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. Pure: what a device reported of its order -> what evidence_of takes from an SSH gateway.

A device is silent until it says how its order ended, whatever it says on the way. Its text is data: one line, cut to length.
"""

from __future__ import annotations

from .evidence import Asked, Evidence, evidence_of
from .order_state import FAILED, MISSING, PROVED, REFUSED, REVERTED, clean
from .twin_reports import Seen, plausible

FINAL = (PROVED, REFUSED, FAILED, REVERTED, MISSING)


class Clock:
    """The control node's ``now``, and when it first saw what nothing else dates.

    ``floor`` is before what no device can have committed this order: it was signed then, or sent then.
    """

    def __init__(self, now: float, floor: float, first_seen: dict[str, float] | None = None) -> None:
        self.now, self.floor = now, floor
        self._first_seen = {} if first_seen is None else first_seen

    def held(self, device: str, seen: Seen) -> float:
        """Seconds since the device committed: by its own clock where it can be believed, else since the hub or we heard of it."""
        if plausible(seen.report, seen.hub_at, self.now):
            since = seen.report.committed_at or 0.0
        else:
            since = seen.hub_at or self._first_seen.setdefault(device, self.now)
        return max(0.0, self.now - max(since, self.floor))


def evidence_by_host(devices: dict[str, str], seen: dict[str, Seen], asked: Asked, clock: Clock) -> list[Evidence]:
    """One for each host of the wave, whose device ``devices`` names; one that was not read is silent."""
    return [evidence_of(host, result_of(device, seen.get(device), asked, clock), asked) for host, device in devices.items()]


def result_of(device: str, seen: Seen | None, asked: Asked, clock: Clock) -> dict:
    """As rootwave.iot.gateway would have returned it."""
    if seen is None:
        return {"silent": True, "msg": "its twin was not read"}
    state, words = seen.step.state, clean(seen.step.reason)
    about = {"campaign": {"digest": asked.digest}, "phase": asked.phase, "undo": asked.undo}
    if state == PROVED:
        held, since = clock.held(device, seen), seen.report.committed_at
        return {**about, "outcome": "done", "seconds_since_commit": held, "committed_at": since}
    if state == REFUSED:
        # no blocker is read out of a device's text: what a campaign accepts, its signed phase accepts on the device already
        return {**about, "failed": True, "outcome": "refused", "blockers": [], "msg": words}
    if state in (FAILED, REVERTED):
        return {**about, "failed": True, "outcome": state, "msg": f"{state}: {words}"}
    if state == MISSING:
        return {"unreachable": True, "msg": words}
    return {"silent": True, "msg": words}


__all__ = ("FINAL", "Clock", "evidence_by_host", "result_of")
