# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""What the agent remembers across a restart: its orders, how often it was started, whether it is connected.

``orders.json`` is written by one worker at a time only, ``boot.json`` and ``agent-status.json`` by the agent itself.
"""

from __future__ import annotations

import os
import time

from gateway import files

from . import reported
from .log import say


def load(state_dir):
    """{name: record} of the last order of each phase; empty on a new device."""
    document = files.read_json(os.path.join(state_dir, "orders.json"))
    orders = document.get("orders") if isinstance(document, dict) else None
    return orders if isinstance(orders, dict) else {}


def save(state_dir, records):
    os.makedirs(state_dir, mode=0o755, exist_ok=True)
    files.write_json(os.path.join(state_dir, "orders.json"), {"schema": 1, "orders": records})


def new(order, state, reason="", serial=None):
    return {
        "id": order.id,
        "go": order.go,
        "serial": serial,
        "state": state,
        "reason": reported.short(reason),
        "at": int(time.time()),
        "committed_at": None,
        "change": None,  # the id of the change on disk, once it is armed
        "confirm_by": None,  # epoch seconds; set while the change is pending
        "tries": 0,  # runs that were begun and left no result
        "wait_until": None,  # epoch seconds; the order's not_before
        "probes": None,
    }


def moved(record, state, reason="", **changes):
    """A record that has gone on to another state. One that still waits for the same thing is as it was: no news, no message."""
    reason = reported.short(reason)
    at = record["at"] if (record["state"], record["reason"]) == (state, reason) else int(time.time())
    return dict(record, state=state, reason=reason, at=at, **changes)


def keys_version(state_dir):
    document = files.read_json(os.path.join(state_dir, "keys.json"))
    version = document.get("version") if isinstance(document, dict) else None
    return version if isinstance(version, int) else None


def count_boot(state_dir):
    """How often the agent was started on this device, this time included; a full disk does not keep it from starting."""
    path = os.path.join(state_dir, "boot.json")
    document = files.read_json(path)
    last = document.get("boot") if isinstance(document, dict) else None
    boot = (last if isinstance(last, int) else 0) + 1
    try:
        os.makedirs(state_dir, mode=0o755, exist_ok=True)
        files.write_json(path, {"boot": boot})
    except OSError as exc:
        say(f"cannot write {path}: {exc.strerror}")
    return boot


__all__ = ("count_boot", "keys_version", "load", "moved", "new", "save")
