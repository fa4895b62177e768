# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. One piece of work for each of many devices, as many at a time as a hub's quota lets through."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
ROUND_TRIPS = 0.25  # seconds that one device's calls may take on a slow line
WORKERS_MOST = 10  # the connections to one host that requests keeps open; beyond them every call would make a new one
TELL_EVERY = 30.0  # seconds


def each(
    items: Iterable[Item], work: Callable[[Item], Result], rate: float, tell: Callable[[list[Result]], None]
) -> list[Result]:
    """What ``work`` made of each item, in no order. ``tell`` sees what there is every 30 seconds. An exception ends it all.

    Workers take items from one place as they get free: a million of them needs no queue.
    """
    source, lock, over = iter(items), threading.Lock(), threading.Event()
    found: list[Result] = []
    end: Any = object()

    def run() -> None:
        while not over.is_set():
            with lock:
                item = next(source, end)
            if item is end:
                return
            try:
                found.append(work(item))
            except BaseException:
                over.set()
                raise

    workers = min(WORKERS_MOST, max(2, math.ceil(rate * ROUND_TRIPS)))
    with ThreadPoolExecutor(workers) as pool:
        try:
            _follow({pool.submit(run) for _worker in range(workers)}, lambda: tell(list(found)))
        finally:
            over.set()  # whoever interrupts must not wait until the last item is done
    return found


def _follow(running: set[Future], tell: Callable[[], None]) -> None:
    """Until all have ended; raises what one of them raised."""
    told = time.monotonic()
    while running:
        ended, running = wait(running, max(0.0, told + TELL_EVERY - time.monotonic()), FIRST_EXCEPTION)
        for one in ended:
            one.result()
        if running and time.monotonic() - told >= TELL_EVERY:
            told = time.monotonic()
            tell()


__all__ = ("TELL_EVERY", "each")
