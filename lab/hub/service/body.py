# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What calls share: reading a body, the key of a twin, quotas."""

from __future__ import annotations

import asyncio
import json

from aiohttp import web

from ..errors import HubError, invalid


async def body_of(request: web.Request):
    """The JSON body; raises HubError 400, also for numbers that JSON does not have."""
    if request.content_type != "application/json":
        raise HubError(400, "InvalidContentEncodingOrType", f"content type {request.content_type!r}")
    try:
        return json.loads(await request.text(), parse_constant=_no_constant)
    except (ValueError, RecursionError) as exc:
        raise invalid(f"the body is not JSON: {exc}") from exc


def _no_constant(name: str):
    raise ValueError(f"{name} is not JSON")


async def spend(hub, kind: str) -> None:
    """Wait in the hub's shaping queue; raises HubError 429 when it is full."""
    await asyncio.sleep(hub.throttle.take(kind))


def key_of(request: web.Request) -> str:
    """``device`` or ``device/module`` of the path."""
    module = request.match_info.get("module")
    return f"{request.match_info['device']}/{module}" if module else request.match_info["device"]


def quoted(etag: str) -> dict[str, str]:
    return {"ETag": f'"{etag}"'}
