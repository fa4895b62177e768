# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""Who on this gateway talks to a hub right now: established TCP sessions of every network namespace.

A container's sessions live in a namespace of their own, so /proc/net alone does not show them; one process of each
namespace leads to its table. See proc(5), /proc/net/tcp.
"""

from __future__ import annotations

import binascii
import os
import re
import socket
import ssl
import sys
from typing import NamedTuple

from . import files, namespaces
from .probe import served_leaf

HUB_PORTS = (8883, 5671, 443)  # MQTT, AMQP, and both over WebSockets: azure-docs iot-hub-devguide-protocols
ALWAYS_HUB = (8883, 5671)
ESTABLISHED = "01"
PEERS_MOST = 20  # peers on 443 that are asked for their certificate
LOOK_TIMEOUT = 3.0  # seconds
HUB_NAMES = tuple(
    name.encode("ascii")
    for name in (
        "azure-devices.net",
        "azure-devices.us",
        "azure-devices.cn",
        "azure-devices-provisioning.net",
        "azure-devices-provisioning.us",
        "azure-devices-provisioning.cn",
        "azureiotcentral.com",
    )
)


class Session(NamedTuple):
    """The far end of an established session."""

    address: str
    port: int


class Container(NamedTuple):
    """A network namespace that is not the gateway's own; ``name`` is for humans."""

    namespace: str
    name: str
    sessions: tuple


def live_sessions(proc="/proc", ports=HUB_PORTS, but=()):
    """A sorted list of distinct Sessions to any of these ports, those that end on this gateway itself left out.

    A broker on the gateway (IoT Edge's hub, mosquitto) is not what the campaign moves. ``but`` are sockets not to look at.
    """
    found, here = set(), set()
    for pid in namespaces.one_process_each(proc).values():
        for local, remote, established, socket_ in _ends(proc, pid):
            here.add(local)
            if established and remote.port in ports and socket_ not in but:
                found.add(remote)
    return sorted(found - here)


def peers(proc="/proc"):
    """The addresses of all established sessions, in whatever network namespace."""
    return {session.address for pid in namespaces.one_process_each(proc).values() for session in _established(proc, pid)}


def containers(proc="/proc"):
    """A list of Containers, the other network namespaces that have sessions: what they send is forwarded by this gateway."""
    found = []
    for link, pid in sorted(namespaces.others(proc).items()):
        established = _established(proc, pid)
        if established:
            found.append(Container(link, _name(proc, pid, link), tuple(sorted(established))))
    return found


def of_containers(proc="/proc"):
    """A sorted list of distinct Sessions of containers."""
    return sorted({session for container in containers(proc) for session in container.sessions})


def sockets_of(pid, proc="/proc"):
    """The sockets that a process has open, by inode as /proc/net/tcp names them; none when it has ended."""
    folder, found = os.path.join(proc, str(pid), "fd"), set()
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        try:
            target = os.readlink(os.path.join(folder, name))
        except OSError:
            continue  # closed meanwhile
        if target.startswith("socket:["):
            found.add(target[len("socket:[") : -1])
    return found


def unlisted(sessions, addresses, hub_like):
    """The sessions to hub-like peers that are none of ``addresses``; ``hub_like(session)`` judges those on port 443."""
    strangers = [session for session in sessions if session.address not in addresses]
    asked = [session for session in strangers if session.port not in ALWAYS_HUB]
    suspects = {session for session in asked[:PEERS_MOST] if hub_like(session)}
    suspects.update(asked[PEERS_MOST:])  # more than can be asked: refuse rather than guess
    return [session for session in strangers if session.port in ALWAYS_HUB or session in suspects]


def is_hub_like(session):
    """Whether a peer's certificate names an Azure IoT domain, or nobody can tell. Nothing is sent and nothing is trusted.

    A hub shows its certificate to whoever asks; a server that refuses the handshake is none. A peer that cannot be reached from
    here, such as one of a container with a route of its own, may well be one.
    Names in a certificate are plain ASCII in its DER (IA5String, RFC 5280 4.2.1.6), so they can be searched for.
    """
    try:
        with socket.create_connection((session.address, session.port), LOOK_TIMEOUT) as stream:
            leaf = served_leaf(stream, None, LOOK_TIMEOUT)
    except ssl.SSLError:
        return False
    except OSError:
        return True
    return any(name in leaf for name in HUB_NAMES)


def _name(proc, pid, namespace):
    """The id that Docker, podman and CRI put into a control group's name, if there is one, and a program in there."""
    group = re.search(rb"[0-9a-f]{64}", files.read(os.path.join(proc, pid, "cgroup"), 16 * 1024) or b"")
    program = (files.read(os.path.join(proc, pid, "comm"), 64) or b"").decode("utf-8", "replace").strip()
    what = "container {0}".format(group.group()[:12].decode("ascii")) if group else "container"
    return "{0} ({1}, {2})".format(what, namespace, program)


def _established(proc, pid):
    """The far ends of a namespace's sessions, those left out that end in it."""
    rows = list(_ends(proc, pid))
    return {remote for _local, remote, established, _socket in rows if established} - {row[0] for row in rows}


def _ends(proc, pid):
    """The rows of a process's namespace, both IP versions; as _rows."""
    for table, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        text = files.read(os.path.join(proc, pid, "net", table)) or b""
        yield from _rows(text.decode("ascii", "replace"), family)


def _rows(text, family):
    """(local end, remote end, whether the session is established, its socket) of each row, ends as Sessions."""
    for line in text.splitlines()[1:]:
        columns = line.split()
        if len(columns) > 9:
            yield _end(columns[1], family), _end(columns[2], family), columns[3] == ESTABLISHED, columns[9]


def _end(text, family):
    address, _colon, port = text.partition(":")
    return Session(_address(address, family), int(port, 16))


def _address(text, family):
    """The kernel prints 32-bit words in host byte order; a v4-mapped address is shown as IPv4."""
    raw = binascii.unhexlify(text)
    if sys.byteorder == "little":
        raw = b"".join(raw[i : i + 4][::-1] for i in range(0, len(raw), 4))
    if family == socket.AF_INET6 and raw.startswith(b"\0" * 10 + b"\xff\xff"):
        raw, family = raw[12:], socket.AF_INET
    return socket.inet_ntop(family, raw)


__all__ = (
    "Container",
    "Session",
    "containers",
    "is_hub_like",
    "live_sessions",
    "of_containers",
    "peers",
    "sockets_of",
    "unlisted",
)
