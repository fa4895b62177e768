# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One hub's identities and twins, changed in memory and on disk together. Every refusal is a HubError."""

from __future__ import annotations

import asyncio
import uuid

from .errors import HubError, invalid
from .index import Index
from .sessions import Sessions
from .store import Store
from .twins import Twin, from_kept, new_identity, timestamp, twin_document

C2D_MOST = 50  # messages that wait for one device


class Registry:
    """Keys are ``device`` or ``device/module``."""

    def __init__(self, hub: str, store: Store) -> None:
        self.hub, self.store = hub, store
        self.sessions = Sessions(hub, store)
        self.live, self.events, self.metrics = self.sessions.live, self.sessions.events, self.sessions.metrics
        self.identities: dict[str, dict] = store.load(hub, "identity")
        self.twins: dict[str, Twin] = {key: from_kept(kept) for key, kept in store.load(hub, "twin").items()}
        self.messages: dict[str, list[dict]] = store.load(hub, "c2d")  # type: ignore[assignment]
        self.index = Index(self._document)
        self.index.load(self.twins)
        self._number = max((int(one["generationId"]) - 638000000000000000 for one in self.identities.values()), default=0)
        self.twin_changed = asyncio.Event()  # set at every change; whoever waits (configurations) clears it

    # identities

    def identity(self, key: str) -> dict:
        """The identity's document with its present connection state; raises 404."""
        if key not in self.identities:
            raise self._missing(key)
        return {**self.identities[key], "connectionState": "Connected" if key in self.live else "Disconnected"}

    def create(self, key: str, wanted: dict) -> dict:
        if key in self.identities:
            raise HubError(409, "ModuleAlreadyExistsOnDevice" if "/" in key else "DeviceAlreadyExists", key)
        device, _slash, module = key.partition("/")
        if module and device not in self.identities:
            raise self._missing(device)
        self._number += 1
        identity, twin = new_identity(device, module or None, wanted, self._number), Twin(device, module or None)
        twin.tags = wanted.get("tags") or {}
        self.index.changing(key, None)
        self.identities[key], self.twins[key] = identity, twin
        self.store.put(self.hub, "identity", key, identity)
        self._keep(twin)
        self.metrics.record("totalDeviceCount", len(self.devices()))
        return self.identity(key)

    def update(self, key: str, wanted: dict, if_match: str) -> dict:
        before = self.identity(key)
        must_match(if_match, before["etag"])
        self._number += 1
        device, _slash, module = key.partition("/")
        after = new_identity(device, module or None, wanted, self._number)
        after["generationId"] = before["generationId"]
        if after["status"] != before["status"]:
            after["statusUpdatedTime"] = timestamp()
        self.index.changing(key, self._document(key))
        self.identities[key] = after
        self.store.put(self.hub, "identity", key, after)
        if after["status"] == "disabled":
            self.sessions.drop(key)
        return self.identity(key)

    def delete(self, key: str, if_match: str) -> None:
        must_match(if_match, self.identity(key)["etag"])
        for gone in [one for one in self.identities if one == key or one.startswith(f"{key}/")]:
            self.index.changing(gone, self._document(gone))
            del self.identities[gone], self.twins[gone]
            for kind in ("identity", "twin", "c2d", "session"):
                self.store.delete(self.hub, kind, gone)
            self.sessions.keep(gone, None)
        self.sessions.drop(key)
        self.metrics.record("totalDeviceCount", len(self.devices()))

    def seed(self, wanted: dict[str, dict]) -> None:
        """Many new identities at once, with ``tags``, ``desired`` and ``reported`` beside the identity's own keys."""
        for key, item in wanted.items():
            device, _slash, module = key.partition("/")
            self._number += 1
            self.identities[key] = new_identity(device, module or None, item, self._number)
            twin = Twin(device, module or None)
            twin.patch(item.get("tags"), item.get("desired"))
            if item.get("reported"):
                twin.report(item["reported"])
            self.twins[key] = twin
        self.store.put_many(self.hub, "identity", ((key, self.identities[key]) for key in wanted))
        self.store.put_many(self.hub, "twin", ((key, self.twins[key].kept()) for key in wanted))
        self.index.load(self.twins)

    def devices(self) -> list[str]:
        return [key for key in self.identities if "/" not in key]

    def as_dict(self) -> dict:
        connected = sorted(key for key in self.live if "/" not in key)
        stranded = sorted(set(self.devices()) - set(connected))
        return {"connected": connected, "stranded": stranded, "sessions": sorted(self.live)}

    # twins

    def twin(self, key: str) -> Twin:
        if key not in self.twins:
            raise self._missing(key)
        return self.twins[key]

    def twin_document(self, key: str) -> dict:
        return twin_document(self.twin(key), self.identities[key], key in self.live)

    def patch_twin(self, key: str, tags: dict | None, desired: dict | None, if_match: str = "*", replace: bool = False) -> dict:
        """The service's change: checked, on disk, told to the device if it is connected."""
        twin = self.twin(key)
        must_match(if_match, twin.etag)
        self.index.changing(key, self._document(key))
        told = twin.patch(tags, desired, replace)
        self._keep(twin)
        if told is not None and key in self.live:
            self.live[key].desired(told, twin.desired.version)
        return self.twin_document(key)

    def report(self, key: str, patch: dict) -> int:
        """A device's change of its reported properties; their new version."""
        twin = self.twin(key)
        self.index.changing(key, self._document(key))
        version = twin.report(patch)
        self.identities[key]["lastActivityTime"] = timestamp()
        self._keep(twin)
        return version

    # messages to devices

    def send(self, key: str, message: dict) -> None:
        """Queue a cloud-to-device message: {"id", "body" (text), "properties"}."""
        self.identity(key)
        queue = self.messages.setdefault(key, [])
        if len(queue) >= C2D_MOST:
            raise HubError(403, "DeviceMaximumQueueDepthExceeded", key, 403004)
        queue.append({"id": uuid.uuid4().hex, **message})
        self.store.put(self.hub, "c2d", key, queue)
        if key in self.live:
            self.live[key].message()

    def taken(self, key: str, message_id: str) -> None:
        """The device acknowledged a message."""
        self.messages[key] = [one for one in self.messages.get(key, []) if one["id"] != message_id]
        self.store.put(self.hub, "c2d", key, self.messages[key])

    def _document(self, key: str) -> dict | None:
        return self.twin_document(key) if key in self.twins else None

    def _keep(self, twin: Twin) -> None:
        self.store.put(self.hub, "twin", twin.key, twin.kept())
        self.twin_changed.set()

    @staticmethod
    def _missing(key: str) -> HubError:
        return HubError(404, "ModuleNotFound" if "/" in key else "DeviceNotFound", key)


def must_match(if_match: str | None, etag: str) -> None:
    """RFC 9110, 13.1.1: ``*`` or the very ETag, with or without W/ and quotes."""
    if not if_match:
        raise invalid("If-Match is missing")
    given = if_match.removeprefix("W/").strip('"')
    if given not in ("*", etag):
        raise HubError(412, "PreconditionFailed", f"If-Match {given} is not {etag}")
