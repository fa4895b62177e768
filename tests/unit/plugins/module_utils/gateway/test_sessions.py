# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Live sessions as the kernel prints them, of every network namespace."""

from __future__ import annotations

import os
import socket
import sys
import threading

import pytest
from ansible_collections.rootwave.iot.plugins.module_utils.gateway import sessions
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.sessions import Session

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
ROW = "   0: {3}:C350 {0}:{1} {2} 00000000:00000000 00:00000000 00000000     0        0 1 1\n"


def words(text):
    """An address as a little-endian kernel prints it, as this machine's would: 32-bit words in its own byte order."""
    raw = bytes.fromhex(text)
    here = raw if sys.byteorder == "little" else b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4))
    return here.hex().upper()


LOCAL = {"tcp": words("0100007F"), "tcp6": words("00000000000000000000000001000000")}
V4 = words("040200C0")  # 192.0.2.4
V6 = words("B80D0120000000000000000001000000")  # 2001:db8::1
MAPPED = words("0000000000000000FFFF0000040200C0")  # ::ffff:192.0.2.4
MQTT, HTTPS, SSH = "22B3", "01BB", "0016"
ESTABLISHED, TIME_WAIT = "01", "06"


def process(proc, pid, namespace, tcp=(), tcp6=()):
    net = proc / pid / "net"
    net.mkdir(parents=True)
    (proc / pid / "ns").mkdir()
    (proc / pid / "ns" / "net").symlink_to("net:[{0}]".format(namespace))
    for name, rows in (("tcp", tcp), ("tcp6", tcp6)):
        (net / name).write_text(HEAD + "".join(ROW.format(*row, LOCAL[name]) for row in rows))


@pytest.mark.parametrize(
    "table, row, expected",
    [
        ("tcp", (V4, MQTT, ESTABLISHED), [Session("192.0.2.4", 8883)]),
        ("tcp", (V4, HTTPS, ESTABLISHED), [Session("192.0.2.4", 443)]),
        ("tcp6", (V6, MQTT, ESTABLISHED), [Session("2001:db8::1", 8883)]),
        ("tcp6", (MAPPED, MQTT, ESTABLISHED), [Session("192.0.2.4", 8883)]),
        ("tcp", (V4, SSH, ESTABLISHED), []),
        ("tcp", (V4, MQTT, TIME_WAIT), []),
    ],
)
def test_live_sessions(tmp_path, table, row, expected):
    process(tmp_path, "1", 1, **{table: [row]})
    assert sessions.live_sessions(str(tmp_path)) == expected


def test_sockets_that_are_not_looked_at(tmp_path):
    process(tmp_path, "1", 1, tcp=[(V4, MQTT, ESTABLISHED)])  # whose inode is 1
    assert sessions.live_sessions(str(tmp_path), but={"1"}) == []
    assert sessions.live_sessions(str(tmp_path), but={"11"}) == [Session("192.0.2.4", 8883)]


def test_sockets_of_a_process():
    before = sessions.sockets_of(os.getpid())
    with socket.socket() as one:
        inode = str(os.fstat(one.fileno()).st_ino)
        assert sessions.sockets_of(os.getpid()) - before == {inode}
    assert inode not in sessions.sockets_of(os.getpid())
    assert sessions.sockets_of(2**30) == set()


def test_a_container_has_a_namespace_of_its_own(tmp_path):
    process(tmp_path, "1", 1)
    process(tmp_path, "2", 1)
    process(tmp_path, "300", 2, tcp=[(V4, MQTT, ESTABLISHED)])
    (tmp_path / "self").mkdir()
    assert sessions.live_sessions(str(tmp_path)) == [Session("192.0.2.4", 8883)]


def test_a_broker_on_the_gateway_itself_is_not_what_moves(tmp_path):
    """A container talks to another one on this gateway: the far end is a local end of some namespace."""
    process(tmp_path, "1", 1, tcp=[("0100007F", "C350", ESTABLISHED), (V4, MQTT, ESTABLISHED)])
    assert sessions.live_sessions(str(tmp_path), (0xC350, 8883)) == [Session("192.0.2.4", 8883)]


def test_a_peer_that_cannot_be_looked_at_may_well_be_a_hub(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert sessions.is_hub_like(Session("127.0.0.1", port)), "nobody listens there any more"


def test_a_peer_that_refuses_to_show_a_certificate_is_none():
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=lambda: answer_nonsense(server), daemon=True)
        thread.start()
        assert not sessions.is_hub_like(Session(*server.getsockname()))
        thread.join()


def answer_nonsense(server):
    stream, _peer = server.accept()
    with stream:
        stream.recv(65536)
        stream.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def test_unlisted():
    listed, mqtt = Session("192.0.2.1", 8883), Session("192.0.2.2", 8883)
    hub, shop = Session("192.0.2.3", 443), Session("192.0.2.4", 443)
    found = sessions.unlisted([listed, mqtt, hub, shop], {"192.0.2.1"}, lambda session: session == hub)
    assert found == [mqtt, hub]


def test_more_peers_than_can_be_asked_are_suspects():
    peers = [Session("192.0.2.{0}".format(number), 443) for number in range(sessions.PEERS_MOST + 2)]
    assert sessions.unlisted(peers, set(), lambda _session: False) == peers[sessions.PEERS_MOST :]
