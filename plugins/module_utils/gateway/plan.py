# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""Pure: observed + desired -> Plan. Computed once, the same way in check mode and for real."""

from __future__ import annotations

from .model import Change, Plan


def make_plan(phase, present, absent, store, observed):
    """The changes that bring one store to what a phase asks.

    ``observed`` answers ``forms(sha256)`` and ``trusts(sha256)``; ``store`` answers ``holds(anchor, observed)``.
    Stage only adds, retire only removes: what retire needs and does not find is the interlock's to refuse.
    """
    changes = []
    if phase == "stage":
        for anchor in present:
            if not store.holds(anchor, observed):
                changes.append(Change(store.name, "hold" if observed.trusts(anchor.sha256) else "add", anchor))
    if phase == "retire":
        changes = [Change(store.name, "remove", anchor) for anchor in absent if observed.forms(anchor.sha256)]
    return Plan(tuple(changes))


def future_of(plan, observed):
    """The fingerprints in the bundle when the plan is done."""
    future = set(observed.bundle)
    for change in plan.changes:
        if change.action == "remove":
            future.discard(change.anchor.sha256)
        else:
            future.add(change.anchor.sha256)
    return frozenset(future)


__all__ = ("future_of", "make_plan")
