# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MQTT over WebSocket on port 443, path /$iothub/websocket, subprotocol mqtt (azure-docs iot-hub-devguide-protocols)."""

from __future__ import annotations

import asyncio

from aiohttp import WSMsgType, web

from .codec import PACKET_MOST
from .connection import UNREAD_MOST, Transport
from .hub_session import HubSession


class WebSocketTransport(Transport):
    """Binary messages are pieces of one stream; what is written goes out in order by a task of its own."""

    protocol = "MqttWs"

    def __init__(self, socket: web.WebSocketResponse, request: web.Request) -> None:
        assert request.transport is not None
        self._socket, self._below = socket, request.transport
        self.peer = request.transport.get_extra_info("peername")[0]
        secure = request.transport.get_extra_info("ssl_object")
        self.tls, self.certificate = secure.version() or "", secure.getpeercert(True)
        self._out: asyncio.Queue[bytes] = asyncio.Queue()
        self._unread = 0

    async def read(self) -> bytes:
        while True:
            message = await self._socket.receive()
            if message.type != WSMsgType.BINARY:
                return b""
            if message.data:
                return message.data

    def write(self, data: bytes) -> None:
        self._out.put_nowait(data)
        self._unread += len(data)
        if self._unread > UNREAD_MOST:
            self.abort()

    async def send(self) -> None:
        """Until it is cancelled."""
        while True:
            data = await self._out.get()
            await self._socket.send_bytes(data)
            self._unread -= len(data)
            self._out.task_done()

    async def drain(self) -> None:
        await self._out.join()

    def abort(self) -> None:
        self._below.abort()


def handler(hub):
    async def websocket(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(protocols=("mqtt",), max_msg_size=PACKET_MOST * 2)
        await socket.prepare(request)
        transport = WebSocketTransport(socket, request)
        sender = asyncio.create_task(transport.send())
        try:
            await HubSession(hub, transport).serve()
        finally:
            sender.cancel()
            await socket.close()
        return socket

    return websocket
