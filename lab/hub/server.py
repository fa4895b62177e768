# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hub's TLS listeners: which address serves which chain, faults by name, and the move to another address.

Port 8883 speaks MQTT. Port 443 completes the handshake and answers HTTP 404: it is there for probes until the hub
speaks WebSockets. State (addresses and chains) is kept on disk, so a restart changes nothing.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
from pathlib import Path

from lab import pki

from .connection import Connection
from .registry import Registry

MQTT_PORT = 8883
FAULTS = ("none", "tls12-only", "tls13-only", "hang", "refuse-tcp")
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Hub:
    """One hub name: ``listen`` maps each address to {"chain", "fault"}."""

    def __init__(self, name: str, ports: list[int], listen: dict[str, dict], registry: Registry, chains: dict) -> None:
        self.name, self.ports, self.listen = name, ports, listen
        self.registry, self.chains = registry, chains
        self._servers: dict[str, list[asyncio.Server]] = {}

    async def start(self) -> None:
        for address in list(self.listen):
            await self._open(address)

    async def close(self) -> None:
        for address in list(self._servers):
            await self._shut(address)

    async def cutover(self, chain: str, addresses: list[str]) -> None:
        """As Azure did: the new address serves the new chain, the old one stops, every connection drops."""
        self._check(chain)
        old = [address for address in self.listen if address not in addresses]
        for address in addresses:
            await self._shut(address)
            self.listen[address] = {"chain": chain, "fault": "none"}
            await self._open(address)
        for address in old:
            await self._shut(address)
            del self.listen[address]
        self.registry.drop()

    async def serve(self, chain: str, fault: str, address: str | None) -> None:
        """Another chain or fault on one address (which may be a new one), or on all; live connections stay."""
        self._check(chain)
        if fault not in FAULTS:
            raise ValueError(f"fault {fault!r} is not one of {', '.join(FAULTS)}")
        for one in [address] if address else list(self.listen):
            await self._shut(one)
            self.listen[one] = {"chain": chain, "fault": fault}
            await self._open(one)

    def _check(self, chain: str) -> None:
        if chain not in self.chains:
            raise ValueError(f"chain {chain!r} is not one of {', '.join(sorted(self.chains))}")

    async def _open(self, address: str) -> None:
        how = self.listen[address]
        if how["fault"] == "refuse-tcp":
            return
        context = None if how["fault"] == "hang" else server_context(self.chains[how["chain"]], how["fault"])
        self._servers[address] = [
            await asyncio.start_server(self._client(port, context is None), address, port, ssl=context, backlog=512)
            for port in self.ports
        ]

    async def _shut(self, address: str) -> None:
        for server in self._servers.pop(address, []):
            server.close()

    def _client(self, port: int, hang: bool):
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if hang:
                await reader.read()  # until the client gives up
                writer.close()
            elif port == MQTT_PORT:
                await Connection(self.registry, reader, writer).serve()
            else:
                await answer_not_found(reader, writer)

        return serve


async def answer_not_found(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        async with asyncio.timeout(10):
            await reader.readuntil(b"\r\n\r\n")
        writer.write(NOT_FOUND)
        await writer.drain()
    except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        pass  # a probe ends after the handshake and asks for nothing
    finally:
        writer.close()


def server_context(entities, fault: str) -> ssl.SSLContext:
    """A context that serves one chain, or an RSA and an ECDSA one side by side."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3 if fault == "tls13-only" else ssl.TLSVersion.TLSv1_2
    if fault == "tls12-only":
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    for entity in entities:
        load(context, entity)
    return context


def load(context: ssl.SSLContext, entity: pki.Entity) -> None:
    """load_cert_chain only reads files; the key's file exists for that moment, in memory, readable by us alone."""
    descriptor = os.memfd_create("lab-hub", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(descriptor), "w") as stream:
            stream.write(entity.key_pem + entity.served_pem)
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


class State:
    """Which address serves what, on disk."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> dict[str, dict]:
        return json.loads(self._path.read_text()) if self._path.exists() else {}

    def save(self, hubs: dict[str, Hub]) -> None:
        temporary = self._path.with_suffix(".tmp")
        temporary.write_text(json.dumps({name: hub.listen for name, hub in hubs.items()}))
        os.replace(temporary, self._path)
