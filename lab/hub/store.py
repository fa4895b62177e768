# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hub's memory on disk: SQLite, written with every change, so that a killed process loses nothing.

``synchronous=OFF``: what the kernel has taken survives the process; a power cut is not the lab's concern.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (hub TEXT, kind TEXT, key TEXT, body TEXT, PRIMARY KEY (hub, kind, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events (hub TEXT, kind TEXT, time REAL, body TEXT);
CREATE INDEX IF NOT EXISTS events_by_time ON events (hub, kind, time);
"""
PUT = "INSERT OR REPLACE INTO documents VALUES (?, ?, ?, ?)"


class Store:
    """Documents by (hub, kind, key), and an append-only log by (hub, kind, time)."""

    def __init__(self, path: Path) -> None:
        self._base = sqlite3.connect(path, isolation_level=None)
        self._base.execute("PRAGMA journal_mode=WAL")
        self._base.execute("PRAGMA synchronous=OFF")
        self._base.executescript(SCHEMA)

    def load(self, hub: str, kind: str) -> dict[str, dict]:
        rows = self._base.execute("SELECT key, body FROM documents WHERE hub = ? AND kind = ?", (hub, kind))
        return {key: json.loads(body) for key, body in rows}

    def put(self, hub: str, kind: str, key: str, document) -> None:
        self._base.execute(PUT, (hub, kind, key, json.dumps(document)))

    def put_many(self, hub: str, kind: str, documents: Iterable[tuple[str, object]]) -> None:
        """All or none."""
        with self._base:
            self._base.execute("BEGIN")
            self._base.executemany(PUT, ((hub, kind, key, json.dumps(document)) for key, document in documents))

    def delete(self, hub: str, kind: str, key: str) -> None:
        self._base.execute("DELETE FROM documents WHERE hub = ? AND kind = ? AND key = ?", (hub, kind, key))

    def append(self, hub: str, kind: str, time: float, document) -> None:
        self._base.execute("INSERT INTO events VALUES (?, ?, ?, ?)", (hub, kind, time, json.dumps(document)))

    def log(self, hub: str, kind: str, since: float, until: float) -> list[tuple[float, Any]]:
        """In the order of time; ``since`` and ``until`` are epoch seconds, both included."""
        asked = "SELECT time, body FROM events WHERE hub = ? AND kind = ? AND time >= ? AND time <= ? ORDER BY time, rowid"
        return [(time, json.loads(body)) for time, body in self._base.execute(asked, (hub, kind, since, until))]

    def close(self) -> None:
        self._base.close()
