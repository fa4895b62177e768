# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hub's admin API, plain HTTP on loopback: what the lab, the demo and the tests steer and count with."""

from __future__ import annotations

from aiohttp import web

from .world import Hub, World

BODY_MOST = 256 * 1024 * 1024  # bytes; a hundred thousand devices come in one call


class Admin:
    """One method per route; a ``hub`` in query or body names which one."""

    def __init__(self, world: World) -> None:
        self.world = world

    def _hub(self, name: str | None) -> Hub:
        if name not in self.world.hubs:
            raise web.HTTPNotFound(text=f"hub {name!r} is not one of {', '.join(self.world.hubs)}\n")
        return self.world.hubs[name]

    async def registry(self, request: web.Request) -> web.Response:
        return web.json_response({name: hub.registry.as_dict() for name, hub in self.world.hubs.items()})

    async def wait(self, request: web.Request) -> web.Response:
        hub, query = self._hub(request.query.get("hub")), request.query
        sessions = hub.registry.sessions
        reached = await sessions.wait_connected(int(query["connected"]), float(query.get("seconds", "60")))
        return web.json_response({"reached": reached, **hub.registry.as_dict()})

    async def throttled(self, request: web.Request) -> web.Response:
        """How many calls a hub refused with 429."""
        return web.json_response({name: hub.throttle.refused for name, hub in self.world.hubs.items()})

    async def cutover(self, request: web.Request) -> web.Response:
        body = await request.json()
        await self._hub(body.get("hub")).cutover(body["chain"], body["listen"])
        return self._listening()

    async def serve(self, request: web.Request) -> web.Response:
        body = await request.json()
        if body.get("hub") not in self.world.fronts:
            raise ValueError(f"{body.get('hub')!r} is not one of {', '.join(self.world.fronts)}")
        await self.world.fronts[body["hub"]].serve(body["chain"], body.get("fault", "none"), body.get("address"))
        return self._listening()

    async def drop(self, request: web.Request) -> web.Response:
        """Cut all connections of a hub, or of one device."""
        body = await request.json()
        self._hub(body.get("hub")).registry.sessions.drop(body.get("key"))
        return web.json_response({})

    async def fault(self, request: web.Request) -> web.Response:
        self.world.faults.add(await request.json())
        return web.json_response({})

    async def clear(self, request: web.Request) -> web.Response:
        self.world.faults.clear()
        for hub in self.world.hubs.values():
            hub.registry.index.lag = 0.0
        return web.json_response({})

    async def expire_tokens(self, request: web.Request) -> web.Response:
        self.world.tokens.expire_all()
        return web.json_response({})

    async def trust_client(self, request: web.Request) -> web.Response:
        body = await request.json()
        for front in self.world.fronts.values():
            front.trust_client(body["pem"])
        return web.json_response({})

    async def seed(self, request: web.Request) -> web.Response:
        """{"hub", "devices": {id: {"tags", "desired", "reported", "authentication", ...}}}"""
        body = await request.json()
        self._hub(body.get("hub")).registry.seed(body["devices"])
        return web.json_response({"devices": len(body["devices"])})

    async def send(self, request: web.Request) -> web.Response:
        """A cloud-to-device message: the service SDK sends it over AMQP, which the lab does not speak."""
        body = await request.json()
        self._hub(body.get("hub")).registry.send(body["key"], {"body": body["body"], "properties": body.get("properties", {})})
        return web.json_response({})

    async def past(self, request: web.Request) -> web.Response:
        """{"hub", "events": [EventLog.put's arguments], "metrics": {name: [[epoch seconds, value]]}}"""
        body = await request.json()
        registry = self._hub(body.get("hub")).registry
        for event in body.get("events", ()):
            registry.events.put(**event)
        for name, samples in body.get("metrics", {}).items():
            for at, value in samples:
                registry.metrics.record(name, value, at)
        return web.json_response({})

    def _listening(self) -> web.Response:
        return web.json_response({name: front.listen for name, front in self.world.fronts.items()})


def make_admin_app(world: World) -> web.Application:
    """GET what only looks, POST what changes."""
    admin = Admin(world)
    app = web.Application(middlewares=[bad_request], client_max_size=BODY_MOST)
    app.add_routes([web.get(f"/{view.__name__}", view) for view in (admin.registry, admin.wait, admin.throttled)])
    changes = (admin.cutover, admin.serve, admin.drop, admin.fault, admin.clear, admin.expire_tokens, admin.trust_client)
    app.add_routes([web.post(f"/{view.__name__}", view) for view in (*changes, admin.seed, admin.send, admin.past)])
    return app


@web.middleware
async def bad_request(request: web.Request, handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except (KeyError, ValueError, TypeError) as exc:
        raise web.HTTPBadRequest(text=f"{exc!r}\n") from exc
