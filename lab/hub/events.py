# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Azure Monitor would know of a hub: the log category Connections, and the metrics of connected and all devices.

Shapes: azure-docs monitor-iot-hub-reference. The hub that no log is configured for still has its metrics.
"""

from __future__ import annotations

import time

from .errors import HubError
from .store import Store

LOG = "connections"


class EventLog:
    """One hub's connects and disconnects, on disk."""

    def __init__(self, store: Store, hub: str) -> None:
        self._store, self._hub = store, hub

    def add(self, operation: str, session, error: HubError | None = None, at: float | None = None) -> None:
        """``operation`` is deviceConnect or deviceDisconnect; ``session`` tells who, how and from where."""
        device, _slash, module = session.key.partition("/")
        document = {
            "operation": operation,
            "level": "Error" if error else "Informational",
            "number": error.number if error else None,
            "description": error.message if error else "",
            "device": device,
            "module": module or None,
            "protocol": session.protocol,
            "sdk": session.sdk,
            "auth": session.auth,
            "address": ".".join([*session.address.split(".")[:3], "XXX"]),
            "tls": session.tls,
        }
        self._store.append(self._hub, LOG, time.time() if at is None else at, document)

    def rows(self, since: float, until: float) -> list[dict]:
        return [{"time": at, **document} for at, document in self._store.log(self._hub, LOG, since, until)]


class Metrics:
    """Samples of a number, one whenever it changes."""

    def __init__(self, store: Store, hub: str) -> None:
        self._store, self._hub = store, hub

    def record(self, name: str, value: float) -> None:
        self._store.append(self._hub, name, time.time(), value)

    def samples(self, name: str, since: float, until: float) -> list[tuple[float, float]]:
        """[(epoch seconds, value)], first what was in force at ``since``."""
        known: list[tuple[float, float]] = self._store.log(self._hub, name, 0, until)
        before = [(since, value) for at, value in known if at < since][-1:]
        return before + [(at, value) for at, value in known if at >= since]
