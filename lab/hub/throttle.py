# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A hub's quotas: token buckets by tier and units, a short shaping queue, then 429.

Rates: azure-docs iot-hub-devguide-quotas-throttling. How deep the real queue is and how much may come at once is not published;
this hub allows ten seconds' worth at once for what is counted by the minute, one second's worth else, and queues for two seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from .errors import HubError

QUEUE = 2.0  # seconds


def rates(sku: str, units: int) -> dict[str, float]:
    """Operations per second by kind; ``sku`` as ARM names it: F1, S1, S2, S3."""
    tier = {"F1": "S1"}.get(sku, sku)
    if tier == "S3":
        return {
            "twin-read": 500 * units,
            "twin-write": 250 * units,
            "query": 1000 / 60 * units,
            "job": 5000 / 60 * units,
            "job-device": 50 * units,
            "method": 6144 * units,  # 24 MB/s in meters of 4 KB
            "configuration": 20 / 60 * units,
            "registry": 5000 / 60 * units,
            "connect": 6000 * units,
        }
    more = tier == "S2"
    return {
        "twin-read": max(100, 10 * units) if more else 100,
        "twin-write": max(50, 5 * units) if more else 50,
        "query": 20 / 60 * units,
        "job": 100 / 60 * units,
        "job-device": max(10, units) if more else 10,
        "method": (120 if more else 40) * units,
        "configuration": 20 / 60 * units,
        "registry": 100 / 60 * units,
        "connect": 120 * units if more else max(100, 12 * units),
    }


BY_MINUTE = ("query", "job", "configuration", "registry")


class Throttle:
    """``take`` answers how long a call is to be held back, or raises the real hub's 429."""

    def __init__(self, sku: str, units: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.rates, self._clock = rates(sku, units), clock
        self._most = {kind: max(1.0, rate * (10 if kind in BY_MINUTE else 1)) for kind, rate in self.rates.items()}
        self._tokens, self._filled = dict(self._most), dict.fromkeys(self.rates, clock())
        self.refused = 0  # calls, since the start

    def take(self, kind: str, count: float = 1) -> float:
        """Seconds to wait before the call is served."""
        now, rate = self._clock(), self.rates[kind]
        filled = min(self._most[kind], self._tokens[kind] + (now - self._filled[kind]) * rate)
        self._tokens[kind], self._filled[kind] = filled, now
        if filled - count < -max(rate * QUEUE, 1.0 if kind in BY_MINUTE else 0.0):
            self.refused += 1
            message = f"The request has been throttled. Wait 10 seconds and try again. Operation type: {kind}"
            raise HubError(429, "ThrottlingException", message)
        self._tokens[kind] = filled - count
        return max(0.0, -self._tokens[kind] / rate)
