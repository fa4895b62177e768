# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From states, log and metric to a verdict: what speaks against, what is open, what passes; the metric's baseline; the query."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace

import pytest
from ansible_collections.rootwave.iot.plugins.plugin_utils import connection_query
from ansible_collections.rootwave.iot.plugins.plugin_utils.connection_evidence import (
    ABSENT,
    Missing,
    Question,
    State,
    suspects,
    weigh,
)
from ansible_collections.rootwave.iot.plugins.plugin_utils.connection_metric import Point, read
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub.errors import HubError
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub.monitor import logs_error, moment, sends_connections
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub.names import HubNames

from .test_connection_events import down, up

NOW, HOUR = 1_000_000.0, 3600.0
STEADY = [Point(NOW - 60 * minute, 10, 10) for minute in range(120, 0, -1)]
UP, AWAY = State("gw-01", None, "Connected", "enabled"), State("gw-01", None, "Disconnected", "enabled")
RESOURCE = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg/providers/Microsoft.Devices/IotHubs/my-hub"
NAMES = HubNames.of("my-hub.azure-devices.net")


def judge(state, events, points=tuple(STEADY), missing=(), grace=600.0, baseline: float | None = 10.0, since=None):
    states = state if isinstance(state, list) else [state]
    return weigh(states, events, points, missing, Question(NOW, 24, grace, 5.0, baseline, since))


def stale(state: State) -> State:
    return State(state.device, state.module, state.connection, state.status, fresh=False)


BACK, LEFT = [up(NOW - 9000), down(NOW - 8000), up(NOW - 7990)], [up(NOW - 9000), down(NOW - 8000)]
TABLE = {
    "back": (UP, BACK, "pass", ""),
    "gone": (AWAY, LEFT, "fail", "no attempt reached the hub"),
    "gone and the index is late": (stale(UP), LEFT, "fail", "no attempt reached the hub"),
    "the log is late, the twin is fresh": (UP, LEFT, "pass", ""),
    "refused": (AWAY, [*LEFT, up(NOW - 60, code=401003)], "fail", "401003 IotHubUnauthorized"),
    "refused, dropped before the log": (AWAY, [up(NOW - 60, code=401003)], "fail", "it is not the root"),
    "within the grace": (AWAY, [up(NOW - 9000), down(NOW - 599)], "inconclusive", "ask again when that time is over"),
    "after the grace": (AWAY, [up(NOW - 9000), down(NOW - 601)], "fail", "no attempt"),
    "silent": (AWAY, [], "inconclusive", "without an event in 24 hours"),
    "quiet and connected": (UP, [], "pass", ""),
    "the log says connected": (AWAY, BACK, "inconclusive", "may be late"),
    "absent": (State("gw-01", None, ABSENT), [], "inconclusive", "not in this hub's registry"),
    "only a disabled one": (State("gw-01", None, "Disconnected", "disabled"), LEFT, "inconclusive", "nobody to judge"),
    "no log": (UP, None, "pass", ""),  # the caller says what is missing; see below
    "no log and away": (AWAY, None, "inconclusive", "may be late"),
}


@pytest.mark.parametrize("name", TABLE)
def test_one_device(name):
    state, events, verdict, words = TABLE[name]
    found = judge(state, events)
    assert found["verdict"] == verdict and any(words in reason for reason in found["reasons"]) is bool(words), found["reasons"]


@pytest.mark.parametrize("fresh", [True, False])
@pytest.mark.parametrize(
    "events, since, verdict",
    [
        (BACK, NOW - 7995, "pass"),
        (BACK, NOW - 7985, "inconclusive"),  # its last connect was before the change
        ([], NOW - 60, "inconclusive"),  # connected since before the log
        ([], None, "pass"),  # nobody is missing, and no more was asked
        ([up(NOW - 50)], NOW - 60, "pass"),
        (LEFT, NOW - 9500, "pass"),  # the log is late, the twin is fresh
    ],
)
def test_a_session_from_before_the_change_proves_nothing(fresh, events, since, verdict):
    if events is LEFT and not fresh:
        verdict = "fail"
    found = judge(UP if fresh else stale(UP), events, since=since)
    assert found["verdict"] == verdict, found["reasons"]
    assert any("proves nothing" in reason for reason in found["reasons"]) is (verdict == "inconclusive")


def test_missing_evidence_never_passes_and_does_not_hide_a_failure():
    lack = (Missing("connections log", "no workspace_id is set", "set it"),)
    assert judge(UP, None, missing=lack)["verdict"] == "inconclusive"
    assert judge(AWAY, LEFT, missing=lack)["verdict"] == "fail"
    assert "no connections log: no workspace_id is set; set it" in judge(UP, None, missing=lack)["reasons"]


def test_others_in_the_log_are_not_judged():
    stranger = [up(NOW - 9000, "gw-99"), down(NOW - 8000, "gw-99")]
    found = judge(UP, [*BACK, *stranger])
    assert found["verdict"] == "pass" and found["logs"]["events"] == 3


def test_disabled_beside_others():
    found = judge([UP, State("gw-02", None, "Disconnected", "disabled")], BACK)
    assert found["verdict"] == "pass" and found["reasons"] == ["note: 1 (gw-02): disabled at the hub, not judged"]
    assert found["counts"] == {"total": 2, "connected": 1, "disconnected": 0, "disabled": 1, "absent": 0}


def test_long_lists_stay_readable():
    states = [State(f"gw-{number:03}", None, "Disconnected", "enabled") for number in range(500)]
    events = [event for state in states for event in (up(NOW - 9000, state.device), down(NOW - 8000, state.device))]
    (reason,) = [one for one in judge(states, events)["reasons"] if "no attempt" in one]
    assert reason.startswith("500 (gw-000, ") and "and 492 more" in reason and len(reason) < 600


def test_suspects_are_only_those_a_fresh_read_can_clear():
    states = [stale(UP), stale(State("gw-02", None, "Disconnected", "enabled")), State("gw-03", None, "Disconnected", "enabled")]
    assert [one.device for one in suspects(states, BACK)] == ["gw-02"]
    assert [one.device for one in suspects(states, LEFT)] == ["gw-01", "gw-02"]


def metric(points, baseline=None, cutover=None, most=5.0):
    return read(points, baseline, cutover, most, NOW)


def falling(before, after, minutes=30):
    return [Point(one.at, before, before) if one.at < NOW - minutes * 60 else Point(one.at, after, after) for one in STEADY]


def test_metric():
    assert metric(falling(100, 60), 100)[:4] == (100, 60, 60, 40.0)
    assert metric(falling(100, 120), 100).drop_percent == 0.0
    dip = [*STEADY[:60], Point(STEADY[60].at, 5, 1), *STEADY[61:]]
    assert (metric(dip, 10).lowest, metric(dip, 10).drop_percent) == (1, 0.0)
    odd = [*STEADY[:-1], Point(STEADY[-1].at, 0, 0)]
    assert metric(odd, 10).latest == 10  # one odd value decides nothing


def test_metric_that_says_nothing():
    assert metric([], 10).missing and metric(STEADY, 0).missing
    old = [Point(one.at - 2 * HOUR, one.average, one.minimum) for one in STEADY]
    assert "minutes old" in metric(old, 10).missing and metric(old, 10).drop_percent is None


def test_its_own_earlier_part():
    """Only what is before a moment that the log knows, long enough and steady."""
    moved = NOW - 30 * 60
    assert metric(falling(100, 60), cutover=moved)[:4] == (100, 60, 60, 40.0)
    assert "no moment" in metric(falling(100, 60)).missing
    assert "values before" in metric(falling(100, 60), cutover=NOW - 119 * 60).missing
    restless = [Point(one.at, 100 if place % 2 else 50, 50) for place, one in enumerate(STEADY)]
    assert "not steady" in metric(restless, cutover=moved).missing


def test_a_fall_fails_and_an_unknown_baseline_is_named():
    fallen = judge(UP, BACK, points=falling(10, 9))
    assert fallen["verdict"] == "fail" and "Connected Devices fell from 10 to 9, by 10 percent" in fallen["reasons"][0]
    unknown = judge(UP, BACK, baseline=None)
    assert unknown["verdict"] == "inconclusive" and [one["evidence"] for one in unknown["missing_evidence"]] == ["baseline"]
    old = [Point(one.at - 2 * HOUR, one.average, one.minimum) for one in STEADY]
    for points, baseline in (((), 10.0), ((), None), (old, None)):
        lacks = judge(UP, BACK, points=points, baseline=baseline)["missing_evidence"]
        assert [one["evidence"] for one in lacks] == ["metric connectedDeviceCount"]


def test_query_names_its_bounds():
    text = connection_query.query_text(NAMES, RESOURCE, ["gw-01", "gw-01", "gw-02"])
    assert text.splitlines()[:2] == ["// rootwave: connections", f"// resource: {RESOURCE}"]
    assert f'_ResourceId =~ "{RESOURCE}"' in text and 'in ("gw-01", "gw-02")' in text
    unbound = connection_query.query_text(NAMES, None, [f"gw-{number}" for number in range(2000)])
    assert unbound.splitlines()[1] == "// hub: my-hub" and 'Resource =~ "my-hub"' in unbound and "gw-1" not in unbound
    assert re.search(r"\| distinct (.*)", text)[1].split(", ") == list(connection_query.COLUMNS)  # type: ignore[index]


@pytest.mark.parametrize("text", ['"', "\\", 'x" or true //', "a\nb", "\u2028", "ü"])
def test_a_literal_ends_where_it_should(text):
    literal = connection_query.literal(text)
    assert re.fullmatch(r'"(?:[^"\\\n]|\\.)*"', literal) and literal.isascii() and json.loads(literal) == text


@pytest.mark.parametrize(
    "workspace, resource, who",
    [
        ("my-workspace", None, ()),
        ('0" or 1==1 //', None, ()),
        (None, "my-hub", ()),
        (None, RESOURCE + '"', ()),
        (None, RESOURCE + "\n| take 1", ()),
        (None, RESOURCE.replace("my-hub", "their-hub"), ()),
        (None, RESOURCE + "/providers/x", ()),
        (None, None, ['gw"']),
        (None, None, ["gw-01/a/b"]),
        (None, None, ["gw 01"]),
        (None, None, [""]),
    ],
)
def test_what_is_no_id_is_refused(workspace, resource, who):
    with pytest.raises(HubError):
        connection_query.check(NAMES, workspace, resource, who)


def test_ids():
    workspace = "00000000-0000-0000-0000-000000000000"
    connection_query.check(NAMES, workspace, RESOURCE.lower(), ["gw-01", "gw-01/rootwave", "a:b.c+%_#*?!(),=@$'"])


@pytest.mark.parametrize(
    "log, on",
    [
        ({"category": "Connections", "enabled": True}, True),
        ({"categoryGroup": "allLogs", "enabled": True}, True),
        ({"category": "Connections", "enabled": False}, False),
        ({"category": "Routes", "enabled": True}, False),
    ],
)
def test_diagnostic_settings(log, on):
    assert sends_connections({"value": [{"properties": {"workspaceId": "/w", "logs": [log]}}]}) is on
    assert not sends_connections({"value": [{"properties": {"storageAccountId": "/s", "logs": [log]}}]})
    assert not sends_connections({"value": []}) and not sends_connections({})


@pytest.mark.parametrize(
    "status, message, advice",
    [
        (403, "(InsufficientAccessError) no\nCode: InsufficientAccessError\nMessage: no", "Log Analytics Reader"),
        (404, "(WorkspaceNotFoundError) no", "workspace_id"),
        (
            400,
            "(BadArgumentError) no\nInner error: 'Failed to resolve table expression named 'AzureDiagnostics''",
            "diagnostic setting",
        ),
        (500, "(InternalServerError) no", "ask again"),
    ],
)
def test_what_log_analytics_refuses(status, message, advice):
    core = pytest.importorskip("azure.core.exceptions")
    found = logs_error(core.HttpResponseError(message, SimpleNamespace(status_code=status, reason="")), "api", "w")
    assert found.status == status and advice in found.advice and str(found).count(message[1:16]) == 1


def test_times():
    assert (
        moment("2026-11-23T02:14:07.1234567Z")
        == moment("2026-11-23T02:14:07.123456+00:00")
        == moment("2026-11-23T02:14:07.123456")
    )
