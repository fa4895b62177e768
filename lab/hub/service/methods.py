# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Direct methods: wait for the device if asked to, call it, give back its answer."""

from __future__ import annotations

import asyncio
import functools

from aiohttp import web

from ..errors import HubError, invalid
from .body import body_of, key_of, spend

RESPONSE_DEFAULT, RESPONSE_LEAST, RESPONSE_MOST = 30, 5, 300  # seconds
CONNECT_MOST = 300


def routes(hub) -> list[web.RouteDef]:
    paths = ("/twins/{device}/methods", "/twins/{device}/modules/{module}/methods")
    return [web.post(path, functools.partial(invoke, hub)) for path in paths]


async def invoke(hub, request: web.Request) -> web.Response:
    await spend(hub, "method")
    key, body = key_of(request), await body_of(request)
    name = body.get("methodName") if isinstance(body, dict) else None
    if not name or not isinstance(name, str):
        raise invalid("methodName is missing")
    answer = _seconds(body, "responseTimeoutInSeconds", RESPONSE_DEFAULT, RESPONSE_LEAST, RESPONSE_MOST)
    connect = _seconds(body, "connectTimeoutInSeconds", 0, 0, CONNECT_MOST)
    if connect > answer:
        raise invalid("connectTimeoutInSeconds is greater than responseTimeoutInSeconds")
    status, payload = await call(hub, key, name, body.get("payload"), answer, connect)
    return web.json_response({"status": status, "payload": payload})


async def call(hub, key: str, name: str, payload, answer: float, connect: float = 0) -> tuple[int, object]:
    """Raises HubError 404103 without a device, 504101 without an answer."""
    hub.registry.identity(key)
    sessions = hub.registry.sessions
    try:
        async with asyncio.timeout(connect), sessions.changed:
            await sessions.changed.wait_for(lambda: key in sessions.live)
    except TimeoutError:
        if key not in sessions.live:
            raise HubError(404, "DeviceNotOnline", "Timed out waiting for device to connect.") from None
    try:
        async with asyncio.timeout(answer):
            return await sessions.live[key].invoke(name, payload, answer)
    except (TimeoutError, KeyError):
        raise HubError(504, "GatewayTimeout", "Timed out waiting for the response from device.") from None


def _seconds(body: dict, name: str, default: int, least: int, most: int) -> int:
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, int) or not least <= value <= most:
        raise invalid(f"{name} is a number from {least} to {most}")
    return value
