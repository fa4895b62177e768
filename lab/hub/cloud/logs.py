# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Log Analytics: named canned queries over the hubs' own event logs. A KQL engine is out of reach, so others are refused.

The first line of the KQL names the query, ``// rootwave: connections``; the second limits it to one hub, as
``// resource: <id>`` or ``// hub: <name>``. Of the KQL itself one line is read, which names devices.
"""

from __future__ import annotations

import json
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
        bound, devices = _bound(lines[1] if lines[1:] else ""), _devices(lines)
        return web.json_response(_connections(world, since, until, bound, devices))

    app = web.Application()
    app.router.add_post("/v1/workspaces/{workspace}/query", query)
    return app


def _bound(line: str) -> str:
    for words in ("// resource: ", "// hub: "):
        if line.startswith(words):
            return line.removeprefix(words).strip().lower()
    return ""


def _devices(lines: list[str]) -> set[str] | None:
    """Those that a line ``| where tostring(split(DeviceId, "/")[0]) in ("a", "b")`` names; None for all."""
    start, end = '| where tostring(split(DeviceId, "/")[0]) in (', ")"
    named = next((line for line in lines if line.startswith(start) and line.endswith(end)), None)
    return None if named is None else set(json.loads(f"[{named[len(start) : -len(end)]}]"))


def _connections(world, since: float, until: float, only: str, devices: set[str] | None) -> dict:
    rows: list[list] = []
    for hub in world.hubs.values():
        if not only or only in (hub_id(world, hub).lower(), hub.name.partition(".")[0]):
            events = hub.registry.events.rows(since, until)
            rows += [_row(event) for event in events if devices is None or event["device"] in devices]
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
    # the real log has JSON in a text here (azure-docs monitor-iot-hub-reference)
    kind = {"sas": "sas", "x509": "x509Certificate"}.get(event["auth"], event["auth"])
    auth = json.dumps({"scope": "device", "type": kind, "issuer": "iothub", "acceptingIpFilterRule": None}) if kind else ""
    how = [event["protocol"], event["sdk"], auth, event["address"], event["tls"]]
    return [at, event["operation"], event["level"], number, event["description"], *who, *how]


def _error(status: int, code: str, message: str, inner: str = "") -> web.Response:
    error = {"code": code, "message": message, **({"innererror": {"code": inner, "message": message}} if inner else {})}
    return web.json_response({"error": error}, status=status)
