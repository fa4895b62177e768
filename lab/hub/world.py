# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything of one process: hubs, DPS, what of Azure is around them, the CONNECT proxy."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from pathlib import Path

from aiohttp import web

from lab import pki

from .cloud.app import CLOUD_NAMES, make_cloud_app
from .cloud.imds import make_imds_app
from .cloud.login import Tokens
from .configurations import Configurations
from .device import dps, hub_session
from .device.dps_https import make_dps_app
from .faults import Faults
from .jobs import Jobs
from .proxy import serve_proxy
from .registry import Registry
from .server import Behind, Front
from .service.app import make_app
from .store import Store
from .throttle import Throttle

CLOUD_CHAIN = "v2"  # of the control plane, which is not what moves


class Hub:
    """One IoT hub: its registry, its quotas, its listeners."""

    def __init__(self, world: World, config: dict) -> None:
        self.world, self.config, self.name = world, config, config["name"]
        first, _dot, zone = self.name.partition(".")
        self.names = {self.name, f"{first}.device.{zone}", f"{first}.service.{zone}"}
        self.registry = Registry(self.name, world.store)
        known = self.registry.identities
        self.registry.seed({key: _sas(value) for key, value in config.get("devices", {}).items() if key not in known})
        self.throttle = Throttle(config["sku"], config["units"])
        self.jobs, self.configurations = Jobs(self), Configurations(self)
        self._runner = web.AppRunner(make_app(self), access_log=None)
        self._tasks: list[asyncio.Task] = []
        self.front: Front

    async def start(self) -> None:
        await self._runner.setup()
        assert self._runner.server is not None
        ports = {
            self.config["ports"]["mqtt"]: Behind(stream=functools.partial(hub_session.serve, self)),
            self.config["ports"]["https"]: Behind(protocol=self._runner.server),
        }
        self.front = Front(self.name, ports, self.config["listen"], self.config["chain"], self.world.chains, self.world.store)
        await self.front.start()
        self._tasks = [asyncio.create_task(part.run()) for part in (self.jobs, self.configurations)]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await self.front.close()
        self.registry.sessions.drop()
        await self._runner.cleanup()

    async def cutover(self, chain: str, addresses: list[str]) -> None:
        """As Azure did: another chain at another address, and every connection drops."""
        await self.front.cutover(chain, addresses)
        self.registry.sessions.drop()


class Dps:
    """The device provisioning service's one device endpoint."""

    def __init__(self, world: World, config: dict) -> None:
        self.world, self.config, self.name = world, config, config["host"]
        self._runner = web.AppRunner(make_dps_app(world), access_log=None)
        self.front: Front

    async def start(self) -> None:
        await self._runner.setup()
        assert self._runner.server is not None
        ports = {
            self.config["ports"]["mqtt"]: Behind(stream=functools.partial(dps.serve, self.world)),
            self.config["ports"]["https"]: Behind(protocol=self._runner.server),
        }
        self.front = Front(self.name, ports, self.config["listen"], self.config["chain"], self.world.chains, self.world.store)
        await self.front.start()

    async def close(self) -> None:
        await self.front.close()
        await self._runner.cleanup()


class World:
    def __init__(self, config: dict) -> None:
        self.config = config
        state_dir = Path(config["state_dir"])
        self.store = Store(state_dir / "hub.sqlite")
        roots = pki.create(state_dir)
        self.chains = pki.chains(roots)
        self.tokens, self.faults = Tokens(config["tenant"]), Faults()
        self.hubs = {item["name"]: Hub(self, item) for item in config["hubs"]}
        self.dps = Dps(self, config["dps"]) if config.get("dps") else None
        self._cloud = pki.chains(roots, CLOUD_NAMES)[CLOUD_CHAIN]
        self._open = contextlib.AsyncExitStack()

    @property
    def fronts(self) -> dict[str, Front]:
        found = {hub.name: hub.front for hub in self.hubs.values()}
        return found | ({self.dps.name: self.dps.front} if self.dps else {})

    async def start(self) -> None:
        for hub in self.hubs.values():
            await hub.start()
            self._open.push_async_callback(hub.close)
        if self.dps:
            await self.dps.start()
            self._open.push_async_callback(self.dps.close)
        await self._start_cloud()
        proxy = self.config["proxy"]
        server = await serve_proxy(proxy["host"], proxy["port"], self.targets)
        self._open.callback(server.close)

    async def _start_cloud(self) -> None:
        runner = web.AppRunner(make_cloud_app(self), access_log=None)
        await runner.setup()
        self._open.push_async_callback(runner.cleanup)
        assert runner.server is not None
        where = self.config["cloud"]
        chains = {CLOUD_CHAIN: self._cloud}
        front = Front("cloud", {where["port"]: Behind(protocol=runner.server)}, [where["host"]], CLOUD_CHAIN, chains, self.store)
        await front.start()
        self._open.push_async_callback(front.close)
        await self.plain_http(make_imds_app(self), **self.config["imds"])

    async def plain_http(self, app: web.Application, host: str, port: int) -> None:
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        self._open.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, host, port).start()

    async def close(self) -> None:
        await self._open.aclose()
        self.store.close()

    def targets(self) -> dict[tuple[str, int], tuple[str, int]]:
        """Where the CONNECT proxy leads: (name, port) as Azure has it -> (address, port) of the lab."""
        cloud = self.config["cloud"]
        found = {(name, 443): (cloud["host"], cloud["port"]) for name in CLOUD_NAMES}
        named = [(hub.names, hub.front, hub.config["ports"]) for hub in self.hubs.values()]
        if self.dps:
            named.append(({self.dps.name}, self.dps.front, self.dps.config["ports"]))
        for names, front, ports in named:
            for name in names if front.listen else ():
                address = next(iter(front.listen))
                found[name, 443] = (address, ports["https"])
                found[name, 8883] = (address, ports["mqtt"])
        return found


def _sas(key: str) -> dict:
    return {"authentication": {"type": "sas", "symmetricKey": {"primaryKey": key, "secondaryKey": key}}}
