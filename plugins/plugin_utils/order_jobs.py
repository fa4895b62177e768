# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. Orders by scheduled jobs: device twins only, one merge patch for all of a job's devices.

Source: azure-docs iot-hub-devguide-jobs. A job knows no ETag, so whoever needs what was looked at before; a merge patch of the
order's own place leaves every other property as it is.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence

from .hub.errors import HubError, HubThrottled
from .hub.throttle import ThrottledHub
from .order_delivery import Result
from .order_form import SECTION
from .order_state import ERROR, clean
from .side_by_side import TELL_EVERY
from .twin_query import PAGE, quoted

CONDITION_MOST = 7000  # characters of ids in a query; the hub takes 8192 for all of it
POLL = 2.0  # seconds between two looks at a job
ENDS_WITHIN = 600.0  # seconds after its own time within which a hub ends a job
BUSY_MOST = 3600.0  # seconds to wait for somebody else's job
ENDED = ("completed", "failed", "cancelled")
SLACK = 3.0  # of the time that a job may take


def deliver(hub: ThrottledHub, name: str, needing: Sequence[Result], rate: float, say: Callable[[str], None]) -> list[Result]:
    """``needing`` have a patch. One job after another: a tier's rate is shared by all that run."""
    found: list[Result] = []
    prefix = f"rootwave-{name}-{time.time_ns()}"
    for number, (patch, chunk) in enumerate(chunks_of(needing)):
        found += _run(hub, f"{prefix}-{number}", name, patch, chunk, rate, say)
        say(f"{hub.host}: {len(found)} of {len(needing)} devices by job")
    return found


def chunks_of(needing: Sequence[Result]) -> Iterator[tuple[dict, list[Result]]]:
    """(patch, devices) so that the ids fit into a query and all need the same order; what one device must lose, none may keep."""
    groups: dict[str, list[Result]] = {}
    for one in needing:
        order = {key: value for key, value in (one.patch or {}).items() if value is not None}
        groups.setdefault(json.dumps(order, sort_keys=True), []).append(one)
    for text, members in groups.items():
        lost = {key: None for one in members for key, value in (one.patch or {}).items() if value is None}
        chunk: list[Result] = []
        length = 0
        for one in members:
            if chunk and length + len(quoted(one.device)) > CONDITION_MOST:
                yield {**lost, **json.loads(text)}, chunk
                chunk, length = [], 0
            chunk.append(one)
            length += len(quoted(one.device)) + 1
        yield {**lost, **json.loads(text)}, chunk


def _run(hub: ThrottledHub, job: str, name: str, patch: dict, chunk: list[Result], rate: float, say) -> list[Result]:
    longest = max(300, math.ceil(SLACK * len(chunk) / rate))
    document = {
        "type": "scheduleUpdateTwin",
        "updateTwin": {"etag": "*", "properties": {"desired": {SECTION: {name: patch or None}}}},
        "queryCondition": f"deviceId IN [{','.join(quoted(one.device) for one in chunk)}]",
        "maxExecutionTimeInSeconds": longest,
    }
    try:
        _create(hub, job, document, say)
        state = _until_ended(hub, job, longest + ENDS_WITHIN)
        if (state.get("deviceJobStatistics") or {}).get("succeededCount") == len(chunk):
            return [one._replace(patch=None) for one in chunk]
        rows = _rows(hub, job)
    except HubError as exc:
        return [Result(one.device, ERROR, f"{exc}; {exc.advice}") for one in chunk]
    return [_ended(one, rows.get(one.device), state) for one in chunk]


def _create(hub: ThrottledHub, job: str, document: dict, say: Callable[[str], None]) -> None:
    """Waits for jobs of others: S1 runs one at a time."""
    end, told = time.monotonic() + BUSY_MOST, -TELL_EVERY
    while True:
        try:
            hub.create_job(job, document)
            return
        except HubThrottled as exc:
            if exc.code != "ThrottlingMaxActiveJobCountExceeded" or time.monotonic() > end:
                raise
        if time.monotonic() - told >= TELL_EVERY:
            told = time.monotonic()
            say(f"{hub.host}: another job is running, {end - told:.0f} s to wait for it at the most")
        time.sleep(POLL)


def _until_ended(hub: ThrottledHub, job: str, most: float) -> dict:
    """The job as it ended; raises HubError for one that its hub does not end in its time."""
    end = time.monotonic() + most
    while (state := hub.get_job(job))["status"] not in ENDED:
        if time.monotonic() > end:
            raise HubError(f"job {job} is still {state['status']} after {most:.0f} s")
        time.sleep(POLL)
    return state


def _rows(hub: ThrottledHub, job: str) -> dict[str, dict]:
    text = f"SELECT * FROM devices.jobs WHERE devices.jobs.jobId = '{job}'"
    return {row["deviceId"]: row for page in hub.pages(text, PAGE) for row in page.items}


def _ended(one: Result, row: dict | None, state: dict) -> Result:
    if row and row["status"] == "completed":
        return one._replace(patch=None)
    error = (row or {}).get("error") or {}
    words = clean(" ".join(str(error.get(key, "")) for key in ("code", "description")))
    reason = words or clean(state.get("failureReason")) or "the job did not reach it"
    return Result(one.device, ERROR, f"{reason}; order again, those that have it are skipped")


__all__ = ("chunks_of", "deliver")
