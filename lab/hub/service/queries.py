# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""POST /devices/query: pages over the index, which may be late; continuation tokens are opaque and run out."""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
import itertools
import json
import time
from collections.abc import Iterator

from aiohttp import web

from ..errors import invalid
from ..query.parse import Query, parse
from ..query.tokens import QueryError
from .body import body_of, spend

PAGE, PAGE_MOST = 100, 1000
CONTINUATION_LIFETIME = 600  # seconds; the real one is not published


def routes(hub) -> list[web.RouteDef]:
    return [web.post("/devices/query", functools.partial(run, hub))]


async def run(hub, request: web.Request) -> web.Response:
    await spend(hub, "query")
    body = await body_of(request)
    text = body.get("query") if isinstance(body, dict) else None
    if not isinstance(text, str):
        raise invalid("query is missing")
    try:
        query = parse(text)
    except QueryError as exc:
        raise invalid(str(exc)) from exc
    size = request.headers.get("x-ms-max-item-count", str(PAGE))
    if not size.isdigit() or not 1 <= int(size) <= PAGE_MOST:
        raise invalid(f"x-ms-max-item-count is a number from 1 to {PAGE_MOST}")
    after = _after(hub, request.headers.get("x-ms-continuation"), text)
    if query.aggregates:
        rows, last = query.aggregate(document for _key, document in documents(hub, query, "")), None
    else:
        rows, last = page(hub, query, after, int(size))
    if gone := hub.world.faults.hit("registry-shrinks", hub=hub.name):
        hub.registry.delete(gone.key, "*")
    headers = {"x-ms-item-type": query.item_type}
    if last is not None:
        headers["x-ms-continuation"] = _token(last, text)
    return web.json_response(rows, headers=headers)


def documents(hub, query: Query, after: str):
    """(key, document) of the query's source behind ``after``."""
    if query.source == "devices.jobs":
        return ((key, job) for key, job in hub.jobs.device_jobs() if key > after)
    modules = query.source == "devices.modules"
    return ((key, twin) for key, twin in hub.registry.index.documents(after) if ("/" in key) is modules)


def page(hub, query: Query, after: str, size: int) -> tuple[list[dict], str | None]:
    """(rows, the key to go on behind or None)."""
    matching: Iterator = ((key, document) for key, document in documents(hub, query, after) if query.matches(document))
    if query.top is not None:
        # the one page there is; a real hub's TOP is a page's size too
        matching, size = itertools.islice(matching, query.top), min(PAGE_MOST, query.top)
    taken = list(itertools.islice(matching, size))
    last = taken[-1][0] if len(taken) == size and next(matching, None) is not None else None
    return [query.project(document) for _key, document in taken], last


def _token(last: str, text: str) -> str:
    content = json.dumps([last, _digest(text), time.time()])
    return base64.urlsafe_b64encode(content.encode()).decode()


def _after(hub, token: str | None, text: str) -> str:
    if not token:
        return ""
    try:
        last, digest, made = json.loads(base64.urlsafe_b64decode(token.encode()))
    except (ValueError, binascii.Error) as exc:
        raise invalid("the continuation token cannot be read") from exc
    if digest != _digest(text):
        raise invalid("the continuation token belongs to another query")
    if time.time() - made > CONTINUATION_LIFETIME or hub.world.faults.hit("continuation-expired", hub=hub.name):
        raise invalid("the continuation token is expired")
    return last


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
