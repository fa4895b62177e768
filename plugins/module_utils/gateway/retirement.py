# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""Pure: why trust must not be taken away yet, beyond what interlock.py asks of every phase. Imported where something goes."""

from __future__ import annotations

from .model import Blocker


def not_yet(desired, store, observed, findings, control_now):
    """What retire asks beyond the endpoints' proofs."""
    return (
        _safe_after(desired, control_now)
        + _held(desired, store, observed)
        + [
            Blocker("finding", "{0}: {1}".format(finding.id, finding.detail))
            for finding in findings
            if finding.severity == "blocker" and finding.id not in desired.accept
        ]
    )


def _safe_after(desired, control_now):
    if desired.safe_after is None:
        return [Blocker("safe-after", "the campaign has no safe_after: nobody vouches that the old root is gone")]
    if control_now > desired.safe_after:
        return []
    return [Blocker("safe-after", "not before safe_after ({0}); wait".format(desired.safe_after_source or "the campaign"))]


def _held(desired, store, observed):
    return [
        Blocker(
            "not-staged",
            "{0} is not held by Rootwave's own file {1}; run the stage phase first".format(anchor.name, store.own_file(anchor)),
        )
        for anchor in desired.present
        if not store.holds(anchor, observed)
    ]


def unlisted_sessions(sessions):
    """What is taken away must not be what an endpoint stands on that the campaign does not know."""
    return [
        Blocker(
            "unlisted-endpoint",
            "a live session to {0}:{1} is none of the campaign's endpoints; add its name to the endpoints "
            "(rootwave_endpoints) or end that program".format(session.address, session.port),
        )
        for session in sessions
    ]


__all__ = ("not_yet", "unlisted_sessions")
