# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab hub's MQTT codec: malformed packets are refused by name. The twin of each is the well-formed packet it is made from."""

from __future__ import annotations

import pytest

from lab.hub.device import codec

CONNECT = bytes.fromhex("10 18 0004 4d515454 04 c2 003c 0002 6732 0003 6e616d 0003 6b6579")
PUBLISH = bytes.fromhex("32 09 0003 612f62 0007 6869")
SUBSCRIBE = bytes.fromhex("82 08 0001 0003 612f62 01")
UNSUBSCRIBE = bytes.fromhex("a2 07 0001 0003 612f62")
PUBACK = bytes.fromhex("40 02 0007")
PINGREQ = bytes.fromhex("c0 00")
DISCONNECT = bytes.fromhex("e0 00")
GOOD = {
    CONNECT: codec.Connect("g2", True, 60, "nam", "key", 4),
    PUBLISH: codec.Publish("a/b", b"hi", 1, 7, False),
    SUBSCRIBE: codec.Subscribe(1, (("a/b", 1),)),
    UNSUBSCRIBE: codec.Unsubscribe(1, ("a/b",)),
    PUBACK: codec.PubAck(7),
    PINGREQ: codec.PingReq(),
    DISCONNECT: codec.Disconnect(),
}


def changed(packet: bytes, old: str, new: str) -> bytes:
    """The packet with one piece of it replaced; what is replaced stands in it once."""
    before = bytes.fromhex(old)
    assert packet.count(before) == 1
    return packet.replace(before, bytes.fromhex(new))


@pytest.mark.parametrize("packet", GOOD, ids=lambda packet: type(GOOD[packet]).__name__)
def test_well_formed(packet):
    assert codec.Decoder().feed(packet) == [GOOD[packet]]


@pytest.mark.parametrize("packet", [CONNECT, PUBLISH], ids=["connect", "publish"])
def test_any_piece_is_waited_for(packet):
    """A packet that has not arrived as a whole is no malformed one; TCP cuts where it likes."""
    decoder = codec.Decoder()
    assert all(decoder.feed(packet[at : at + 1]) == [] for at in range(len(packet) - 1))
    assert decoder.feed(packet[-1:] + PINGREQ) == [GOOD[packet], codec.PingReq()]


@pytest.mark.parametrize(
    "packet, complaint",
    [
        (changed(CONNECT, "10 18", "10 17")[:-1], "packet ends too early"),
        (changed(PUBLISH, "32 09", "32 04")[:6], "packet ends too early"),
        (changed(PUBACK, "40 02", "40 01")[:-1], "packet ends too early"),
        (changed(PUBACK, "40 02", "40 03") + b"\0", "packet is too long"),
        (bytes.fromhex("c0 01 00"), "packet is too long"),
        (bytes.fromhex("30 ff ff ff ff 01"), "remaining length of more than four bytes"),
        (b"\x30" + bytes.fromhex("81 80 10"), f"packet of {codec.PACKET_MOST + 1} bytes"),
        (changed(CONNECT, "4d515454", "4d515455"), "not an MQTT CONNECT"),
        (changed(CONNECT, "10 18", "11 18"), "not an MQTT CONNECT"),
        (changed(CONNECT, "c2 003c", "c3 003c"), "reserved connect flags"),
        (changed(CONNECT, "c2 003c", "42 003c"), "reserved connect flags"),
        (changed(CONNECT, "0002 6732", "0002 c328"), "text is not UTF-8"),
        (changed(CONNECT, "0002 6732", "0002 6700"), "text with a null character"),
        (changed(PUBLISH, "612f62", "61ff62"), "text is not UTF-8"),
        (changed(PUBLISH, "612f62", "612f2b"), "topic with wildcards"),
        (changed(PUBLISH, "32 09", "36 09"), "QoS 3"),
        (changed(PUBLISH, "0007 6869", "0000 6869"), "packet identifier 0"),
        (changed(SUBSCRIBE, "82 08", "80 08"), "reserved flags of SUBSCRIBE"),
        (changed(SUBSCRIBE, "62 01", "62 03"), "requested QoS"),
        (bytes.fromhex("82 02 0001"), "SUBSCRIBE without a filter"),
        (changed(UNSUBSCRIBE, "a2 07", "a0 07"), "reserved flags of UNSUBSCRIBE"),
        (bytes.fromhex("a2 02 0001"), "UNSUBSCRIBE without a filter"),
        (bytes.fromhex("20 02 0000"), "packet type 2"),
        (bytes.fromhex("00 00"), "packet type 0"),
    ],
)
def test_malformed(packet, complaint):
    with pytest.raises(codec.Malformed, match=complaint):
        codec.Decoder().feed(packet)


def test_the_largest_packet_is_taken():
    """The twin of the oversized one, and of the length of five bytes."""
    payload = b"x" * (codec.PACKET_MOST - len(b"\0\1a"))
    assert codec.Decoder().feed(codec.publish("a", payload)) == [codec.Publish("a", payload, 0, None, False)]
    with pytest.raises(codec.Malformed, match=f"packet of {codec.PACKET_MOST + 1} bytes"):
        codec.Decoder().feed(codec.publish("a", payload + b"x"))


def test_an_oversized_packet_is_refused_before_it_has_arrived():
    """Its five bytes of header are enough: nobody fills the hub's memory with the rest."""
    with pytest.raises(codec.Malformed, match="packet of 268435455 bytes"):
        codec.Decoder().feed(bytes.fromhex("30 ff ff ff 7f"))
