# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""Pure: what the twin asks and what was done -> what to do next. Nothing here believes what the twin says; worker.py verifies.

A record is what this device knows of the last order of one phase: {"id", "go", "serial", "state", "reason", "at",
"committed_at", "change", "confirm_by", "tries", "wait_until", "probes"}. With ``confirm_by`` its change is pending.
"""

from __future__ import annotations

import hashlib
import json
from typing import NamedTuple

KEYS = "keys"
PHASES = ("stage", "retire", "revert")
FINAL = ("proved", "refused", "reverted", "failed")
STATES = ("accepted", "running") + FINAL
GO_MOST = 2**52  # a twin has no larger number, so an answer could not repeat it


class Order(NamedTuple):
    """One order as the twin has it. ``name`` is the phase that it stands under, or keys; ``document`` is unverified."""

    name: str
    id: str
    go: int
    document: object


def read(section):
    """The orders in ``desired.rootwave``; whatever else stands there is not ours to judge."""
    if not isinstance(section, dict):
        return []
    return [_order(name, section[name]) for name in (KEYS,) + PHASES if section.get(name) is not None]


def _order(name, document):
    """Also what is no order at all gets an identity, so that it is refused once and not for ever."""
    identity = document.get("id") if isinstance(document, dict) else None
    if not isinstance(identity, str) or not 0 < len(identity) <= 128:
        identity = hashlib.sha256(_text(document).encode("utf-8")).hexdigest()
    go = document.get("go") if isinstance(document, dict) else None
    return Order(name, identity, go if isinstance(go, int) and not isinstance(go, bool) and 0 < go <= GO_MOST else 0, document)


def _text(document):
    try:
        return json.dumps(document, sort_keys=True)
    except RecursionError:
        return "too deep"


def same(order, record):
    """Whether a record is about this order: each value of (id, go) is run once."""
    return record is not None and (record.get("id"), record.get("go")) == (order.id, order.go)


def due(section, records):
    """The orders that have not ended here, keys first: they may be what the others are signed with."""
    return [
        order for order in read(section) if not (same(order, records.get(order.name)) and records[order.name]["state"] in FINAL)
    ]


def in_serial_order(verified):
    """[(order, phase)] as they must be carried out: the lower serial first, a stage before the retire that needs it."""
    return sorted(verified, key=lambda pair: pair[1].serial)


def pending(records):
    """(name, record) of the change that waits for a new session, or None."""
    for name in PHASES:
        record = records.get(name)
        if record and record.get("confirm_by") and record["state"] not in FINAL:
            return name, record
    return None


def withdrawn(section, name, record):
    """Whether the twin no longer asks for what a record is about."""
    return not any(same(order, record) for order in read(section) if order.name == name)


def unsettled(records):
    """Whether a run left a change behind and no word of it: its worker was killed."""
    return any(
        record.get("change") and not record.get("confirm_by") and record["state"] not in FINAL for record in records.values()
    )


def stuck(job, before, after):
    """Whether a job that has ended brought nothing to an end; ``before`` and ``after`` are the records."""
    waits = any(record["state"] not in FINAL for record in after.values())
    return job.failed or (job.name == "orders" and waits and not pending(after)) or (job.name != "settle" and before == after)


def forgotten(section, records):
    """The names of records that wait for nothing any more: not ended, not pending, and not asked for."""
    return [
        name
        for name, record in records.items()
        if record["state"] not in FINAL and not record.get("confirm_by") and withdrawn(section, name, record)
    ]


def next_job(section, records, fresh, now):
    """What a worker must do now: commit, revert, settle, orders, or None.

    ``fresh`` is the id of a pending change since which a new session was made through the changed store; ``now`` is
    the clock, epoch seconds.
    """
    waiting = pending(records)
    if waiting:
        name, record = waiting
        if withdrawn(section, name, record):
            return "revert"
        if fresh and fresh == record.get("change"):
            return "commit"
        return "settle" if now >= record["confirm_by"] else None
    if unsettled(records):
        return "settle"
    if forgotten(section, records) or due(section, records):
        return "orders"
    return None


__all__ = (
    "FINAL",
    "KEYS",
    "PHASES",
    "STATES",
    "Order",
    "due",
    "forgotten",
    "in_serial_order",
    "next_job",
    "pending",
    "read",
    "same",
    "stuck",
    "unsettled",
    "withdrawn",
)
