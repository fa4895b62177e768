# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""What phase revert would do on one gateway: the inverse of a change that was committed. And which change stands."""

from __future__ import annotations

from . import journal
from .errors import BadInput, RevertFailed
from .model import Blocker, Change, Plan
from .work import Work

ANCHORS = ("adds", "removes", "holds")  # the keys of a change that name anchors


def stands(state_dir, desired, phase, place):
    """The id of the committed change of this campaign's phase that touched a place of its allowlist last; or an empty text.

    Where the journal cannot be read nobody knows, and nothing stands.
    """
    for change in reversed(journal.history(state_dir)):
        try:
            mine = change.state == "committed" and change.document["campaign"] == desired.campaign
            if mine and any(one["place"] == place.as_dict() for one in change.switches):
                return change.id if (change.document["digest"], change.document["phase"]) == (desired.digest, phase) else ""
        except RevertFailed:
            return ""
    return ""


def work_for(host, desired, observed):
    """The last committed change of one phase of this campaign; taken back once, however often it is asked for.

    Of a campaign of which only a section is asked (no anchors, or no allowlist) the changes of the other one do not count. Raises
    BadInput for a change that was about more than what is asked.
    """
    ended = [change for change in journal.history(host.state_dir) if change.state == "committed"]
    mine = [change for change in ended if change.document["campaign"] == desired.campaign and _asked(change, desired)]
    undone = {change.document.get("undoes") for change in mine}
    left = [change for change in mine if change.document["phase"] != "revert" and change.id not in undone]
    wanted = [change for change in left if change.document["phase"] == desired.undo]
    if not wanted or _taken_back_last(mine, desired.undo):
        return Work(Plan(), (), (), frozenset(observed.bundle), ())
    last, known = wanted[-1], {anchor.sha256: anchor for anchor in desired.present + desired.absent}
    if (known and not desired.allowlist and _of_places(last)) or (desired.allowlist and not known and _of_anchors(last)):
        raise BadInput(
            "change {0} was about roots and addresses together; take it back together, with the whole campaign (without "
            "rootwave_section)".format(last.id)
        )
    forgotten = [sha for key in ANCHORS for sha in last.document[key] if sha not in known]
    if forgotten:
        raise BadInput("change {0} is about anchor {1}, which the campaign no longer names".format(last.id, forgotten[0]))
    changes = [Change(host.store.name, "remove", known[sha]) for sha in last.document["adds"]]
    changes += [Change(host.store.name, "add", known[sha]) for sha in last.document["removes"]]
    changes += [Change(host.store.name, "release", known[sha]) for sha in last.document["holds"]]
    switches, places, opens, against = _switched_back(last)
    plan = Plan(tuple(changes), places)
    future = (frozenset(observed.bundle) - set(last.document["adds"])) | set(last.document["removes"])
    edits = tuple(edit.inverted() for edit in reversed(last.edits))
    refreshes = tuple(step.inverted()._replace(expect=tuple(sorted(future))) for step in last.refreshes)
    blockers = () if last is left[-1] else (_later(left[-1], desired.undo),)
    return Work(
        plan, edits, refreshes, future, blockers + against, last.id, switches, opens, tuple(last.document.get("loads", ()))
    )


def _of_anchors(change):
    return any(change.document[key] for key in ANCHORS)


def _of_places(change):
    return bool(change.switches or change.document.get("loads"))


def _asked(change, desired):
    anchors, places = _of_anchors(change), _of_places(change)
    return (anchors and bool(desired.present + desired.absent)) or (places and desired.allowlist is not None)


def _switched_back(last):
    """(switches, PlaceChanges, the Intervals that these open, Blockers) that take back what a change did to the ruleset."""
    if not last.switches:
        return (), (), (), ()
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


__all__ = ("stands", "work_for")
