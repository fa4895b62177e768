# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""/configurations: create, change, look, delete, list, test."""

from __future__ import annotations

import functools

from aiohttp import web

from ..configurations import test_queries
from ..errors import invalid
from .body import body_of, quoted, spend

TOP_MOST = 100


def routes(hub) -> list[web.RouteDef]:
    bound = functools.partial
    one = "/configurations/{configuration}"
    return [
        web.post("/configurations/testQueries", bound(test, hub)),
        web.get("/configurations", bound(everything, hub)),
        web.get(one, bound(read, hub)),
        web.put(one, bound(write, hub)),
        web.delete(one, bound(remove, hub)),
    ]


async def read(hub, request: web.Request) -> web.Response:
    await spend(hub, "configuration")
    return _shown(hub.configurations.get(request.match_info["configuration"]))


async def write(hub, request: web.Request) -> web.Response:
    await spend(hub, "configuration")
    body = await body_of(request)
    if not isinstance(body, dict):
        raise invalid("a configuration is an object")
    name = request.match_info["configuration"]
    return _shown(hub.configurations.put(name, body, request.headers.get("If-Match")))


async def remove(hub, request: web.Request) -> web.Response:
    await spend(hub, "configuration")
    hub.configurations.delete(request.match_info["configuration"], request.headers.get("If-Match"))
    return web.Response(status=204)


async def everything(hub, request: web.Request) -> web.Response:
    await spend(hub, "configuration")
    top = request.query.get("top", str(TOP_MOST))
    if not top.isdigit():
        raise invalid("top is a number")
    return web.json_response(list(hub.configurations.known.values())[: int(top)])


async def test(hub, request: web.Request) -> web.Response:
    await spend(hub, "configuration")
    return web.json_response(test_queries(await body_of(request)))


def _shown(document: dict) -> web.Response:
    return web.json_response(document, headers=quoted(document["etag"]))
