# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. What Azure Monitor knows of a hub: its connections log, its metric Connected Devices.

Both need an Entra identity, whoever asks the hub. Every failure is a MonitorError with what to do; half an answer is one too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

from ..connection_metric import Point
from ..connection_query import COLUMNS, query_text
from ..packages import WHERE, not_there
from .credentials import entra_credential
from .errors import HubError, unreachable
from .names import HubNames
from .rest import CONNECT_MOST, RestClient, trusted_bundle

LOGS = {
    "public": "https://api.loganalytics.io",
    "usgov": "https://api.loganalytics.us",
    "china": "https://api.loganalytics.azure.cn",
}
METRICS_API_VERSION, SETTINGS_API_VERSION = "2024-02-01", "2021-05-01-preview"
METRIC = "connectedDeviceCount"
SERVER_MOST = 600  # seconds; the most that Log Analytics lets one ask for
TURN_ON = "turn on the hub's diagnostic setting for the log category Connections, to this workspace"


class MonitorError(HubError):
    """Azure Monitor had no or not all of an answer; ``advice`` is what to do."""

    def __init__(self, message: str, advice: str, status: int | None = None) -> None:
        super().__init__(message, status)
        self._advice = advice

    @property
    def advice(self) -> str:
        return self._advice


class Monitor:
    """``names`` are the hub's; ``timeout`` in seconds is for one call."""

    def __init__(self, names: HubNames, timeout: float) -> None:
        self._names, self._timeout = names, timeout

    def connections(self, workspace: str, resource: str | None, devices: Sequence[str] | None, hours: int) -> list[dict]:
        """The log's rows by COLUMNS, TimeGenerated as epoch seconds."""
        try:
            from azure.core.exceptions import AzureError
            from azure.monitor.query import LogsQueryClient
        except ImportError as exc:
            raise MonitorError(not_there("azure-monitor-query", exc), WHERE) from exc
        host = LOGS[self._names.cloud.name]
        query = query_text(self._names, resource, devices)
        times = {"connection_timeout": CONNECT_MOST, "read_timeout": self._timeout}
        try:
            with LogsQueryClient(entra_credential(self._names.cloud), endpoint=host + "/v1", retry_total=3, **times) as client:
                wait = max(1, min(SERVER_MOST, int(self._timeout)))
                answer = client.query_workspace(workspace, query, timespan=timedelta(hours=hours), server_timeout=wait)
        except AzureError as exc:
            raise logs_error(exc, urlsplit(host).netloc, workspace) from exc
        partial = getattr(answer, "partial_error", None)
        if partial is not None or not hasattr(answer, "tables"):
            words = one_line(getattr(partial, "message", ""))
            raise MonitorError(
                f"Log Analytics gave only a part of the answer: {words}", "lower hours, or name the devices (device_ids)"
            )
        return rows_of(answer.tables)

    def connected_devices(self, resource: str, since: float, until: float) -> list[Point]:
        """The metric's values, one a minute for a day or less."""
        grain = "PT1M" if until - since <= 86400 else "PT5M" if until - since <= 5 * 86400 else "PT1H"
        span = quote("/".join(datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for at in (since, until)), safe="")
        asked = (
            f"metricnames={METRIC}&aggregation=Average,Minimum&timespan={span}&interval={grain}&api-version={METRICS_API_VERSION}"
        )
        document = self._arm(f"{resource}/providers/Microsoft.Insights/metrics?{asked}", "Monitoring Reader on the hub")
        try:
            series = [one for value in document["value"] for one in value["timeseries"]]
            points = [
                Point(moment(row["timeStamp"]), float(row["average"]), float(row.get("minimum", row["average"])))
                for one in series
                for row in one["data"]
                if row.get("average") is not None
            ]
        except (KeyError, TypeError, ValueError) as exc:
            raise MonitorError(
                f"the metric {METRIC} has an answer of unknown form ({exc!r})", "see the hub's metrics in the portal"
            ) from exc
        return sorted(points)

    def logs_are_on(self, resource: str) -> bool:
        """Whether some diagnostic setting sends the category Connections to a workspace."""
        path = f"{resource}/providers/Microsoft.Insights/diagnosticSettings?api-version={SETTINGS_API_VERSION}"
        return sends_connections(self._arm(path, "Monitoring Reader on the hub"))

    def _arm(self, path: str, role: str) -> Any:
        arm = self._names.cloud.arm
        rest = RestClient(
            urlsplit(arm).netloc, entra_credential(self._names.cloud), arm + "/.default", self._timeout, METRICS_API_VERSION
        )
        try:
            return rest.ask("GET", path)
        except HubError as exc:  # without a status nobody answered, and its own advice is the better one
            if exc.status in (401, 403):
                raise MonitorError(str(exc), f"give the Entra identity the role {role}", exc.status) from exc
            if exc.status == 404:
                raise MonitorError(str(exc), "check resource_id, and that the identity may see the hub", exc.status) from exc
            raise


def sends_connections(document: dict) -> bool:
    """``document`` lists diagnostic settings (azure rest-api monitor diagnostic-settings list)."""
    for setting in document.get("value") or ():
        properties = setting.get("properties") or {}
        logs = [one for one in properties.get("logs") or () if one.get("enabled")]
        on = any(one.get("category") == "Connections" or one.get("categoryGroup") == "allLogs" for one in logs)
        if on and properties.get("workspaceId"):
            return True
    return False


def logs_error(error: Exception, host: str, workspace: str) -> HubError:
    """What azure-monitor-query raised, with what to do."""
    from azure.core.exceptions import HttpResponseError

    what = f"workspace {workspace} at {host}"
    if not isinstance(error, HttpResponseError):
        return unreachable(what, error, trusted_bundle())
    # azure-core says the code and the message twice
    lines = [line for line in str(error.message).splitlines() if not line.startswith(("Code:", "Message:"))]
    status, words = error.status_code, one_line(" ".join(lines))
    if status in (401, 403):
        advice = "give the identity the role Log Analytics Reader on the workspace"
    elif status == 404:
        advice = "check workspace_id: it is the GUID named Workspace ID, and the tenant"
    elif "AzureDiagnostics" in words:
        advice = f"nothing ever came into this workspace: {TURN_ON}"
    else:
        advice = "ask again; if it stays, see Log Analytics in the portal"
    return MonitorError(f"{what}: {status}: {words}", advice, status)


def rows_of(tables: Sequence[Any]) -> list[dict]:
    if len(tables) != 1 or not set(COLUMNS) <= set(tables[0].columns):
        raise MonitorError(
            "Log Analytics answered with other columns than were asked for", "report this; it is a fault of this module"
        )
    places = {name: tables[0].columns.index(name) for name in COLUMNS}
    rows = [{name: row[place] for name, place in places.items()} for row in tables[0].rows]
    for row in rows:
        at = row["TimeGenerated"]
        row["TimeGenerated"] = at.timestamp() if isinstance(at, datetime) else moment(str(at))
    return rows


def moment(text: str) -> float:
    """Epoch seconds of an ISO 8601 time; Azure writes up to seven digits after the point, or none."""
    at = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def one_line(words: Any) -> str:
    return " ".join(str(words).split())[:500]


__all__ = ("TURN_ON", "Monitor", "MonitorError")
