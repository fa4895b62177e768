# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One MQTT connection over any transport: packets in, packets out, limits. Who is behind it and what topics mean is a subclass's.

Limits as the real hub has them (azure-docs iot-mqtt-connect-to-iot-hub): no QoS 2, five subscriptions, 1.5 times the keep-alive.
"""

from __future__ import annotations

import abc
import asyncio
import ssl

from ..errors import HubError
from ..sessions import CLOSED
from . import codec

FIRST_PACKET_WITHIN = 10.0  # seconds
KEEP_ALIVE_MOST = 1767  # seconds
SUBSCRIPTIONS_MOST = 5
UNREAD_MOST = 1024 * 1024  # bytes that a client may leave unread before it is cut


class Transport(abc.ABC):
    """Bytes to and from one client after TLS."""

    protocol = "Mqtt"
    peer: str
    tls: str
    certificate: bytes | None  # DER

    @abc.abstractmethod
    async def read(self) -> bytes:
        """Some bytes; empty at the end."""

    @abc.abstractmethod
    def write(self, data: bytes) -> None:
        """Queue bytes; a client that does not read is cut beyond UNREAD_MOST."""

    @abc.abstractmethod
    async def drain(self) -> None:
        """Wait until the client has room."""

    @abc.abstractmethod
    def abort(self) -> None:
        """Cut the connection at once."""


class TcpTransport(Transport):
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.peer = writer.get_extra_info("peername")[0]
        secure: ssl.SSLObject = writer.get_extra_info("ssl_object")
        self.tls, self.certificate = secure.version() or "", secure.getpeercert(True)

    async def read(self) -> bytes:
        return await self._reader.read(65536)

    def write(self, data: bytes) -> None:
        self._writer.write(data)
        if self._writer.transport.get_write_buffer_size() > UNREAD_MOST:
            self.abort()

    async def drain(self) -> None:
        await self._writer.drain()

    def abort(self) -> None:
        self._writer.transport.abort()

    def close(self) -> None:
        self._writer.close()


class Connection(abc.ABC):
    """CONNECT first; then what ``published``, ``allowed`` and ``gone`` of a subclass make of it."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.filters: list[str] = []
        self.connected = False
        self._decoder = codec.Decoder()
        self._idle: float = FIRST_PACKET_WITHIN
        self._packet_id = 0

    @abc.abstractmethod
    async def connect(self, packet: codec.Connect) -> tuple[int, bool]:
        """(CONNACK's code, session present)."""

    @abc.abstractmethod
    def allowed(self, name: str) -> bool:
        """Whether a topic filter may be subscribed to."""

    @abc.abstractmethod
    async def published(self, packet: codec.Publish) -> bool:
        """Act on a message; False for a topic that does not exist here, which ends the connection."""

    @abc.abstractmethod
    async def gone(self, error: HubError | None) -> None:
        """The connection ended; ``error`` is None after a DISCONNECT."""

    @abc.abstractmethod
    def subscribed(self) -> None:
        """``filters`` changed."""

    @abc.abstractmethod
    def acknowledged(self, packet_id: int) -> None:
        """The client has a message that went out with QoS 1."""

    async def serve(self) -> None:
        """Until the client leaves, is cut, is silent for too long or talks nonsense."""
        error: HubError | None = CLOSED
        try:
            while data := await self._read():
                for packet in self._decoder.feed(data):
                    if isinstance(packet, codec.Disconnect) and self.connected:
                        error = None
                        return
                    if not await self._handle(packet):
                        return
                await self.transport.drain()
        except (codec.Malformed, TimeoutError, OSError):
            return
        finally:
            if self.connected:
                await self.gone(error)

    async def _read(self) -> bytes:
        async with asyncio.timeout(self._idle):
            return await self.transport.read()

    async def _handle(self, packet) -> bool:
        """Act on one packet; False ends the connection."""
        if not self.connected:
            return isinstance(packet, codec.Connect) and await self._connect(packet)
        match packet:
            case codec.Subscribe():
                return self._subscribe(packet)
            case codec.Unsubscribe():
                self.filters = [name for name in self.filters if name not in packet.filters]
                self.subscribed()
                self.transport.write(codec.unsuback(packet.packet_id))
            case codec.Publish():
                if packet.qos == 2 or not await self.published(packet):
                    return False
                if packet.packet_id is not None:
                    self.transport.write(codec.puback(packet.packet_id))
            case codec.PingReq():
                self.transport.write(codec.pingresp())
            case codec.PubAck():
                self.acknowledged(packet.packet_id)
            case _:  # a second CONNECT
                return False
        return True

    async def _connect(self, packet: codec.Connect) -> bool:
        code, present = await self.connect(packet) if packet.protocol_level == 4 else (codec.BAD_PROTOCOL, False)
        self.transport.write(codec.connack(present, code))
        if code != codec.ACCEPTED:
            await self.transport.drain()
            return False
        self._idle = min(packet.keep_alive * 1.5 or KEEP_ALIVE_MOST, KEEP_ALIVE_MOST)
        self.connected = True
        self.subscribed()
        return True

    def _subscribe(self, packet: codec.Subscribe) -> bool:
        self.filters += [name for name, _qos in packet.filters if name not in self.filters]
        if len(self.filters) > SUBSCRIPTIONS_MOST or not all(self.allowed(name) for name, _qos in packet.filters):
            return False
        self.transport.write(codec.suback(packet.packet_id, [min(qos, 1) for _name, qos in packet.filters]))
        self.subscribed()
        return True

    def send(self, topic: str, payload: bytes, qos: int = 0) -> int | None:
        """Publish to the client; the packet id at QoS 1."""
        if qos:
            self._packet_id = self._packet_id % 65535 + 1
        packet_id = self._packet_id if qos else None
        self.transport.write(codec.publish(topic, payload, qos, packet_id))
        return packet_id
