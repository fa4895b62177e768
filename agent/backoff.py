# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""How long to wait before the next attempt: twice as long each time, within bounds, and no two devices alike.

A session that was lost at once counts as a failed attempt: two clients with one identity evict each other, and must not do it
as fast as they can.
"""

from __future__ import annotations

import os

from . import orders

PENDING_RETRY_MOST = 5.0  # seconds between attempts while a change waits for its session
RETRY_LEAST, RETRY_MOST = 30.0, 900.0  # seconds before an order that could not begin is tried again
STEADY = 60.0  # seconds; a session that held that long was a good one


def by_chance():
    """A number from 0 to 1; the module random takes memory that an idle agent does without."""
    return int.from_bytes(os.urandom(4), "big") / 0xFFFFFFFF


class Backoff:
    """``least`` and ``most`` are in seconds; ``chance()`` is a number from 0 to 1."""

    def __init__(self, least, most, chance=by_chance):
        self._least, self._most, self._chance = least, most, chance
        self._failures = 0

    def after(self, held=0.0):
        """Seconds to wait after a session that held for so long, or after an attempt that never became one."""
        if held >= STEADY:
            self._failures = 0
        self._failures += 1
        span = min(self._most, self._least * 2 ** min(self._failures - 1, 30))
        return span / 2 + span / 2 * self._chance()

    def reset(self):
        self._failures = 0


def until_next(records, attempts, now):
    """Seconds until a job may follow one that brought nothing to an end; ``now`` is the clock, epoch seconds.

    Never for as long as the clock says alone: it may be set meanwhile.
    """
    waiting = orders.pending(records)
    if waiting and now < waiting[1]["confirm_by"]:
        return PENDING_RETRY_MOST  # a commit that failed has little time left
    times = [record["wait_until"] - now for record in records.values() if record.get("wait_until")]
    return min(max(1.0, min(times) + 1.0), RETRY_MOST) if times else attempts.after()


__all__ = ("PENDING_RETRY_MOST", "RETRY_LEAST", "RETRY_MOST", "STEADY", "Backoff", "until_next")
