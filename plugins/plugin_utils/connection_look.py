# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. One look at who is connected: the log, then the twins, then the metric.

The log is asked before the twins are read, so that a fresh Connected is newer than the log's last word.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from . import connection_evidence as evidence
from . import connection_query, connection_states
from .connection_events import Event
from .connection_metric import Point
from .hub.errors import HubError
from .hub.monitor import TURN_ON, Monitor
from .hub.names import HubNames
from .hub.throttle import ThrottledHub

# What a look needs to know beside the hub and the devices; documented in hub_connections and wave_gate
OPTIONS: dict = {
    "fresh_reads_most": {"type": "int", "default": 200},
    "workspace_id": {"type": "str"},
    "resource_id": {"type": "str"},
    "hours": {"type": "int", "default": 24},
    "grace": {"type": "int", "default": 600},
    "baseline": {"type": "float"},
    "max_drop_percent": {"type": "float", "default": 5.0},
}


class Looked(NamedTuple):
    """``events`` and ``points`` are None where there are none to be had; ``missing`` says why."""

    states: Sequence[evidence.State]
    events: Sequence[Event] | None
    points: Sequence[Point] | None
    missing: Sequence[evidence.Missing]
    question: evidence.Question


def look(hub: ThrottledHub, options: dict, ids: Sequence[str] | None, where: str | None, say: Callable[[str], None]) -> Looked:
    """``options`` as OPTIONS has them, ``since`` and ``timeout`` too; ``ids`` as choose takes them. Raises HubError."""
    names, most = HubNames.of(hub.host), options["fresh_reads_most"]
    _check(names, options, ids)
    monitor, missing = Monitor(names, options["timeout"]), list[evidence.Missing]()
    chosen = connection_states.choose(hub, ids, where, say)
    events = _events(monitor, options, [state.device for state in chosen], missing)
    states = connection_states.read(hub, chosen, most, say)
    states = connection_states.read_again(hub, states, evidence.suspects(states, events)[:most])
    now = time.time()
    points = _points(monitor, options, now, missing)
    bounds = (options["grace"], options["max_drop_percent"], options["baseline"], options.get("since"))
    return Looked(states, events, points, missing, evidence.Question(now, options["hours"], *bounds))


def _check(names: HubNames, options: dict, ids: Sequence[str] | None) -> None:
    connection_query.check(names, options["workspace_id"], options["resource_id"], ids or ())
    if options["hours"] < 1 or options["fresh_reads_most"] < 0:
        raise HubError("hours is at least 1, fresh_reads_most at least 0", code="BadOptions")
    if not all(math.isfinite(options.get(name) or 0) for name in ("baseline", "max_drop_percent", "since")):
        raise HubError("baseline, max_drop_percent and since are finite numbers", code="BadOptions")


def _events(monitor: Monitor, options: dict, devices: Sequence[str], missing: list) -> list[Event] | None:
    """None where there is no log to be had; a log without a row is one only if the hub is known to write it."""
    workspace, resource = options["workspace_id"], options["resource_id"]
    if not workspace:
        missing.append(evidence.Missing(evidence.LOG, "no workspace_id is set", f"{TURN_ON}, and set workspace_id"))
        return None
    try:
        rows = monitor.connections(workspace, resource, devices, options["hours"])
        if not rows and not (resource and monitor.logs_are_on(resource)):
            missing.append(
                evidence.Missing(evidence.LOG, f"it has no event in {options['hours']} hours", f"{TURN_ON}; or raise hours")
            )
            return None
    except HubError as exc:
        missing.append(evidence.Missing(evidence.LOG, str(exc), exc.advice))
        return None
    return [event for event in map(Event.of, rows) if event]


def _points(monitor: Monitor, options: dict, now: float, missing: list) -> list[Point] | None:
    if not options["resource_id"]:
        missing.append(evidence.Missing(evidence.METRIC, "no resource_id is set", "set resource_id to the hub's ARM id"))
        return None
    try:
        return monitor.connected_devices(options["resource_id"], now - options["hours"] * 3600, now)
    except HubError as exc:
        missing.append(evidence.Missing(evidence.METRIC, str(exc), exc.advice))
        return None


__all__ = ("OPTIONS", "Looked", "look")
