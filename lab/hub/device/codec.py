# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MQTT 3.1.1 packets from and to bytes, without any I/O (OASIS MQTT Version 3.1.1, sections 2 and 3).

Strict where a broker must be: reserved flags, lengths, UTF-8. What is malformed raises Malformed, and the caller closes
the connection (4.8). Packets that only a server sends are encoded, those that only a client sends are decoded.
"""

from __future__ import annotations

from typing import NamedTuple

PACKET_MOST = 256 * 1024  # bytes, IoT Hub's message limit
ACCEPTED, BAD_PROTOCOL, BAD_IDENTIFIER, UNAVAILABLE, BAD_CREDENTIALS, NOT_AUTHORIZED = range(6)


class Malformed(Exception):
    """The bytes are not an MQTT 3.1.1 packet that a client may send."""


class Connect(NamedTuple):
    client_id: str
    clean_session: bool
    keep_alive: int  # seconds, 0 for none
    username: str | None
    password: str | None
    protocol_level: int


class Publish(NamedTuple):
    topic: str
    payload: bytes
    qos: int
    packet_id: int | None
    retain: bool


class PubAck(NamedTuple):
    packet_id: int


class Subscribe(NamedTuple):
    packet_id: int
    filters: tuple[tuple[str, int], ...]


class Unsubscribe(NamedTuple):
    packet_id: int
    filters: tuple[str, ...]


class PingReq(NamedTuple):
    pass


class Disconnect(NamedTuple):
    pass


class Decoder:
    """Feed it what arrives; it gives back whole packets."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list:
        self._buffer += data
        packets = []
        while (packet := self._next()) is not None:
            packets.append(packet)
        return packets

    def _next(self):
        header = _remaining_length(self._buffer)
        if header is None:
            return None
        start, length = header
        if length > PACKET_MOST:
            raise Malformed(f"packet of {length} bytes")
        if len(self._buffer) < start + length:
            return None
        first, body = self._buffer[0], bytes(self._buffer[start : start + length])
        del self._buffer[: start + length]
        reader = READERS.get(first >> 4)
        if reader is None:
            raise Malformed(f"packet type {first >> 4}")
        return reader(first & 0x0F, Reader(body))


class Reader:
    """Reads the fields of one packet's body."""

    def __init__(self, body: bytes) -> None:
        self._body, self._at = body, 0

    def take(self, count: int) -> bytes:
        part = self._body[self._at : self._at + count]
        if len(part) < count:
            raise Malformed("packet ends too early")
        self._at += count
        return part

    def integer(self, size: int = 2) -> int:
        return int.from_bytes(self.take(size), "big")

    def data(self) -> bytes:
        return self.take(self.integer())

    def text(self) -> str:
        try:
            text = self.data().decode("utf-8")
        except UnicodeDecodeError as exc:
            raise Malformed("text is not UTF-8") from exc
        if "\0" in text:
            raise Malformed("text with a null character")
        return text

    def rest(self) -> bytes:
        return self.take(len(self._body) - self._at)

    def more(self) -> bool:
        return self._at < len(self._body)

    def end(self) -> None:
        if self.more():
            raise Malformed("packet is too long")


def _remaining_length(buffer: bytearray) -> tuple[int, int] | None:
    """(offset of the body, its length), or None while the header is incomplete; 2.2.3."""
    length = 0
    for index in range(1, 5):
        if index >= len(buffer):
            return None
        length |= (buffer[index] & 0x7F) << (7 * (index - 1))
        if not buffer[index] & 0x80:
            return index + 1, length
    raise Malformed("remaining length of more than four bytes")


def _read_connect(flags: int, body: Reader) -> Connect:
    if flags or body.text() != "MQTT":
        raise Malformed("not an MQTT CONNECT")
    level, bits, keep_alive = body.integer(1), body.integer(1), body.integer()
    if bits & 0x01 or (bits & 0x40 and not bits & 0x80):
        raise Malformed("reserved connect flags")
    client_id = body.text()
    if bits & 0x04:
        body.text()
        body.data()
    username = body.text() if bits & 0x80 else None
    password = body.text() if bits & 0x40 else None
    body.end()
    return Connect(client_id, bool(bits & 0x02), keep_alive, username, password, level)


def _read_publish(flags: int, body: Reader) -> Publish:
    qos = (flags >> 1) & 0x03
    if qos == 3:
        raise Malformed("QoS 3")
    topic = body.text()
    if not topic or "+" in topic or "#" in topic:
        raise Malformed("topic with wildcards")
    packet_id = _packet_id(body) if qos else None
    return Publish(topic, body.rest(), qos, packet_id, bool(flags & 0x01))


def _read_puback(flags: int, body: Reader) -> PubAck:
    packet_id = _packet_id(body)
    body.end()
    return PubAck(packet_id)


def _read_subscribe(flags: int, body: Reader) -> Subscribe:
    if flags != 0x02:
        raise Malformed("reserved flags of SUBSCRIBE")
    packet_id, filters = _packet_id(body), []
    while body.more():
        name, qos = body.text(), body.integer(1)
        if qos > 2:
            raise Malformed("requested QoS")
        filters.append((name, qos))
    if not filters:
        raise Malformed("SUBSCRIBE without a filter")
    return Subscribe(packet_id, tuple(filters))


def _read_unsubscribe(flags: int, body: Reader) -> Unsubscribe:
    if flags != 0x02:
        raise Malformed("reserved flags of UNSUBSCRIBE")
    packet_id, filters = _packet_id(body), []
    while body.more():
        filters.append(body.text())
    if not filters:
        raise Malformed("UNSUBSCRIBE without a filter")
    return Unsubscribe(packet_id, tuple(filters))


def _read_pingreq(flags: int, body: Reader) -> PingReq:
    body.end()
    return PingReq()


def _read_disconnect(flags: int, body: Reader) -> Disconnect:
    body.end()
    return Disconnect()


def _packet_id(body: Reader) -> int:
    packet_id = body.integer()
    if packet_id == 0:
        raise Malformed("packet identifier 0")
    return packet_id


READERS = {
    1: _read_connect,
    3: _read_publish,
    4: _read_puback,
    8: _read_subscribe,
    10: _read_unsubscribe,
    12: _read_pingreq,
    14: _read_disconnect,
}


def connack(session_present: bool, code: int) -> bytes:
    return bytes([0x20, 2, int(session_present and code == ACCEPTED), code])


def puback(packet_id: int) -> bytes:
    return b"\x40\x02" + packet_id.to_bytes(2, "big")


def suback(packet_id: int, codes) -> bytes:
    return _packet(0x90, packet_id.to_bytes(2, "big") + bytes(codes))


def unsuback(packet_id: int) -> bytes:
    return b"\xb0\x02" + packet_id.to_bytes(2, "big")


def pingresp() -> bytes:
    return b"\xd0\x00"


def publish(topic: str, payload: bytes, qos: int = 0, packet_id: int | None = None) -> bytes:
    name = topic.encode("utf-8")
    identifier = packet_id.to_bytes(2, "big") if packet_id is not None else b""
    return _packet(0x30 | (qos << 1), len(name).to_bytes(2, "big") + name + identifier + payload)


def _packet(first: int, body: bytes) -> bytes:
    length, encoded = len(body), bytearray()
    while True:
        byte, length = length & 0x7F, length >> 7
        encoded.append(byte | (0x80 if length else 0))
        if not length:
            return bytes([first]) + bytes(encoded) + body
