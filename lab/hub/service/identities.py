# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The identity registry: devices and modules, single and in bulk, and its statistics."""

from __future__ import annotations

import base64
import functools
import os
import re

from aiohttp import web

from ..errors import HubError, invalid
from .body import body_of, key_of, quoted, spend

NAME = re.compile(r"[A-Za-z0-9\-.%_*?!(),:=@$'+#~;&]{1,128}")
TOP_MOST, BULK_MOST = 1000, 100
BULK_MODES = (
    "create",
    "update",
    "updateIfMatchETag",
    "createOrUpdate",
    "createOrUpdateIfMatchETag",
    "delete",
    "deleteIfMatchETag",
)


def routes(hub) -> list[web.RouteDef]:
    one, module = "/devices/{device}", "/devices/{device}/modules/{module}"
    bound = functools.partial
    return [
        web.get("/devices", bound(list_devices, hub)),
        web.post("/devices", bound(bulk, hub)),
        web.get("/statistics/devices", bound(registry_statistics, hub)),
        web.get("/statistics/service", bound(service_statistics, hub)),
        web.get("/devices/{device}/modules", bound(list_modules, hub)),
        *(web.get(path, bound(read, hub)) for path in (one, module)),
        *(web.put(path, bound(write, hub)) for path in (one, module)),
        *(web.delete(path, bound(remove, hub)) for path in (one, module)),
    ]


async def list_devices(hub, request: web.Request) -> web.Response:
    await spend(hub, "registry")
    top = request.query.get("top", str(TOP_MOST))
    if not top.isdigit() or not 1 <= int(top) <= TOP_MOST:
        raise invalid(f"top is a number from 1 to {TOP_MOST}")
    return web.json_response([hub.registry.identity(key) for key in hub.registry.devices()[: int(top)]])


async def list_modules(hub, request: web.Request) -> web.Response:
    await spend(hub, "registry")
    device = key_of(request)
    hub.registry.identity(device)
    return web.json_response([hub.registry.identity(key) for key in hub.registry.identities if key.startswith(f"{device}/")])


async def read(hub, request: web.Request) -> web.Response:
    await spend(hub, "registry")
    return _shown(hub.registry.identity(key_of(request)))


async def write(hub, request: web.Request) -> web.Response:
    """Without If-Match it creates, with one it updates."""
    await spend(hub, "registry")
    key, wanted = key_of(request), await body_of(request)
    names = (wanted.get("deviceId"), wanted.get("moduleId")) if isinstance(wanted, dict) else ()
    if "/".join(name for name in names if name) != key:
        raise invalid("the body's deviceId or moduleId is not the address's")
    _check(key, wanted)
    if "If-Match" in request.headers:
        return _shown(hub.registry.update(key, wanted, request.headers["If-Match"]))
    return _shown(hub.registry.create(key, _with_keys(wanted)))


async def remove(hub, request: web.Request) -> web.Response:
    await spend(hub, "registry")
    hub.registry.delete(key_of(request), request.headers.get("If-Match", ""))
    return web.Response(status=204)


async def bulk(hub, request: web.Request) -> web.Response:
    """Each item for itself; one that fails does not stop the others."""
    await spend(hub, "registry")
    items = await body_of(request)
    if not isinstance(items, list) or not 1 <= len(items) <= BULK_MOST:
        raise invalid(f"a list of 1 to {BULK_MOST} items")
    errors = [error for item in items if (error := _bulk_item(hub, item)) is not None]
    document = {"isSuccessful": not errors, "errors": errors, "warnings": []}
    return web.json_response(document, status=400 if errors else 200)


def _bulk_item(hub, item) -> dict | None:
    key = "/".join(name for name in (item.get("id"), item.get("moduleId")) if name)
    try:
        mode = item.get("importMode", "create")
        if mode not in BULK_MODES:
            raise invalid(f"importMode {mode!r}")
        _check(key, item)
        exists, guard = key in hub.registry.identities, item.get("eTag") or "*" if "IfMatch" in mode else "*"
        if mode.startswith("delete"):
            hub.registry.delete(key, guard)
        elif mode.startswith("update") or (mode.startswith("createOrUpdate") and exists):
            hub.registry.update(key, item, guard)
        else:
            hub.registry.create(key, _with_keys(item))
    except HubError as exc:
        return {"deviceId": item.get("id"), "errorCode": exc.number, "errorStatus": exc.code}
    return None


async def registry_statistics(hub, request: web.Request) -> web.Response:
    await spend(hub, "registry")
    devices = [hub.registry.identities[key] for key in hub.registry.devices()]
    enabled = sum(device["status"] == "enabled" for device in devices)
    counts = {"totalDeviceCount": len(devices), "enabledDeviceCount": enabled, "disabledDeviceCount": len(devices) - enabled}
    return web.json_response(counts)


async def service_statistics(hub, request: web.Request) -> web.Response:
    await spend(hub, "registry")
    return web.json_response({"connectedDeviceCount": sum("/" not in key for key in hub.registry.live)})


def _check(key: str, wanted: dict) -> None:
    if not key or not all(NAME.fullmatch(name) for name in key.split("/")):
        raise invalid("an id has 1 to 128 ASCII letters, digits or - . % _ * ? ! ( ) , : = @ $ '")
    if wanted.get("status") not in (None, "enabled", "disabled"):
        raise invalid(f"status {wanted['status']!r}")
    kind = (wanted.get("authentication") or {}).get("type")
    if kind not in (None, "sas", "selfSigned", "certificateAuthority", "none"):
        raise invalid(f"authentication type {kind!r}")


def _with_keys(wanted: dict) -> dict:
    """The hub makes keys for who brings none."""
    authentication = dict(wanted.get("authentication") or {"type": "sas"})
    given = authentication.get("symmetricKey") or {}
    if authentication.get("type", "sas") == "sas":
        names = ("primaryKey", "secondaryKey")
        made = {name: given.get(name) or base64.b64encode(os.urandom(32)).decode() for name in names}
        authentication["symmetricKey"] = made
    return {**wanted, "authentication": authentication}


def _shown(identity: dict) -> web.Response:
    return web.json_response(identity, headers=quoted(identity["etag"]))
