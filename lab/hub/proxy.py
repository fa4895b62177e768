# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A CONNECT proxy (RFC 9110, 9.3.6) that leads real Azure names to the lab and refuses every other name.

So the Azure SDKs run with their default endpoints, and nothing leaves the machine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

HEAD_MOST, HEAD_WITHIN = 16 * 1024, 10.0  # bytes, seconds
CHUNK = 65536
Targets = dict[tuple[str, int], tuple[str, int]]


async def serve_proxy(host: str, port: int, targets: Callable[[], Targets]) -> asyncio.Server:
    """``targets`` is asked at every request; names are lower case, ``*.zone`` stands for one label before the zone."""

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _serve(reader, writer, targets())
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # either side left; the other is told by the close below
        finally:
            writer.close()

    return await asyncio.start_server(client, host, port, limit=HEAD_MOST)


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, targets: Targets) -> None:
    async with asyncio.timeout(HEAD_WITHIN):
        head = await reader.readuntil(b"\r\n\r\n")
    method, _space, rest = head.split(b"\r\n", 1)[0].decode("latin-1").partition(" ")
    name, _colon, port = rest.partition(" ")[0].rpartition(":")
    where = find(targets, name.lower(), int(port)) if method == "CONNECT" and port.isdigit() else None
    if where is None:
        await _refuse(writer, 403, f"{method} {name}:{port}: the lab's proxy knows no such name")
        return
    try:
        far_reader, far_writer = await asyncio.open_connection(*where)
    except OSError as exc:
        await _refuse(writer, 502, f"{name}:{port} does not answer: {exc.strerror}")
        return
    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
    try:
        async with asyncio.TaskGroup() as both:
            both.create_task(_copy(reader, far_writer))
            both.create_task(_copy(far_reader, writer))
    except* OSError:
        pass  # one side was cut, so the other one is
    finally:
        far_writer.transport.abort()


def find(targets: Targets, name: str, port: int) -> tuple[str, int] | None:
    return targets.get((name, port)) or targets.get((f"*.{name.partition('.')[2]}", port))


async def _refuse(writer: asyncio.StreamWriter, status: int, words: str) -> None:
    body = f"{words}\n".encode()
    head = f"HTTP/1.1 {status} Refused\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One direction until its end; the other direction may go on (a half-closed TCP connection)."""
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
