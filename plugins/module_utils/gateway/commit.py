# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""End the pending change on request: what gateway_commit does, and the agent after it has reconnected."""

from __future__ import annotations

import os

from . import journal, report
from .errors import BadInput, StorageFailed, UnsupportedGateway
from .processes import Lock
from .transaction import settle

LOCK_WAIT = 60.0  # seconds


def end_change(host, identity, state, dry_run=False):
    """Commit or revert one pending change; {"changed", "outcome", "left_alone", "committed_at", "seconds_since_commit"}.

    Raises BadInput when there is no such change, or when it has ended the other way already.
    """
    if not host.privileged():
        raise UnsupportedGateway("a change can only be ended by root; use become: true (or remote_user: root)")
    if not os.path.isdir(host.state_dir):
        raise BadInput("no change was ever made on this gateway")
    try:
        return _end_locked(host, identity, state, dry_run)
    except OSError as exc:
        raise StorageFailed.of(exc) from exc


def _end_locked(host, identity, state, dry_run):
    with Lock(os.path.join(host.state_dir, "lock"), wait=LOCK_WAIT) as lock:
        change = _find(host.state_dir, identity)
        outcome = "done" if state == "committed" else "reverted"
        if change.state == state:
            return _ended(host, outcome, False)
        if change.state in ("committed", "reverted"):
            raise BadInput(
                "change {0} is {1} already; it was not committed within confirm_within seconds, or another run ended it".format(
                    identity, change.state
                ),
                id=identity,
            )
        if state == "committed" and change.state != "pending":
            raise BadInput(
                "change {0} is {1}: not proved yet, so it cannot be committed".format(identity, change.state), id=identity
            )
        if dry_run:
            return _ended(host, outcome, True)
        left_alone = _end(host, change, state, lock)
        return _ended(host, outcome, True, left_alone)


def _ended(host, outcome, changed, left_alone=()):
    """The gateway's report tells since when the state has held."""
    last = report.load(host.state_dir, host.clock()) or {}
    since = {key: last.get(key) for key in ("committed_at", "seconds_since_commit")}
    return dict(since, changed=changed, outcome=outcome, left_alone=list(left_alone))


def _find(state_dir, identity):
    for change in journal.pending(state_dir) + journal.history(state_dir):
        if change.id == identity:
            return change
    raise BadInput("there is no change {0} on this gateway".format(identity), id=identity)


def _check_switches(change):
    """What somebody else has undone meanwhile was not what the new connection has proved."""
    if not change.switches:
        return
    from .allowlists import document, switch

    for one in [switch.Switch(**item) for item in change.switches]:
        if not switch.stands(one):
            message = (
                "change {0} cannot be committed: {1} is not as it left it any more, so somebody changed it since; the revert "
                "stays armed. Find who writes that ruleset, and start again"
            )
            label = document.place_of(one.place).label
            raise BadInput(message.format(change.id, label), id=change.id)


def _end(host, change, state, lock):
    if state == "reverted":
        return change.revert(lock)
    _check_switches(change)
    within = change.document.get("within")
    if within:
        from . import containers

        containers.check_again(host, within)
    change.commit()
    last = report.load(host.state_dir, host.clock())
    if last is not None and last.get("pending") == change.id:
        settle(last, host)
        report.save(last, host.state_dir)
    return []


__all__ = ("end_change",)
