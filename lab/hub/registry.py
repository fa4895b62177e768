# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may connect and who is connected: identities, live sessions, and the subscriptions that outlive a connection.

The real hub keeps a session's subscriptions when clean_session is 0, and the Azure SDKs rely on it: they never
subscribe again after a reconnect. So they are on disk and survive a restart of the lab's hub.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Session:
    """One live connection of one device."""

    device: str
    address: str
    tls: str
    close: object
    since: float = field(default_factory=time.time)


class Registry:
    """One hub's devices. ``changed`` is notified whenever somebody connects or falls off."""

    def __init__(self, hub: str, devices: dict[str, str], state_dir: Path) -> None:
        self.hub = hub
        self.devices = dict(devices)
        self.live: dict[str, Session] = {}
        self.changed = asyncio.Condition()
        self._path = state_dir / f"sessions-{hub}.json"
        self._subscriptions: dict[str, list[str]] = json.loads(self._path.read_text()) if self._path.exists() else {}

    async def open(self, session: Session) -> None:
        """Register a connection; an older one of the same device is evicted (400027 in the real hub)."""
        older = self.live.get(session.device)
        self.live[session.device] = session
        if older is not None:
            older.close()  # type: ignore[operator]
        await self._notify()

    async def closed(self, session: Session) -> None:
        if self.live.get(session.device) is session:
            del self.live[session.device]
            await self._notify()

    def drop(self) -> None:
        """Cut every connection."""
        for session in list(self.live.values()):
            session.close()  # type: ignore[operator]

    async def wait_connected(self, count: int, timeout: float) -> bool:
        """Wait until exactly ``count`` devices are connected; False when the time is up."""
        try:
            async with asyncio.timeout(timeout), self.changed:
                await self.changed.wait_for(lambda: len(self.live) == count)
        except TimeoutError:
            return False
        return True

    def subscriptions(self, device: str) -> list[str] | None:
        """The kept subscriptions, or None when there is no session to resume."""
        return self._subscriptions.get(device)

    def keep(self, device: str, filters: list[str] | None) -> None:
        """Replace a device's subscriptions on disk; None forgets the session."""
        if filters is None:
            self._subscriptions.pop(device, None)
        else:
            self._subscriptions[device] = filters
        temporary = self._path.with_suffix(".tmp")
        temporary.write_text(json.dumps(self._subscriptions))
        os.replace(temporary, self._path)

    def as_dict(self) -> dict:
        connected = sorted(self.live)
        return {"connected": connected, "stranded": sorted(set(self.devices) - set(connected))}

    async def _notify(self) -> None:
        async with self.changed:
            self.changed.notify_all()
