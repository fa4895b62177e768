# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""HTTP CONNECT (RFC 9110, 9.3.6): a tunnel through a proxy, its answer read with limits."""

from __future__ import annotations

import socket
import time

from .errors import ProxyRefused

ANSWER_MOST = 16 * 1024  # bytes of status line and headers


def connect_through(stream, host, port, deadline):
    """Ask the proxy at the other end of ``stream`` for a tunnel; raises ProxyRefused. ``deadline`` is monotonic."""
    request = "CONNECT {0}:{1} HTTP/1.1\r\nHost: {0}:{1}\r\n\r\n".format(host, port)
    try:
        stream.sendall(request.encode("ascii"))
        answer = _read_head(stream, deadline)
    except OSError as exc:
        raise ProxyRefused("the proxy did not answer CONNECT ({0})".format(exc)) from exc
    parts = answer.split(b"\r\n", 1)[0].split(None, 2)
    if len(parts) < 2 or not parts[0].startswith(b"HTTP/1.") or not parts[1].isdigit():
        raise ProxyRefused("the proxy's answer is not HTTP; is this the proxy's port?")
    if not 200 <= int(parts[1]) < 300:
        raise ProxyRefused(
            "the proxy refused CONNECT {0}:{1} with status {2}; allow it there".format(host, port, parts[1].decode())
        )


def _read_head(stream, deadline):
    """Everything up to the empty line, byte by byte: what follows belongs to TLS."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        left = deadline - time.monotonic()
        if left <= 0:
            raise socket.timeout("timed out")
        if len(head) >= ANSWER_MOST:
            raise ProxyRefused("the proxy's answer is longer than {0} bytes".format(ANSWER_MOST))
        stream.settimeout(left)
        byte = stream.recv(1)
        if not byte:
            raise ProxyRefused("the proxy closed the connection instead of answering CONNECT")
        head += byte
    return head


__all__ = ("connect_through",)
