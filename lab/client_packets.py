# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The half of MQTT 3.1.1 that the hub's codec does not have: what a client sends, and what a server sends read."""

from __future__ import annotations

import asyncio


def connect(client_id: str, username: str, password: str) -> bytes:
    """CONNECT with a clean session and without keep-alive (3.1)."""
    return packet(0x10, text("MQTT") + bytes([4, 0xC2, 0, 0]) + text(client_id) + text(username) + text(password))


def subscribe(packet_id: int, filters) -> bytes:
    return packet(0x82, packet_id.to_bytes(2, "big") + b"".join(text(name) + b"\0" for name in filters))


def text(value: str) -> bytes:
    data = value.encode()
    return len(data).to_bytes(2, "big") + data


def packet(first: int, body: bytes) -> bytes:
    length, encoded = len(body), bytearray()
    while True:
        length, byte = divmod(length, 128)
        encoded.append(byte | (0x80 if length else 0))
        if not length:
            return bytes([first]) + bytes(encoded) + body


async def read_packet(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """(first byte, body)."""
    first, length, shift = (await reader.readexactly(1))[0], 0, 0
    while True:
        byte = (await reader.readexactly(1))[0]
        length |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return first, await reader.readexactly(length)


def published(first: int, body: bytes) -> tuple[str, bytes, int | None]:
    """(topic, payload, packet id at QoS 1)."""
    end = 2 + int.from_bytes(body[:2], "big")
    qos = (first >> 1) & 3
    packet_id = int.from_bytes(body[end : end + 2], "big") if qos else None
    return body[2:end].decode(), body[end + (2 if qos else 0) :], packet_id


__all__ = ("connect", "published", "read_packet", "subscribe")
