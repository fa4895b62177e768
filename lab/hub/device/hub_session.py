# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A device or module at its hub: CONNECT judged, topics acted on (azure-docs iot-mqtt-connect-to-iot-hub)."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from urllib.parse import parse_qs, quote, unquote

from ..errors import HubError, invalid
from ..sas import expiry_of
from ..sessions import CLOSED, Session
from . import codec
from .connection import Connection, TcpTransport, Transport
from .credentials import proved

TWIN, DESIRED, METHODS = "$iothub/twin/", "$iothub/twin/PATCH/properties/desired/", "$iothub/methods/POST/"
RESULTS = "$iothub/twin/res/"
FILTERS = (f"{RESULTS}#", f"{DESIRED}#", f"{METHODS}#")


class HubSession(Connection, Session):
    def __init__(self, hub, transport: Transport) -> None:
        Connection.__init__(self, transport)
        Session.__init__(self)
        self.hub, self.registry = hub, hub.registry
        self.address, self.tls, self.protocol = transport.peer, transport.tls, transport.protocol
        self.key = self.auth = self.sdk = ""
        self._clean = True
        self._requests: dict[str, asyncio.Future] = {}
        self._numbers = itertools.count(1)
        self._unacknowledged: dict[int, str] = {}  # packet id: message id
        self._expiry: asyncio.TimerHandle | None = None

    # who

    async def connect(self, packet: codec.Connect) -> tuple[int, bool]:
        code = self._judge(packet)
        if code != codec.ACCEPTED:
            return code, False
        sessions = self.registry.sessions
        if packet.clean_session or self.hub.world.faults.hit("lose-session", hub=self.hub.name, key=self.key):
            sessions.keep(self.key, None)
        kept = sessions.subscriptions(self.key)
        self._clean, self.filters = packet.clean_session, list(kept or ())
        await sessions.open(self)
        if self.auth == "sas":
            left = expiry_of(packet.password) - time.time()
            self._expiry = asyncio.get_running_loop().call_later(left, self.close)
        return code, kept is not None

    def _judge(self, packet: codec.Connect) -> int:
        facts = {"hub": self.hub.name, "key": packet.client_id}
        if fault := self.hub.world.faults.hit("refuse-connack", **facts):
            return fault.code
        try:
            self.hub.throttle.take("connect")
        except HubError:
            return codec.UNAVAILABLE
        identity = self.registry.identities.get(packet.client_id)
        name, _query, more = (packet.username or "").partition("/?")
        if identity is None or identity["status"] != "enabled" or name != f"{self.hub.name}/{packet.client_id}":
            return codec.NOT_AUTHORIZED
        device = self.registry.identities[packet.client_id.partition("/")[0]]
        self.auth = proved(self.hub, identity, packet.client_id, packet.password, self.transport.certificate)
        if not self.auth or device["status"] != "enabled":
            return codec.NOT_AUTHORIZED
        self.key, self.sdk = packet.client_id, parse_qs(more).get("DeviceClientType", [""])[0]
        return codec.ACCEPTED

    async def gone(self, error: HubError | None) -> None:
        if self._expiry:
            self._expiry.cancel()
        for answer in self._requests.values():
            if not answer.done():
                answer.set_exception(HubError(CLOSED.status, CLOSED.code, CLOSED.message))
        await self.registry.sessions.closed(self, error)

    def close(self) -> None:
        self.transport.abort()

    # topics

    @property
    def _own(self) -> str:
        device, _slash, module = self.key.partition("/")
        return f"devices/{device}/modules/{module}" if module else f"devices/{device}"

    def allowed(self, name: str) -> bool:
        return name in (*FILTERS, f"{self._own}/messages/devicebound/#") or ("/" in self.key and name == f"{self._own}/inputs/#")

    def subscribed(self) -> None:
        self.registry.sessions.keep(self.key, None if self._clean else self.filters)
        self.message()

    async def published(self, packet: codec.Publish) -> bool:
        topic, _mark, query = packet.topic.partition("?")
        if f"{topic}/".startswith(f"{self._own}/messages/events/"):
            return True
        rid = parse_qs(query).get("$rid", [""])[0]
        if topic == f"{TWIN}GET/":
            await self._twin(rid, None)
        elif topic == f"{TWIN}PATCH/properties/reported/":
            await self._twin(rid, packet.payload)
        elif topic.startswith("$iothub/methods/res/"):
            self._answered(topic, rid, packet.payload)
        else:
            return False
        return True

    async def _twin(self, rid: str, patch: bytes | None) -> None:
        """Read the twin, or change what it reports."""
        try:
            if fault := self.hub.world.faults.hit("twin-status", hub=self.hub.name, key=self.key):
                raise HubError(fault.status, "ThrottlingException", "a fault")
            await asyncio.sleep(self.hub.throttle.take("twin-read" if patch is None else "twin-write"))
            if patch is None:
                twin = self.registry.twin(self.key)
                document = {"desired": twin.desired.plain(), "reported": twin.reported.plain()}
                self._result(f"200/?$rid={rid}", json.dumps(document).encode())
            else:
                version = self.registry.report(self.key, _document(patch))
                self._result(f"204/?$rid={rid}&$version={version}", b"")
        except HubError as exc:
            self._result(f"{exc.status}/?$rid={rid}", json.dumps(exc.body()).encode())

    def _result(self, rest: str, payload: bytes) -> None:
        strict = self.hub.world.faults.hit("strict-twin-res", hub=self.hub.name, key=self.key)
        if not strict or f"{RESULTS}#" in self.filters:
            self.send(f"{RESULTS}{rest}", payload)

    # from the service

    def desired(self, patch: dict, version: int) -> None:
        if f"{DESIRED}#" in self.filters:
            self.send(f"{DESIRED}?$version={version}", json.dumps({**patch, "$version": version}).encode(), 1)

    def message(self) -> None:
        if f"{self._own}/messages/devicebound/#" not in self.filters:
            return
        under_way = set(self._unacknowledged.values())
        for one in self.registry.messages.get(self.key, []):
            if one["id"] not in under_way:
                facts = {"$.mid": one["id"], "$.to": f"/{self._own}/messages/devicebound", **one.get("properties", {})}
                pairs = "&".join(f"{quote(name, safe='')}={quote(str(value), safe='')}" for name, value in facts.items())
                packet_id = self.send(f"{self._own}/messages/devicebound/{pairs}", one["body"].encode(), 1)
                self._unacknowledged[packet_id or 0] = one["id"]

    def acknowledged(self, packet_id: int) -> None:
        if message := self._unacknowledged.pop(packet_id, None):
            self.registry.taken(self.key, message)

    async def invoke(self, method: str, payload, timeout: float) -> tuple[int, object]:
        if f"{METHODS}#" not in self.filters:
            raise HubError(404, "DeviceNotOnline", "The device is connected but does not listen to direct methods.")
        rid = str(next(self._numbers))
        answer = self._requests[rid] = asyncio.get_running_loop().create_future()
        try:
            self.send(f"{METHODS}{quote(method)}/?$rid={rid}", json.dumps(payload).encode())
            return await answer
        finally:
            del self._requests[rid]

    def _answered(self, topic: str, rid: str, payload: bytes) -> None:
        status, answer = unquote(topic.split("/")[3]), self._requests.get(rid)
        if answer is None or answer.done() or not status.lstrip("-").isdigit():
            return
        try:
            answer.set_result((int(status), json.loads(payload or b"null")))
        except ValueError:
            answer.set_result((int(status), None))


def _document(payload: bytes) -> dict:
    try:
        document = json.loads(payload)
    except (ValueError, RecursionError) as exc:
        raise invalid("the body is not JSON") from exc
    if not isinstance(document, dict):
        raise invalid("reported properties are an object")
    return document


async def serve(hub, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    transport = TcpTransport(reader, writer)
    try:
        await HubSession(hub, transport).serve()
    finally:
        transport.close()
