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


class DpsSession(Connection):
    def __init__(self, world, transport: Transport) -> None:
        super().__init__(transport)
        self.world, self.config = world, world.config["dps"]
        self.registration = ""
        self._operation = ""

    async def connect(self, packet: codec.Connect) -> tuple[int, bool]:
        parts = (packet.username or "").split("/")
        scope = self.config["id_scope"]
        if parts[:2] != [scope, "registrations"] or parts[2:3] != [packet.client_id]:
            return codec.NOT_AUTHORIZED, False
        key = self.config["enrollments"].get(packet.client_id, "")
        resource = f"{scope}/registrations/{packet.client_id}"
        if self.transport.certificate is not None:
            good = common_name(self.transport.certificate) == packet.client_id
        else:
            good = bool(key) and sas.check_resource(packet.password, resource, key, time.time())
        if not good or packet.client_id not in self.config["enrollments"]:
            return codec.NOT_AUTHORIZED, False
        self.registration = packet.client_id
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
        """The same hub every time, by the registration's name; the device is made there unless it exists."""
        hubs = self.config["hubs"]
        hub = self.world.hubs[hubs[zlib.crc32(self.registration.encode()) % len(hubs)]]
        if self.registration not in hub.registry.identities:
            key = self.config["enrollments"][self.registration]
            authentication: dict = {"type": "sas", "symmetricKey": {"primaryKey": key, "secondaryKey": key}}
            if self.transport.certificate is not None:
                authentication = {"type": "certificateAuthority"}
            hub.registry.create(self.registration, {"authentication": authentication})
        return {
            "registrationId": self.registration,
            "assignedHub": hub.name,
            "deviceId": self.registration,
            "status": "assigned",
            "substatus": "initialAssignment",
        }


async def serve(world, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    transport = TcpTransport(reader, writer)
    try:
        await DpsSession(world, transport).serve()
    finally:
        transport.close()
