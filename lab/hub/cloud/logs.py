# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Log Analytics: named canned queries over the hubs' own event logs. A KQL engine is out of reach, so others are refused.

The first line of the KQL names the query, ``// rootwave: connections``; ``// resource: <id>`` on the second limits it to one hub.
"""

from __future__ import annotations

from datetime import UTC, datetime

from aiohttp import web

from .arm_resources import hub_id
from .bearer import timespan, token_of

AUDIENCES = {"https://api.loganalytics.io"}
ROWS_MOST = 10_000
COLUMNS = {
    "TimeGenerated": "datetime",
    "OperationName": "string",
    "Level": "string",
    "ResultType": "string",
    "ResultDescription": "string",
    "DeviceId": "string",
    "ModuleId": "string",
    "Protocol": "string",
    "SDKVersion": "string",
    "AuthType": "string",
    "MaskedIpAddress": "string",
    "TlsVersion": "string",
}


def make_logs_app(world) -> web.Application:
    async def query(request: web.Request) -> web.Response:
        world.tokens.check(token_of(request), AUDIENCES)
        tenant = world.config["tenant"]
        if request.match_info["workspace"] != tenant.get("workspace"):
            return _error(404, "WorkspaceNotFoundError", "the workspace could not be found")
        body = await request.json()
        lines = body.get("query", "").splitlines()
        if lines[:1] != ["// rootwave: connections"]:
            return _error(400, "BadArgumentError", "the lab knows named queries only", "SyntaxError")
        try:
            since, until = timespan(body.get("timespan"))
        except ValueError as exc:
            return _error(400, "BadArgumentError", str(exc))
        only = lines[1].removeprefix("// resource: ").lower() if lines[1:2] and lines[1].startswith("// resource: ") else ""
        return web.json_response(_connections(world, since, until, only))

    app = web.Application()
    app.router.add_post("/v1/workspaces/{workspace}/query", query)
    return app


def _connections(world, since: float, until: float, only: str) -> dict:
    rows: list[list] = []
    for hub in world.hubs.values():
        if not only or hub_id(world, hub).lower() == only:
            rows += [_row(event) for event in hub.registry.events.rows(since, until)]
    rows.sort(key=lambda row: row[0])
    columns = [{"name": name, "type": kind} for name, kind in COLUMNS.items()]
    document: dict = {"tables": [{"name": "PrimaryResult", "columns": columns, "rows": rows[:ROWS_MOST]}]}
    if len(rows) > ROWS_MOST:
        document["error"] = {"code": "PartialError", "message": f"more than {ROWS_MOST} rows", "details": []}
    return document


def _row(event: dict) -> list:
    at = datetime.fromtimestamp(event["time"], UTC).isoformat().replace("+00:00", "Z")
    number = str(event["number"]) if event["number"] else ""
    who = [event["device"], event["module"] or ""]
    how = [event["protocol"], event["sdk"], event["auth"], event["address"], event["tls"]]
    return [at, event["operation"], event["level"], number, event["description"], *who, *how]


def _error(status: int, code: str, message: str, inner: str = "") -> web.Response:
    error = {"code": code, "message": message, **({"innererror": {"code": inner, "message": message}} if inner else {})}
    return web.json_response({"error": error}, status=status)
