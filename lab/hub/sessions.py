# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is connected to one hub: live sessions, and the subscriptions that outlive a connection.

The real hub keeps a session's subscriptions when clean_session is 0, and the Azure SDKs rely on it: they never
subscribe again after a reconnect. So they are on disk and survive a restart of the lab's hub.
"""

from __future__ import annotations

import abc
import asyncio
import time

from .errors import HubError
from .events import EventLog, Metrics
from .store import Store

EVICTED = HubError(400, "ConnectionForcefullyClosedOnNewConnection", "A newer connection of the same identity took over.")
CLOSED = HubError(404, "DeviceConnectionClosedRemotely", "The connection was closed by the device or timed out.")


class Session(abc.ABC):
    """One live connection of one identity; the transport (device/) implements it."""

    key: str  # device, or device/module
    address: str
    tls: str
    protocol: str  # Mqtt, MqttWs
    auth: str  # sas, x509
    sdk: str

    def __init__(self) -> None:
        self.since = time.time()

    @abc.abstractmethod
    def close(self) -> None:
        """Cut the connection at once."""

    @abc.abstractmethod
    def desired(self, patch: dict, version: int) -> None:
        """Tell a change of the desired properties, if the device subscribed to them."""

    @abc.abstractmethod
    def message(self) -> None:
        """There is a cloud-to-device message in the queue."""

    @abc.abstractmethod
    async def invoke(self, method: str, payload, timeout: float) -> tuple[int, object]:
        """(status, payload) of a direct method; raises TimeoutError, HubError when the device does not listen to methods."""


class Sessions:
    """``changed`` is notified whenever somebody connects or falls off."""

    def __init__(self, hub: str, store: Store) -> None:
        self.hub, self._store = hub, store
        self.live: dict[str, Session] = {}
        self.changed = asyncio.Condition()
        self.events, self.metrics = EventLog(store, hub), Metrics(store, hub)
        self._subscriptions: dict[str, list[str]] = store.load(hub, "session")  # type: ignore[assignment]

    async def open(self, session: Session) -> None:
        """Register a connection; an older one of the same identity is evicted (400027 in the real hub)."""
        older = self.live.get(session.key)
        self.live[session.key] = session
        if older is not None:
            self.events.add("deviceDisconnect", older, EVICTED)
            older.close()
        self.events.add("deviceConnect", session)
        await self._notify()

    async def closed(self, session: Session, error: HubError | None = None) -> None:
        """``error`` is None for a device that said goodbye."""
        if self.live.get(session.key) is session:
            del self.live[session.key]
            self.events.add("deviceDisconnect", session, error)
            await self._notify()

    def drop(self, key: str | None = None) -> None:
        """Cut every connection, or those of one device and its modules."""
        for session in list(self.live.values()):
            if key is None or session.key == key or session.key.startswith(f"{key}/"):
                session.close()

    async def wait_connected(self, count: int, timeout: float) -> bool:
        """Wait until exactly ``count`` identities are connected; False when the time is up."""
        try:
            async with asyncio.timeout(timeout), self.changed:
                await self.changed.wait_for(lambda: len(self.live) == count)
        except TimeoutError:
            return False
        return True

    def subscriptions(self, key: str) -> list[str] | None:
        """The kept subscriptions, or None when there is no session to resume."""
        return self._subscriptions.get(key)

    def keep(self, key: str, filters: list[str] | None) -> None:
        """Replace an identity's subscriptions on disk; None forgets the session."""
        if filters is None:
            self._subscriptions.pop(key, None)
            self._store.delete(self.hub, "session", key)
        elif self._subscriptions.get(key) != filters:
            self._subscriptions[key] = list(filters)
            self._store.put(self.hub, "session", key, filters)

    async def _notify(self) -> None:
        self.metrics.record("connectedDeviceCount", len(self.live))
        async with self.changed:
            self.changed.notify_all()
