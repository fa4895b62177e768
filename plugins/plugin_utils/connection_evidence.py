# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. Pure: connection states, the log and the metric -> a verdict. What is missing never passes.

A device that rejects the hub's certificate leaves no error in the log: it drops, and no deviceConnect follows. So it is the
absence that is looked for, and an attempt that the hub did write down says that TLS is not the trouble.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from . import connection_metric
from . import connection_reasons as reasons
from .connection_events import Event, History, histories, sort_pairs
from .connection_log import BLOCKER, coded, log_result, named, stamp
from .connection_metric import Point

PASS, FAIL, INCONCLUSIVE = "pass", "fail", "inconclusive"
CONNECTED, ABSENT = "Connected", "absent"
LOG, METRIC, BASELINE = "connections log", "metric connectedDeviceCount", "baseline"
REMEDIES = {
    METRIC: "raise hours; see Connected Devices in the portal, and that resource_id is this hub's",
    BASELINE: "give baseline: what metric.latest was before the change, so run this before the change too",
}


@dataclass(frozen=True)
class State:
    """What the hub says of one identity. ``fresh`` is False for what came from the query index."""

    device: str
    module: str | None
    connection: str
    status: str | None = None
    last_activity: str | None = None
    fresh: bool = True

    @property
    def who(self) -> str:
        return f"{self.device}/{self.module}" if self.module else self.device

    @property
    def up(self) -> bool:
        return self.connection == CONNECTED

    @property
    def judged(self) -> bool:
        """One that its operator disabled says nothing about a root."""
        return self.connection != ABSENT and self.status != "disabled"


@dataclass(frozen=True)
class Missing:
    """Evidence that there is not, why, and how to get it."""

    evidence: str
    reason: str
    remedy: str


@dataclass(frozen=True)
class Question:
    """``grace`` is how many seconds a device may be away before it counts as gone; ``now`` is in epoch seconds."""

    now: float
    hours: int
    grace: float
    max_drop_percent: float
    baseline: float | None = None
    since: float | None = None  # the change, epoch seconds: who has not connected since has proved nothing about it


@dataclass
class Sides:
    """Identities against which something speaks: away for good, away since a moment, never in the log, log and hub disagree,
    connected since before the change."""

    gone: list[History] = field(default_factory=list)
    recent: list[str] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)
    unsure: list[str] = field(default_factory=list)
    unproved: list[str] = field(default_factory=list)


def weigh(
    states: Sequence[State],
    events: Iterable[Event] | None,
    points: Sequence[Point] | None,
    missing: Sequence[Missing],
    question: Question,
) -> dict:
    """``events`` and ``points`` are None where there are none to be had; ``missing`` says why."""
    known = {state.who for state in states}
    mine = [event for event in events or () if event.who in known]
    found = histories(mine)
    pairs = sort_pairs(found, len(states))
    sides = divide(states, None if events is None else found, question)
    lacks, reading = list(missing), None
    if points is not None:
        reading = connection_metric.read(points, question.baseline, pairs.moment, question.max_drop_percent, question.now)
        if reading.missing:
            what = BASELINE if reading.unknown else METRIC
            lacks.append(Missing(what, reading.missing, REMEDIES[what]))
    logs = None if events is None else log_result(mine, found, pairs, [_gone(one, question.now) for one in sides.gone])
    against, open_, notes = _reasons(states, sides, logs, reading, lacks, question)
    return {
        "devices": [shown(state, found.get(state.who)) for state in states],
        "counts": count(states),
        "logs": logs,
        "metric": reading.shown() if reading else None,
        "missing_evidence": [vars(one) for one in lacks],
        "verdict": FAIL if against else INCONCLUSIVE if open_ else PASS,
        "reasons": against + open_ + notes,
    }


def _reasons(states, sides, logs, reading, lacks, question) -> tuple[list[str], list[str], list[str]]:
    """What speaks against, what is open, and what else is worth knowing."""
    java = logs["java_v1"] if logs else []
    against = reasons.gone(logs["gone"] if logs else [])
    against += reasons.old_java([row for row in java if row["severity"] == BLOCKER])
    against += reasons.fall(reading, question.max_drop_percent) if reading else []
    open_ = [f"no {lack.evidence}: {lack.reason}; {lack.remedy}" for lack in lacks]
    open_ += reasons.recent(sides.recent, question.grace) + reasons.silent(sides.silent, question.hours)
    open_ += reasons.unproved(sides.unproved, question.hours)
    open_ += reasons.unsure(sides.unsure) + reasons.absent([one.who for one in states if one.connection == ABSENT])
    if not any(one.judged for one in states):
        open_.append("nobody to judge: none of these is an enabled identity of this hub")
    disabled = [one.who for one in states if one.connection != ABSENT and not one.judged]
    later = [row for row in java if row["severity"] != BLOCKER]
    return against, open_, reasons.disabled(disabled) + reasons.later_java(later)


def divide(states: Iterable[State], found: dict[str, History] | None, question: Question) -> Sides:
    """``found`` is None where there is no log: then the state alone decides nothing."""
    sides = Sides()
    for state in states:
        one = (found or {}).get(state.who)
        if not state.judged:
            continue
        if state.up and (state.fresh or one is None or not one.away):
            # a fresh twin that says Connected is newer than a log whose last word is a drop
            if question.since is not None and (one is None or one.started is None or one.started < question.since):
                sides.unproved.append(state.who)
        elif found is None:
            sides.unsure.append(state.who)
        elif one is None:
            sides.silent.append(state.who)
        elif not one.away:
            sides.unsure.append(state.who)
        elif one.left is not None and question.now - one.left.at < question.grace:
            sides.recent.append(state.who)
        else:
            sides.gone.append(one)
    return sides


def suspects(states: Iterable[State], events: Iterable[Event] | None) -> list[State]:
    """Those of whom only a fresh read can tell: the index says away, or the log does."""
    away = {who for who, one in histories(events or ()).items() if one.away}
    return [one for one in states if not one.fresh and (not one.up or one.who in away)]


def shown(state: State, one: History | None) -> dict:
    started = one.started if one and state.up else None
    return {
        "device_id": state.device,
        "module_id": state.module,
        "connection_state": state.connection,
        "status": state.status,
        "connected_since": None if started is None else stamp(started),
        "last_activity_time": state.last_activity,
        "fresh": state.fresh,
    }


def count(states: Sequence[State]) -> dict[str, int]:
    """Each identity is in exactly one of the numbers below total."""
    absent = sum(one.connection == ABSENT for one in states)
    disabled = sum(one.status == "disabled" and one.connection != ABSENT for one in states)
    connected = sum(one.judged and one.up for one in states)
    rest = len(states) - absent - disabled - connected
    return {"total": len(states), "connected": connected, "disconnected": rest, "disabled": disabled, "absent": absent}


def _gone(one: History, now: float) -> dict:
    last = one.refusals[-1] if one.refusals else one.left
    return {
        **named(one.who),
        "disconnected_at": None if one.left is None else stamp(one.left.at),
        "seconds": None if one.left is None else round(now - one.left.at),
        "attempts": len(one.refusals),
        **coded(last.code if last else None),
    }


__all__ = ("ABSENT", "FAIL", "INCONCLUSIVE", "LOG", "METRIC", "PASS", "Missing", "Question", "State", "suspects", "weigh")
