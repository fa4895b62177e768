# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. Pure: what an operator reads at three in the morning.

Of texts that devices chose only ids stand in a sentence, and those the hub's registry knows.
"""

from __future__ import annotations

from collections.abc import Sequence

from .connection_metric import Reading

NAMES_MOST = 8  # in a sentence; the result has them all


def gone(rows: Sequence[dict]) -> list[str]:
    """Of the result's ``gone``: whether an attempt reached the hub is what tells a root from everything else."""
    reasons = []
    unseen = [label(row) for row in rows if not row["attempts"]]
    if unseen:
        reasons.append(
            f"{these(unseen)} dropped and did not come back, and no attempt reached the hub since. So looks a device that "
            "rejects the hub's certificate, and one without network or power: check its roots, its firewall, its power; if this "
            "wave changed its roots, revert it"
        )
    refused = [f"{label(row)}: {row['code']} {row['name'] or ''}".rstrip() for row in rows if row["attempts"]]
    if refused:
        reasons.append(
            f"{these(refused)} try to connect and the hub refuses them: TLS works, so it is not the root; see the code"
        )
    return reasons


def old_java(rows: Sequence[dict]) -> list[str]:
    """Of the blockers in ``java_v1``."""
    names = [f"{label(row)}: {row['version']}" for row in rows]
    return [f"{these(names)}: {rows[0]['meaning']}"] if rows else []


def fall(reading: Reading, most: float) -> list[str]:
    if reading.drop_percent is None or reading.drop_percent <= most:
        return []
    return [
        f"Connected Devices fell from {reading.baseline:g} to {reading.latest:g}, by {reading.drop_percent:g} percent; "
        f"max_drop_percent is {most:g}"
    ]


def recent(names: Sequence[str], grace: float) -> list[str]:
    return _about(names, f"dropped less than {grace:g} seconds ago; ask again when that time is over")


def silent(names: Sequence[str], hours: int) -> list[str]:
    return _about(
        names,
        f"not connected, and without an event in {hours} hours, so away already before; let hours reach past the change, or "
        "leave out who was away before it",
    )


def unproved(names: Sequence[str], hours: int) -> list[str]:
    return _about(
        names,
        f"connected, but no connect since the change in the log's {hours} hours: a session from before it proves nothing; "
        "let the client reconnect (restart it, or wait for its token's renewal), and ask again",
    )


def unsure(names: Sequence[str]) -> list[str]:
    return _about(
        names, "not connected by the hub's word, and no log says since when; the log or the index may be late, ask again"
    )


def absent(names: Sequence[str]) -> list[str]:
    return _about(names, "not in this hub's registry: deleted, renamed, or another hub's")


def disabled(names: Sequence[str]) -> list[str]:
    return _about(names, "disabled at the hub, not judged", "note: ")


def later_java(rows: Sequence[dict]) -> list[str]:
    return _about([label(row) for row in rows], "a Java device SDK 1.x, which reads no trust store; see logs.java_v1", "note: ")


def label(row: dict) -> str:
    return f"{row['device_id']}/{row['module_id']}" if row["module_id"] else row["device_id"]


def these(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMES_MOST} more" if len(names) > NAMES_MOST else ""
    return f"{len(names)} ({', '.join(names[:NAMES_MOST])}{more})"


def _about(names: Sequence[str], text: str, before: str = "") -> list[str]:
    return [f"{before}{these(names)}: {text}"] if names else []


__all__ = ("absent", "disabled", "fall", "gone", "later_java", "old_java", "recent", "silent", "unproved", "unsure")
