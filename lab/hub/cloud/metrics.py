# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Metrics of hubs, as samples by the minute: ARM's single-resource call uses ``timeseries``, the batch endpoint is here."""

from __future__ import annotations

import bisect
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime

from aiohttp import web

from .arm_resources import hub_of_id
from .bearer import moment, token_of

AUDIENCES = {"https://metrics.monitor.azure.com"}
NAMES = ("connectedDeviceCount", "totalDeviceCount")
MINUTE = 60
AGGREGATIONS: dict[str, Callable[[list], float]] = {"average": statistics.fmean, "minimum": min, "maximum": max}


def timeseries(hub, name: str, since: float, until: float, aggregation: str) -> dict:
    """One metric in Azure Monitor's shape; ``aggregation`` is one or more of Average, Minimum, Maximum, for each minute."""
    samples, data, at = hub.registry.metrics.samples(name, since, until), [], since
    times, wanted = [when for when, _value in samples], [one.strip().lower() for one in aggregation.split(",")]
    while at < until:
        first, end = bisect.bisect_left(times, at), bisect.bisect_left(times, at + MINUTE)
        values = [value for _when, value in samples[first:end] + samples[max(0, end - 1) : end]]
        point: dict = {"timeStamp": datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
        if values:
            point |= {one: AGGREGATIONS[one](values) for one in wanted}
        data.append(point)
        at += MINUTE
    series = [{"metadatavalues": [], "data": data}]
    words = {"value": name, "localizedValue": name}
    return {"id": name, "type": "Microsoft.Insights/metrics", "name": words, "unit": "Count", "timeseries": series} | {
        "errorCode": "Success"
    }


def make_metrics_app(world) -> web.Application:
    async def batch(request: web.Request) -> web.Response:
        world.tokens.check(token_of(request), AUDIENCES)
        query, body = request.query, await request.json()
        until = moment(query["endtime"]) if "endtime" in query else time.time()
        since = moment(query["starttime"]) if "starttime" in query else until - 3600
        wanted = query.get("metricnames", "").split(",")
        if not set(wanted) <= set(NAMES):
            return web.json_response({"error": {"code": "BadRequest", "message": f"unknown metric in {wanted}"}}, status=400)
        values = []
        for resource in body["resourceids"]:
            hub = hub_of_id(world, resource)
            shown = [timeseries(hub, name, since, until, query.get("aggregation", "Average")) for name in wanted] if hub else []
            values.append({"resourceid": resource, "namespace": query.get("metricnamespace"), "interval": "PT1M", "value": shown})
        return web.json_response({"values": values})

    app = web.Application()
    app.router.add_post("/subscriptions/{subscription}/metrics:getBatch", batch)
    return app
