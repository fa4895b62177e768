# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Twins of devices and modules, guarded by ETags."""

from __future__ import annotations

import functools

from aiohttp import web

from ..errors import invalid
from .body import body_of, key_of, quoted, spend

PATHS = ("/twins/{device}", "/twins/{device}/modules/{module}")


def routes(hub) -> list[web.RouteDef]:
    bound = functools.partial
    edge = web.post("/devices/{device}/applyConfigurationContent", bound(apply_on_edge, hub))
    return [
        *(web.get(path, bound(read, hub)) for path in PATHS),
        *(web.patch(path, bound(change, hub, False)) for path in PATHS),
        *(web.put(path, bound(change, hub, True)) for path in PATHS),
        edge,
    ]


async def read(hub, request: web.Request) -> web.Response:
    await spend(hub, "twin-read")
    return _shown(hub.registry.twin_document(key_of(request)))


async def change(hub, replace: bool, request: web.Request) -> web.Response:
    await spend(hub, "twin-write")
    body = await body_of(request)
    if not isinstance(body, dict):
        raise invalid("a twin is an object")
    properties = body.get("properties") or {}
    if not isinstance(properties, dict) or "reported" in properties and not replace:
        raise invalid("only tags and desired properties can be changed from the service")
    tags, desired = body.get("tags"), properties.get("desired")
    if replace:
        tags, desired = tags or {}, desired or {}
    etag = request.headers.get("If-Match", "*")
    return _shown(hub.registry.patch_twin(key_of(request), tags, desired, etag, replace))


async def apply_on_edge(hub, request: web.Request) -> web.Response:
    """Set the modules' desired properties on one Edge device, as a deployment's content names them."""
    await spend(hub, "configuration")
    device, body = key_of(request), await body_of(request)
    if not hub.registry.identity(device)["capabilities"]["iotEdge"]:
        raise invalid(f"{device} is no IoT Edge device")
    for module, sections in (body.get("modulesContent") or {}).items():
        hub.registry.patch_twin(f"{device}/{module}", None, sections.get("properties.desired", {}))
    return web.Response(status=204)


def _shown(twin: dict) -> web.Response:
    return web.json_response(twin, headers=quoted(twin["etag"]))
