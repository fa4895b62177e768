# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Twins and identities as values: how they change, and the documents that REST and MQTT show of them."""

from __future__ import annotations

import base64
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

from .documents import check_patch, check_size, merge, stamp

NEVER = "0001-01-01T00:00:00Z"


def timestamp(at: float | None = None) -> str:
    """As the hub writes times, to the tenth of a microsecond."""
    moment = datetime.now(UTC) if at is None else datetime.fromtimestamp(at, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f0Z")


def etag(number: int) -> str:
    return base64.b64encode(number.to_bytes(8, "big")).decode()


@dataclass
class Section:
    """Desired or reported properties."""

    values: dict = field(default_factory=dict)
    version: int = 1
    metadata: dict = field(default_factory=dict)

    def document(self) -> dict:
        return {**self.values, "$metadata": self.metadata, "$version": self.version}

    def plain(self) -> dict:
        """As devices get it."""
        return {**self.values, "$version": self.version}


@dataclass
class Twin:
    """``number`` is behind the ETag and moves with tags and desired properties only; ``version`` moves with every change."""

    device: str
    module: str | None = None
    tags: dict = field(default_factory=dict)
    desired: Section = field(default_factory=Section)
    reported: Section = field(default_factory=Section)
    version: int = 1
    number: int = 1

    @property
    def key(self) -> str:
        return f"{self.device}/{self.module}" if self.module else self.device

    @property
    def etag(self) -> str:
        return etag(self.number)

    def patch(self, tags: dict | None, desired: dict | None, replace: bool = False) -> dict | None:
        """Change what the service may change; the patch of the desired properties that a connected device is told, or None."""
        new_tags = self._changed("tags", self.tags, tags, replace)
        new_desired = self._changed("desired", self.desired.values, desired, replace)
        told = None
        if desired is not None:
            told = check_patch("desired", desired)
            if replace:
                told = {**dict.fromkeys(self.desired.values), **told}
            self.desired.version += 1
            metadata = stamp(self.desired.metadata, told, timestamp(), self.desired.version)
            self.desired.values, self.desired.metadata = new_desired, metadata
        self.tags = new_tags
        self.version += 1
        self.number += 1
        return told

    def report(self, patch: dict) -> int:
        """A device's patch of its reported properties; their new version."""
        values = self._changed("reported", self.reported.values, patch, False)
        self.reported.version += 1
        metadata = stamp(self.reported.metadata, check_patch("reported", patch), timestamp(), None)
        self.reported.values, self.reported.metadata = values, metadata
        self.version += 1
        return self.reported.version

    @staticmethod
    def _changed(section: str, before: dict, patch: dict | None, replace: bool) -> dict:
        if patch is None:
            return before
        after = merge({} if replace else before, check_patch(section, patch))
        check_size(section, after)
        return after

    def kept(self) -> dict:
        """For the disk; ``from_kept`` reads it."""
        return asdict(self)


def from_kept(document: dict) -> Twin:
    sections = {name: Section(**document[name]) for name in ("desired", "reported")}
    return Twin(**{**document, **sections})


def new_identity(device: str, module: str | None, wanted: dict, number: int) -> dict:
    """The identity's document from what a caller wants it to be; missing keys are filled in as the hub does."""
    authentication = wanted.get("authentication") or {}
    symmetric, thumbprint = authentication.get("symmetricKey") or {}, authentication.get("x509Thumbprint") or {}
    document = {
        "deviceId": device,
        "generationId": str(638000000000000000 + number),
        "etag": base64.b64encode(str(number).encode()).decode(),
        "status": wanted.get("status") or "enabled",
        "statusReason": wanted.get("statusReason"),
        "statusUpdatedTime": NEVER,
        "connectionStateUpdatedTime": NEVER,
        "lastActivityTime": NEVER,
        "cloudToDeviceMessageCount": 0,
        "authentication": {
            "symmetricKey": {name: symmetric.get(name) for name in ("primaryKey", "secondaryKey")},
            "x509Thumbprint": {name: thumbprint.get(name) for name in ("primaryThumbprint", "secondaryThumbprint")},
            "type": authentication.get("type") or "sas",
        },
        "capabilities": {"iotEdge": bool((wanted.get("capabilities") or {}).get("iotEdge"))},
    }
    if module:
        document["moduleId"] = module
        document["managedBy"] = wanted.get("managedBy") or ""
    return document


def twin_document(twin: Twin, identity: dict, connected: bool) -> dict:
    """What GET /twins and a query show."""
    thumbprint = identity["authentication"]["x509Thumbprint"]
    document = {
        "deviceId": twin.device,
        "etag": twin.etag,
        "deviceEtag": identity["etag"],
        "status": identity["status"],
        "statusUpdateTime": identity["statusUpdatedTime"],
        "connectionState": "Connected" if connected else "Disconnected",
        "lastActivityTime": identity["lastActivityTime"],
        "cloudToDeviceMessageCount": identity["cloudToDeviceMessageCount"],
        "authenticationType": identity["authentication"]["type"],
        "x509Thumbprint": {
            "PrimaryThumbprint": thumbprint["primaryThumbprint"],
            "SecondaryThumbprint": thumbprint["secondaryThumbprint"],
        },
        "modelId": "",
        "version": twin.version,
        "tags": twin.tags,
        "properties": {"desired": twin.desired.document(), "reported": twin.reported.document()},
        "capabilities": identity["capabilities"],
    }
    if twin.module:
        document["moduleId"] = twin.module
    return document
