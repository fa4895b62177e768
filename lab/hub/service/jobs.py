# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""/jobs/v2: create, look, cancel, list."""

from __future__ import annotations

import functools

from aiohttp import web

from ..errors import invalid
from .body import body_of, spend


def routes(hub) -> list[web.RouteDef]:
    bound = functools.partial
    return [
        web.get("/jobs/v2/query", bound(query, hub)),
        web.get("/jobs/v2/{job}", bound(read, hub)),
        web.put("/jobs/v2/{job}", bound(create, hub)),
        web.post("/jobs/v2/{job}/cancel", bound(cancel, hub)),
    ]


async def create(hub, request: web.Request) -> web.Response:
    await spend(hub, "job")
    body = await body_of(request)
    if not isinstance(body, dict):
        raise invalid("a job is an object")
    return web.json_response(hub.jobs.create(request.match_info["job"], body))


async def read(hub, request: web.Request) -> web.Response:
    await spend(hub, "job")
    return web.json_response(hub.jobs.document(request.match_info["job"]))


async def cancel(hub, request: web.Request) -> web.Response:
    await spend(hub, "job")
    return web.json_response(hub.jobs.cancel(request.match_info["job"]))


async def query(hub, request: web.Request) -> web.Response:
    """A plain list, though the SDK expects an object and cannot read it."""
    await spend(hub, "job")
    kind, status = request.query.get("jobType"), request.query.get("jobStatus")
    found = [hub.jobs.document(name) for name in hub.jobs.known]
    chosen = [job for job in found if kind in (None, job["type"]) and status in (None, job["status"])]
    return web.json_response(chosen, headers={"x-ms-item-type": "jobResponse"})
