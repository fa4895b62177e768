# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS listeners of one name: which address serves which chain, faults by name, and the move to another address.

What is behind a port is the caller's: a coroutine for a stream (MQTT), or a protocol factory (HTTP). State (addresses and chains)
is kept on disk, so a restart changes nothing.
"""

from __future__ import annotations

import asyncio
import asyncio.sslproto
import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass

from lab import pki

from .store import Store

FAULTS = ("none", "tls12-only", "tls13-only", "hang", "refuse-tcp")
BUFFER_MOST = 16384  # bytes; asyncio's own 256 KB for each TLS connection would be 25 GB for 100,000 devices

# Private in CPython, so only where it is there
if hasattr(asyncio.sslproto.SSLProtocol, "max_size"):
    asyncio.sslproto.SSLProtocol.max_size = BUFFER_MOST


@dataclass(frozen=True)
class Behind:
    """What answers on a port: exactly one of a stream's coroutine and a protocol factory."""

    stream: Callable | None = None
    protocol: Callable | None = None


class Front:
    """``ports`` maps a port to what is Behind it; ``listen`` maps each address to {"chain", "fault"}."""

    def __init__(self, name: str, ports: dict[int, Behind], listen: list[str], chain: str, chains: dict, store: Store) -> None:
        self.name, self.ports, self.chains, self._store = name, ports, chains, store
        kept = store.load(name, "listen")
        self.listen: dict[str, dict] = kept or {address: {"chain": chain, "fault": "none"} for address in listen}
        self._client_roots = store.load(name, "client-root")
        self._servers: dict[str, list[asyncio.Server]] = {}
        self._contexts: dict[str, ssl.SSLContext] = {}

    async def start(self) -> None:
        for address in list(self.listen):
            await self._open(address)

    async def close(self) -> None:
        for address in list(self._servers):
            self._shut(address)

    async def cutover(self, chain: str, addresses: list[str]) -> None:
        """The new address serves the new chain, the old one stops listening; connections are the caller's to drop."""
        self._check(chain)
        old = [address for address in self.listen if address not in addresses]
        for address in addresses:
            await self._serve(address, chain, "none")
        for address in old:
            self._shut(address)
            del self.listen[address]
            self._store.delete(self.name, "listen", address)

    async def serve(self, chain: str, fault: str, address: str | None) -> None:
        """Another chain or fault on one address (which may be a new one), or on all; live connections stay."""
        self._check(chain)
        if fault not in FAULTS:
            raise ValueError(f"fault {fault!r} is not one of {', '.join(FAULTS)}")
        for one in [address] if address else list(self.listen):
            await self._serve(one, chain, fault)

    def trust_client(self, pem: str) -> None:
        """Accept client certificates under this one, at once and after a restart.

        Python's ssl can ask for a certificate or verify it, not ask and leave the judgement to us.
        """
        for context in self._contexts.values():
            context.load_verify_locations(cadata=pem)
        self._client_roots[str(len(self._client_roots))] = {"pem": pem}
        self._store.put(self.name, "client-root", str(len(self._client_roots) - 1), {"pem": pem})

    def _check(self, chain: str) -> None:
        if chain not in self.chains:
            raise ValueError(f"chain {chain!r} is not one of {', '.join(sorted(self.chains))}")

    async def _serve(self, address: str, chain: str, fault: str) -> None:
        self._shut(address)
        self.listen[address] = {"chain": chain, "fault": fault}
        self._store.put(self.name, "listen", address, self.listen[address])
        await self._open(address)

    async def _open(self, address: str) -> None:
        how = self.listen[address]
        if how["fault"] == "refuse-tcp":
            return
        if how["fault"] == "hang":
            opened = [await asyncio.start_server(hang, address, port) for port in self.ports]
        else:
            context = server_context(self.chains[how["chain"]], how["fault"])
            context.verify_mode = ssl.CERT_OPTIONAL
            for root in self._client_roots.values():
                context.load_verify_locations(cadata=root["pem"])
            self._contexts[address] = context
            opened = [await self._listen(address, port, behind, context) for port, behind in self.ports.items()]
        self._servers[address] = opened

    async def _listen(self, address: str, port: int, behind: Behind, context: ssl.SSLContext) -> asyncio.Server:
        if behind.protocol:
            loop = asyncio.get_running_loop()
            return await loop.create_server(behind.protocol, address, port, ssl=context, backlog=512)
        assert behind.stream is not None
        return await asyncio.start_server(behind.stream, address, port, ssl=context, backlog=512)

    def _shut(self, address: str) -> None:
        self._contexts.pop(address, None)
        for server in self._servers.pop(address, []):
            server.close()


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Accept, say nothing, until the client gives up."""
    while await reader.read(4096):
        pass
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
