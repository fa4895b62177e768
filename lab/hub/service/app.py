# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The application behind port 443: faults, authorisation and errors around the groups of calls."""

from __future__ import annotations

import asyncio
import logging

from aiohttp import web

from ..device import websocket
from ..errors import HubError, invalid
from . import auth, configurations, identities, jobs, methods, queries, twins

BODY_MOST = 1024 * 1024  # bytes
LOG = logging.getLogger("lab.hub")


def make_app(hub) -> web.Application:
    app = web.Application(middlewares=[Around(hub).call], client_max_size=BODY_MOST)
    for group in (identities, twins, queries, methods, jobs, configurations):
        app.add_routes(group.routes(hub))
    app.router.add_get("/$iothub/websocket", websocket.handler(hub))
    return app


class Around:
    """What every call meets before its own handler."""

    def __init__(self, hub) -> None:
        self.hub = hub

    @web.middleware
    async def call(self, request: web.Request, handler) -> web.StreamResponse:
        if request.host.partition(":")[0].lower() not in self.hub.names:
            return web.Response(status=404, text="no such host here")
        if request.path == "/$iothub/websocket":
            return await handler(request)
        try:
            await self._faults(request)
            auth.authorise(self.hub, request)
            if "api-version" not in request.query:
                raise invalid("api-version is missing")
            return await handler(request)
        except HubError as exc:
            return failure(exc, exc.method_body() if request.path.endswith("/methods") and exc.status != 401 else exc.body())
        except web.HTTPException as exc:
            codes = {404: "InvalidOperation", 405: "MethodNotAllowed", 413: "MessageTooLarge"}
            return failure(HubError(exc.status, codes.get(exc.status, "InvalidOperation"), exc.reason))
        except Exception:
            LOG.exception("%s %s", request.method, request.path)
            return failure(HubError(500, "ServerError", "an error of the lab's hub; its log says more"))

    async def _faults(self, request: web.Request) -> None:
        facts = {"hub": self.hub.name, "method": request.method, "path": request.path}
        faults = self.hub.world.faults
        if slow := faults.hit("latency", **facts):
            await asyncio.sleep(slow.seconds)
        if faults.hit("drop-tcp", **facts) and request.transport:
            request.transport.abort()
            raise asyncio.CancelledError
        if lag := faults.hit("index-lag", hub=self.hub.name):
            self.hub.registry.index.lag = lag.seconds
        if broken := faults.hit("status", **facts):
            codes = {429: "ThrottlingException", 503: "ServiceUnavailable"}
            message = "The request has been throttled. Wait 10 seconds and try again." if broken.status == 429 else "A fault."
            raise HubError(broken.status, codes.get(broken.status, "ServerError"), message)


def failure(error: HubError, body: dict | None = None) -> web.Response:
    """As the real hub: the code in a header, 429 without Retry-After on a connection that ends."""
    answer = web.json_response(body or error.body(), status=error.status, headers={"iothub-errorcode": error.code})
    if error.status == 429:
        answer.force_close()
    return answer
