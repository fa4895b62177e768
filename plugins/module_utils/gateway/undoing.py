# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""What phase revert would do on one gateway: the inverse of a change that was committed."""

from __future__ import annotations

from . import journal
from .errors import BadInput
from .model import Blocker, Change, Plan
from .work import Work


def work_for(host, desired, observed):
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
    from .allowlists import changing

    return changing.taken_back(last.switches)


def _taken_back_last(mine, phase):
    """Whether the newest change is a revert of this phase already: a run that is resumed must not go one step further."""
    phases = {change.id: change.document["phase"] for change in mine}
    return phases.get(mine[-1].document.get("undoes")) == phase


def _later(change, phase):
    return Blocker(
        "later-phase",
        "phase {0} was committed after {1}; take that back first (rootwave_undo={0})".format(change.document["phase"], phase),
    )


__all__ = ("work_for",)
