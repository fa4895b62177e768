# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hub's admin API, plain HTTP on loopback: what the lab, the demo and the tests steer and count with."""

from __future__ import annotations

from aiohttp import web

from .server import Hub, State


def make_app(hubs: dict[str, Hub], state: State) -> web.Application:
    """Routes: GET /registry /wait; POST /cutover /serve."""

    def hub_of(name: str | None) -> Hub:
        if name not in hubs:
            raise web.HTTPNotFound(text=f"hub {name!r} is not one of {', '.join(hubs)}\n")
        return hubs[name]

    async def registry(request: web.Request) -> web.Response:
        return web.json_response({name: hub.registry.as_dict() for name, hub in hubs.items()})

    async def wait(request: web.Request) -> web.Response:
        hub, query = hub_of(request.query.get("hub")), request.query
        reached = await hub.registry.wait_connected(int(query["connected"]), float(query.get("seconds", "60")))
        return web.json_response({"reached": reached, **hub.registry.as_dict()})

    async def cutover(request: web.Request) -> web.Response:
        body = await request.json()
        await hub_of(body.get("hub")).cutover(body["chain"], body["listen"])
        return saved()

    async def serve(request: web.Request) -> web.Response:
        body = await request.json()
        await hub_of(body.get("hub")).serve(body["chain"], body.get("fault", "none"), body.get("address"))
        return saved()

    def saved() -> web.Response:
        state.save(hubs)
        return web.json_response({name: hub.listen for name, hub in hubs.items()})

    @web.middleware
    async def bad_request(request: web.Request, handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except (KeyError, ValueError) as exc:
            raise web.HTTPBadRequest(text=f"{exc}\n") from exc

    app = web.Application(middlewares=[bad_request])
    app.add_routes([web.get(f"/{view.__name__}", view) for view in (registry, wait)])
    app.add_routes([web.post(f"/{view.__name__}", view) for view in (cutover, serve)])
    return app
