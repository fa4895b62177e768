# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""What an earlier run left behind on a gateway: a change that has not ended."""

from __future__ import annotations

from . import journal, report
from .errors import Busy


def end(host, desired, lock):
    """Take back what was begun, finish what was decided; (notes, report that ends this run already or None).

    Raises Busy where a change of another campaign or phase waits for its commit, RevertFailed.
    """
    notes: list[str] = []
    for change in journal.pending(host.state_dir):
        waiting = change.state == "pending" and host.clock() < change.document.get("confirm_by", 0)
        mine = change.document["campaign"] == desired.campaign
        if waiting and not (mine and desired.undo == change.document["phase"]):
            if (change.document["digest"], change.document["phase"]) == (desired.digest, desired.phase):
                return notes, _still_pending(host, desired, change)
            raise Busy(
                "change {0} of campaign {1} waits for its commit; commit it (gateway_commit) or let it revert by itself, "
                "then start again".format(change.id, change.document["campaign"]),
                id=change.id,
            )
        end = journal.recover(change, lock)
        notes.append("change {0} of an earlier run ended as {1}".format(change.id, end))
        if waiting:
            ended = report.new(desired)
            ended.update(outcome="done", changed=True, revert="reverted")
            return notes, ended
    return notes, None


def _still_pending(host, desired, change):
    """A second run of the same phase before the first one was confirmed takes the change over to commit it."""
    result = report.new(desired)
    result.update(outcome="pending", pending=change.id, revert="armed", power_safe=host.power_safe())
    return result


__all__ = ("end",)
