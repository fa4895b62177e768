# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""What one phase would do on one gateway: the plan, and the edits and refresh steps that carry it out."""

from __future__ import annotations

import os
from typing import NamedTuple

from . import interlock, journal
from .errors import BadInput
from .model import Blocker, Change, Plan
from .plan import future_of, make_plan

SPARE = 1024 * 1024  # bytes beyond four times the bundle: journal, report, the tool's scratch files


class Work(NamedTuple):
    """``future`` is the bundle's fingerprints afterwards; ``undoes`` the change that phase revert takes back.

    Of an allowlist: ``switches``, the Intervals that they open, and the configuration that ``loads`` them at boot.
    """

    plan: Plan
    edits: tuple
    refreshes: tuple
    future: frozenset
    blockers: tuple
    undoes: str = ""
    switches: tuple = ()
    opens: tuple = ()
    loads: tuple = ()  # [backend, path]


def work_for(host, desired, observed, firewall=None):
    """The Work of a phase; what stands against it is in its blockers. ``firewall`` is the allowlist's part, if there is one."""
    work = _revert(host, desired, observed) if desired.phase == "revert" else _forward(host, desired, observed)
    if firewall is not None and desired.phase != "revert":
        work = firewall.join(work)
    if work.plan:
        blockers = work.blockers + tuple(interlock.stale_store(observed) if work.refreshes else ()) + tuple(_disk_space(host))
        work = work._replace(blockers=blockers)
    return work


def _forward(host, desired, observed):
    plan = make_plan(desired.phase, desired.present, desired.absent, host.store, observed)
    future = future_of(plan, observed)
    if not plan:
        return Work(plan, (), (), future, ())
    edits, blockers = [], []
    for change in plan.changes:
        try:
            edits += host.store.edits_of(change, observed)
        except BadInput as exc:
            blockers.append(Blocker("mixed-file", str(exc)))
    return Work(plan, tuple(edits), (host.store.refresh_of(plan.changes, observed, future),), future, tuple(blockers))


def _revert(host, desired, observed):
    """The last committed change of one phase of this campaign; taken back once, however often it is asked for."""
    ended = [change for change in journal.history(host.state_dir) if change.state == "committed"]
    mine = [change for change in ended if change.document["campaign"] == desired.campaign]
    undone = {change.document.get("undoes") for change in mine}
    left = [change for change in mine if change.document["phase"] != "revert" and change.id not in undone]
    wanted = [change for change in left if change.document["phase"] == desired.undo]
    if not wanted or _taken_back_last(mine, desired.undo):
        return Work(Plan(), (), (), frozenset(observed.bundle), ())
    last, known = wanted[-1], {anchor.sha256: anchor for anchor in desired.present + desired.absent}
    forgotten = [sha for sha in last.document["adds"] + last.document["removes"] if sha not in known]
    if forgotten:
        raise BadInput("change {0} is about anchor {1}, which the campaign no longer names".format(last.id, forgotten[0]))
    changes = [Change(host.store.name, "remove", known[sha]) for sha in last.document["adds"]]
    changes += [Change(host.store.name, "add", known[sha]) for sha in last.document["removes"]]
    changes += [Change(host.store.name, "release", known[sha]) for sha in last.document["holds"] if sha in known]
    switches, places, against = _switched_back(last)
    plan = Plan(tuple(changes), places)
    future = (frozenset(observed.bundle) - set(last.document["adds"])) | set(last.document["removes"])
    edits = tuple(edit.inverted() for edit in reversed(last.edits))
    refreshes = tuple(step.inverted()._replace(expect=tuple(sorted(future))) for step in last.refreshes)
    blockers = () if last is left[-1] else (_later(left[-1], desired.undo),)
    return Work(plan, edits, refreshes, future, blockers + against, last.id, switches, (), tuple(last.document.get("loads", ())))


def _switched_back(last):
    """(switches, PlaceChanges, Blockers) that take back what a change did to the ruleset."""
    if not last.switches:
        return (), (), ()
    from . import allowlists

    return allowlists.taken_back(last.switches)


def _taken_back_last(mine, phase):
    """Whether the newest change is a revert of this phase already: a run that is resumed must not go one step further."""
    phases = {change.id: change.document["phase"] for change in mine}
    return phases.get(mine[-1].document.get("undoes")) == phase


def _later(change, phase):
    return Blocker(
        "later-phase",
        "phase {0} was committed after {1}; take that back first (rootwave_undo={0})".format(change.document["phase"], phase),
    )


def _disk_space(host):
    """Refuse before a disk is full rather than revert afterwards."""
    layout = host.store.layout
    need = 4 * (os.path.getsize(layout.bundle) if os.path.exists(layout.bundle) else 0) + SPARE
    blockers = []
    for folder in (host.state_dir, os.path.dirname(layout.bundle), layout.anchors):
        if os.path.isdir(folder):
            status = os.statvfs(folder)
            if status.f_bavail * status.f_frsize < need:
                blockers.append(Blocker("disk-full", "{0} has less than {1} KiB free; make room".format(folder, need // 1024)))
    return blockers


__all__ = ("Work", "work_for")
