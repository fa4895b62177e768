# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. An order put on many twins: each read once, patched only where something is missing.

Whoever stops it and starts it again loses nothing: what a twin holds already is not written again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from .hub.errors import HubAuthError, HubError, HubNotFound
from .hub.throttle import ThrottledHub
from .order_form import SECTION
from .order_state import ERROR, MISSING, OK, STATES, Step
from .side_by_side import each
from .twin_change import change_by

MODULE = "rootwave"
LOST_MOST = 1.0  # seconds
SHOWN_MOST = 50  # devices that a result names
Decide = Callable[[dict], Step]


class Result(NamedTuple):
    device: str
    state: str
    reason: str = ""
    patch: dict | None = None


class Pace:
    """So many turns a second. Those that a busy machine lost in the last second are made up for; the hub has room for that.

    Calls themselves are spaced by the hub's own bucket, at three times this rate.
    """

    def __init__(self, rate: float, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._rate, self._clock, self._sleep = rate, clock, sleep
        self._next, self._lock = clock(), threading.Lock()

    def take(self) -> None:
        """Wait for one's turn."""
        with self._lock:
            now = self._clock()
            turn = max(self._next, now - LOST_MOST)
            self._next = turn + 1 / self._rate
        if turn > now:
            self._sleep(turn - now)


@dataclass(frozen=True)
class Delivery:
    """``module`` is None for device twins; ``decide`` says what a twin still needs of the order under ``name``."""

    hub: ThrottledHub
    name: str
    module: str | None
    decide: Decide
    dry_run: bool
    say: Callable[[str], None]

    def direct(self, devices: Iterable[str], total: int, rate: float) -> list[Result]:
        """By patches that the twin's ETag guards, ``rate`` a second. Raises HubError only for what would stop every device."""
        pace = Pace(rate, time.monotonic, time.sleep)

        def one(device: str) -> Result:
            return self._one(device, pace)

        return each(devices, one, rate, lambda found: self._tell(found, total, rate))

    def look(self, devices: Iterable[str], total: int) -> list[Result]:
        """What each twin needs, and nothing sent."""
        rate = self.hub.rates["read"]
        return each(devices, self._looked, rate, lambda found: self._tell(found, total, rate))

    def _one(self, device: str, pace: Pace) -> Result:
        step = sent = Step(ERROR)

        def wanted_of(twin: dict) -> dict:
            nonlocal step, sent
            step = self.decide(twin)
            if step.patch is None:
                return {}
            sent = step
            if not self.dry_run:
                pace.take()
            return {"desired": {SECTION: {self.name: step.patch or None}}}

        try:
            outcome = change_by(self.hub, device, self.module, wanted_of, None, self.dry_run)
        except HubError as exc:
            return self._failed(device, exc)
        if outcome.changed and sent.patch is not None and step.state in OK:
            step = sent  # the hub had taken it although its answer was lost, so the next look found nothing missing
        return Result(device, step.state, step.reason, step.patch)

    def _looked(self, device: str) -> Result:
        try:
            step = self.decide(self.hub.get_twin(device, self.module))
        except HubError as exc:
            return self._failed(device, exc)
        return Result(device, step.state, step.reason, step.patch)

    def _failed(self, device: str, error: HubError) -> Result:
        if isinstance(error, HubAuthError):  # it is about us, not about this device
            raise error
        if isinstance(error, HubNotFound):
            who = f"{device}/{self.module}" if self.module else device
            return Result(device, MISSING, f"the hub does not know {who}")
        return Result(device, ERROR, f"{error}; {error.advice}")

    def _tell(self, found: list[Result], total: int, rate: float) -> None:
        left = (total - len(found)) / rate
        self.say(f"{self.hub.host}: {len(found)} of {total} devices, {left:.0f} s left at the least; {in_words(count(found))}")


def count(results: Iterable[Result]) -> dict[str, int]:
    """Every state, so that a reader sees the zeros too."""
    states = [result.state for result in results]
    return {state.replace(" ", "_"): states.count(state) for state in STATES}


def in_words(counts: dict[str, int]) -> str:
    return ", ".join(f"{number} {state.replace('_', ' ')}" for state, number in counts.items() if number) or "nothing yet"


def not_ok(results: Iterable[Result]) -> list[dict]:
    """The first of those that are not as they should be, by name; the counts tell of all."""
    bad = sorted(result for result in results if result.state not in OK)
    return [{"device_id": one.device, "state": one.state, "reason": one.reason} for one in bad[:SHOWN_MOST]]


__all__ = ("MODULE", "Delivery", "Pace", "Result", "count", "in_words", "not_ok")
