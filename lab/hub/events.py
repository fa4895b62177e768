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
UNTOLD = {"module": None, "protocol": "Mqtt", "sdk": "", "auth": "sas", "address": "192.0.2.XXX", "tls": "TLSv1.2"}


class EventLog:
    """One hub's connects and disconnects, on disk."""

    def __init__(self, store: Store, hub: str) -> None:
        self._store, self._hub = store, hub

    def add(self, operation: str, session, error: HubError | None = None) -> None:
        """``operation`` is deviceConnect or deviceDisconnect; ``session`` tells who, how and from where."""
        device, _slash, module = session.key.partition("/")
        how = {"protocol": session.protocol, "sdk": session.sdk, "auth": session.auth, "tls": session.tls}
        address = ".".join([*session.address.split(".")[:3], "XXX"])
        number, description = (error.number, error.message) if error else (None, "")
        self.put(time.time(), operation, device, number, description, module=module or None, address=address, **how)

    def put(self, at: float, operation: str, device: str, number: int | None = None, description: str = "", **more) -> None:
        """One event as it is told; what ``more`` leaves out is as in UNTOLD."""
        level = "Informational" if number is None else "Error"
        told = {"operation": operation, "level": level, "number": number, "description": description, "device": device}
        self._store.append(self._hub, LOG, at, {**told, **UNTOLD, **more})

    def rows(self, since: float, until: float) -> list[dict]:
        return [{"time": at, **document} for at, document in self._store.log(self._hub, LOG, since, until)]


class Metrics:
    """Samples of a number, one whenever it changes."""

    def __init__(self, store: Store, hub: str) -> None:
        self._store, self._hub = store, hub

    def record(self, name: str, value: float, at: float | None = None) -> None:
        self._store.append(self._hub, name, time.time() if at is None else at, value)

    def samples(self, name: str, since: float, until: float) -> list[tuple[float, float]]:
        """[(epoch seconds, value)], first what was in force at ``since``."""
        known: list[tuple[float, float]] = self._store.log(self._hub, name, 0, until)
        before = [(since, value) for at, value in known if at < since][-1:]
        return before + [(at, value) for at, value in known if at >= since]
