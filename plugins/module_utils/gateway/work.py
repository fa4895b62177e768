# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""What one phase would do on one gateway: the plan, and the edits and refresh steps that carry it out."""

from __future__ import annotations

import os
from typing import NamedTuple

from . import interlock
from .errors import BadInput
from .model import Blocker, Plan
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
    if desired.phase == "revert":
        from . import undoing

        work = undoing.work_for(host, desired, observed)
    else:
        work = _forward(host, desired, observed)
        work = firewall.join(work) if firewall else work
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
