# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The device provisioning service over MQTT: register, poll, be assigned to a hub (azure-docs iot-mqtt-connect-to-iot-dps)."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
import zlib
from urllib.parse import parse_qs

from .. import sas
from ..errors import HubError
from . import codec
from .connection import Connection, TcpTransport, Transport
from .credentials import common_name

RESULTS = "$dps/registrations/res/"
REGISTER = "$dps/registrations/PUT/iotdps-register/"
STATUS = "$dps/registrations/GET/iotdps-get-operationstatus/"
RETRY_AFTER = 1  # seconds


class Scope:
    """One id scope behind the one device endpoint: a DPS's own, or that of an IoT Central application's hidden DPS."""

    def __init__(self, config: dict) -> None:
        self.id, self.keys, self.hubs = config.get("id_scope", ""), config.get("enrollments", {}), config.get("hubs", [])

    def signed(self, registration: str, signature: str | None) -> bool:
        key = self.keys.get(registration, "")
        return bool(key) and sas.check_resource(signature, f"{self.id}/registrations/{registration}", key, time.time())

    def hub(self, world, registration: str):
        """The same one every time, by the registration's name."""
        return world.hubs[self.hubs[zlib.crc32(registration.encode()) % len(self.hubs)]]

    def state(self, world, registration: str) -> dict:
        """What DPS knows of a registration: unassigned until its device has registered."""
        hub = self.hub(world, registration)
        if registration not in hub.registry.identities:
            return {"registrationId": registration, "status": "unassigned"}
        return {
            "registrationId": registration,
            "assignedHub": hub.name,
            "deviceId": registration,
            "status": "assigned",
            "substatus": "initialAssignment",
        }


def scope_of(world, id_scope: str) -> Scope | None:
    found = [Scope(item) for item in (world.config["dps"], *world.config.get("central", []))]
    return next((scope for scope in found if id_scope and scope.id == id_scope), None)


class DpsSession(Connection):
    def __init__(self, world, transport: Transport) -> None:
        super().__init__(transport)
        self.world, self.scope = world, Scope({})
        self.registration = ""
        self._operation = ""

    async def connect(self, packet: codec.Connect) -> tuple[int, bool]:
        parts = (packet.username or "").split("/")
        scope = scope_of(self.world, parts[0])
        if scope is None or parts[1:3] != ["registrations", packet.client_id]:
            return codec.NOT_AUTHORIZED, False
        if self.transport.certificate is not None:
            good = packet.client_id in scope.keys and common_name(self.transport.certificate) == packet.client_id
        else:
            good = scope.signed(packet.client_id, packet.password)
        if not good:
            return codec.NOT_AUTHORIZED, False
        self.registration, self.scope = packet.client_id, scope
        return codec.ACCEPTED, False

    def allowed(self, name: str) -> bool:
        return name == f"{RESULTS}#"

    async def gone(self, error: HubError | None) -> None:
        """Nothing outlives the connection."""

    def subscribed(self) -> None:
        """The one filter there is needs no memory."""

    def acknowledged(self, packet_id: int) -> None:
        """Answers are not repeated."""

    async def published(self, packet: codec.Publish) -> bool:
        topic, _mark, query = packet.topic.partition("?")
        fields = parse_qs(query)
        rid = fields.get("$rid", [""])[0]
        if topic == REGISTER:
            self._operation = uuid.uuid4().hex
            self._answer(f"202/?$rid={rid}&retry-after={RETRY_AFTER}", "assigning")
        elif topic == STATUS and fields.get("operationId") == [self._operation]:
            self._answer(f"200/?$rid={rid}", "assigned", self._assign())
        elif topic == STATUS:
            self.send(f"{RESULTS}404/?$rid={rid}", json.dumps({"errorCode": 404204, "message": "no such operation"}).encode())
        else:
            return False
        return True

    def _answer(self, rest: str, status: str, state: dict | None = None) -> None:
        document = {"operationId": self._operation, "status": status, "registrationState": state}
        self.send(f"{RESULTS}{rest}", json.dumps(document).encode(), 1)

    def _assign(self) -> dict:
        """The device is made at its hub unless it exists."""
        hub = self.scope.hub(self.world, self.registration)
        if self.registration not in hub.registry.identities:
            key = self.scope.keys[self.registration]
            authentication: dict = {"type": "sas", "symmetricKey": {"primaryKey": key, "secondaryKey": key}}
            if self.transport.certificate is not None:
                authentication = {"type": "certificateAuthority"}
            hub.registry.create(self.registration, {"authentication": authentication})
        return self.scope.state(self.world, self.registration)


async def serve(world, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    transport = TcpTransport(reader, writer)
    try:
        await DpsSession(world, transport).serve()
    finally:
        transport.close()
