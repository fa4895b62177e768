# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One device's connection, from TLS to the last byte: CONNECT with its signature, then what devices do.

Limits as the real hub has them: five subscriptions, no QoS 2, one connection a device, 1.5 times the keep-alive.
"""

from __future__ import annotations

import asyncio
import time

from . import codec, sas
from .registry import Registry, Session

FIRST_PACKET_WITHIN = 10.0  # seconds
KEEP_ALIVE_MOST = 1767  # seconds, azure-docs iot-mqtt-connect-to-iot-hub
SUBSCRIPTIONS_MOST = 5


class Connection:
    def __init__(self, registry: Registry, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.registry, self.reader, self.writer = registry, reader, writer
        self.decoder = codec.Decoder()
        self.idle: float | None = FIRST_PACKET_WITHIN
        self.session: Session | None = None
        self.device = ""
        self.filters: list[str] = []
        self.clean = True

    async def serve(self) -> None:
        """Until the device leaves, is evicted, is silent for too long or talks nonsense."""
        try:
            while True:
                async with asyncio.timeout(self.idle):
                    data = await self.reader.read(65536)
                if not data:
                    return
                for packet in self.decoder.feed(data):
                    if not await self._handle(packet):
                        return
                await self.writer.drain()
        except (codec.Malformed, TimeoutError, OSError):
            return
        finally:
            if self.session is not None:
                await self.registry.closed(self.session)
            self.writer.close()

    async def _handle(self, packet) -> bool:
        """Act on one packet; False closes the connection."""
        if self.session is None:
            return isinstance(packet, codec.Connect) and await self._connect(packet)
        match packet:
            case codec.Subscribe():
                return self._subscribe(packet)
            case codec.Unsubscribe():
                self.filters = [name for name in self.filters if name not in packet.filters]
                self._keep()
                self.writer.write(codec.unsuback(packet.packet_id))
            case codec.Publish():
                if packet.qos == 2 or not packet.topic.startswith(f"devices/{self.device}/messages/events/"):
                    return False
                if packet.packet_id is not None:
                    self.writer.write(codec.puback(packet.packet_id))
            case codec.PingReq():
                self.writer.write(codec.pingresp())
            case codec.PubAck():
                pass
            case _:  # DISCONNECT, or a second CONNECT
                return False
        return True

    async def _connect(self, packet: codec.Connect) -> bool:
        code = self._judge(packet)
        kept = None if packet.clean_session else self.registry.subscriptions(packet.client_id)
        self.writer.write(codec.connack(kept is not None, code))
        if code != codec.ACCEPTED:
            await self.writer.drain()
            return False
        self.clean, self.filters = packet.clean_session, list(kept or ())
        self.idle = min(packet.keep_alive * 1.5 or KEEP_ALIVE_MOST, KEEP_ALIVE_MOST)
        tls = self.writer.get_extra_info("ssl_object")
        peer = self.writer.get_extra_info("peername")
        self.device = packet.client_id
        self.session = Session(packet.client_id, peer[0], tls.version() or "", self.writer.transport.abort)
        await self.registry.open(self.session)
        self._keep()
        return True

    def _judge(self, packet: codec.Connect) -> int:
        if packet.protocol_level != 4:
            return codec.BAD_PROTOCOL
        key = self.registry.devices.get(packet.client_id)
        name = (packet.username or "").split("/")
        known = key is not None and name[:2] == [self.registry.hub, packet.client_id]
        if not known or not sas.check(packet.password, self.registry.hub, packet.client_id, key or "", time.time()):
            return codec.NOT_AUTHORIZED
        return codec.ACCEPTED

    def _subscribe(self, packet: codec.Subscribe) -> bool:
        allowed = (f"devices/{self.device}/messages/devicebound/", "$iothub/twin/", "$iothub/methods/POST/")
        if not all(name.startswith(allowed) for name, _qos in packet.filters):
            return False
        self.filters += [name for name, _qos in packet.filters if name not in self.filters]
        if len(self.filters) > SUBSCRIPTIONS_MOST:
            return False
        self._keep()
        self.writer.write(codec.suback(packet.packet_id, [min(qos, 1) for _name, qos in packet.filters]))
        return True

    def _keep(self) -> None:
        self.registry.keep(self.device, None if self.clean else self.filters)
