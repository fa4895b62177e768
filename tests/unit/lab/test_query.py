# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The language's rules: https://learn.microsoft.com/azure/iot-hub/iot-hub-devguide-query-language."""

from __future__ import annotations

import pytest

from lab.hub.query.parse import condition, parse
from lab.hub.query.tokens import QueryError

DEVICES = [
    {"deviceId": "a", "status": "enabled", "tags": {"site": "x", "n": 1, "a-b": 1, "on": True, "nothing": None},
     "properties": {"desired": {"$version": 3}, "reported": {"rootwave": {"phase": "stage"}}}},
    {"deviceId": "b", "status": "disabled", "tags": {"site": "y", "n": 2.5},
     "properties": {"desired": {"$version": 1}, "reported": {"rootwave": {"phase": "retire"}}}},
    {"deviceId": "it's", "status": "enabled", "tags": {"n": "1"}, "properties": {"desired": {"$version": 1}, "reported": {}}},
]  # fmt: skip


def found(where: str) -> list[str]:
    test = condition(where)
    return [document["deviceId"] for document in DEVICES if test(document)]


@pytest.mark.parametrize(
    "where, ids",
    [
        ("*", ["a", "b", "it's"]),
        ("tags.site = 'x'", ["a"]),
        ('tags.site = "x"', ["a"]),
        ("tags.site != 'x'", ["b"]),
        ("tags.site <> 'x'", ["b"]),
        ("NOT tags.site = 'x'", ["b", "it's"]),
        ("tags.n = 1", ["a"]),
        ("tags.n >= 1", ["a", "b"]),
        ("tags.n < 2.5", ["a"]),
        ("tags.n = '1'", ["it's"]),
        ("tags.on = true", ["a"]),
        ("tags.nothing = null", ["a"]),
        ("tags['a-b'] = 1", ["a"]),
        ("deviceId = 'it''s'", ["it's"]),
        (r"deviceId = 'it\'s'", ["it's"]),
        ("devices.deviceId IN ['a', 'b', 'c']", ["a", "b"]),
        ("deviceId NIN ['a']", ["b", "it's"]),
        ("deviceId IN []", []),
        ("is_defined(tags.site)", ["a", "b"]),
        ("NOT IS_DEFINED(tags.site)", ["it's"]),
        ("IS_NULL(tags.nothing)", ["a"]),
        ("IS_STRING(tags.n) OR IS_BOOL(tags.on)", ["a", "it's"]),
        ("STARTSWITH(deviceId, 'it')", ["it's"]),
        ("ENDSWITH(properties.reported.rootwave.phase, 'age')", ["a"]),
        ("CONTAINS(status, 'able')", ["a", "b", "it's"]),
        ("properties.desired.$version > 1", ["a"]),
        ("status = 'enabled' AND (tags.n = 1 OR tags.n = '1') AND NOT deviceId = 'a'", ["it's"]),
        ("tags.site = 'x' OR tags.site = 'y' AND status = 'enabled'", ["a"]),
    ],
)
def test_conditions(where, ids):
    assert found(where) == ids


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SELECT",
        "SELECT * FROM twins",
        "SELECT * FROM devices WHERE",
        "SELECT * FROM devices WHERE tags.site",
        "SELECT * FROM devices WHERE tags.site LIKE 'x'",
        "SELECT * FROM devices WHERE UPPER(tags.site) = 'X'",
        "SELECT * FROM devices WHERE IS_DEFINED()",
        "SELECT * FROM devices WHERE STARTSWITH(deviceId)",
        "SELECT * FROM devices WHERE (deviceId = 'a'",
        "SELECT * FROM devices WHERE deviceId = 'a",
        "SELECT * FROM devices WHERE deviceId IN ['a'",
        "SELECT * FROM devices ORDER BY deviceId",
        "SELECT * FROM devices; DROP",
        "SELECT deviceId, COUNT() FROM devices",
        "SELECT * FROM devices GROUP BY tags.site",
        "SELECT status, COUNT() AS n FROM devices GROUP BY tags.site",
        "SELECT SUM() FROM devices",
        "SELECT TOP 0 * FROM devices",
        "SELECT * FROM devices WHERE " + "NOT " * 100 + "deviceId = 'a'",
        "SELECT * FROM devices WHERE " + "(" * 5000,
        "SELECT * FROM devices WHERE deviceId = '" + "a" * 8192 + "'",
    ],
)
def test_refused(text):
    with pytest.raises(QueryError):
        parse(text)


def test_projection():
    query = parse("select deviceId, tags.site, properties.reported.rootwave.phase AS phase, tags.gone from devices")
    assert query.item_type == "Raw" and not query.aggregates
    assert [query.project(document) for document in DEVICES] == [
        {"deviceId": "a", "site": "x", "phase": "stage"},
        {"deviceId": "b", "site": "y", "phase": "retire"},
        {"deviceId": "it's"},
    ]


@pytest.mark.parametrize(
    "text, rows",
    [
        ("SELECT COUNT() AS n FROM devices", [{"n": 3}]),
        ("SELECT COUNT() AS n FROM devices WHERE deviceId = 'z'", [{"n": 0}]),
        ("SELECT COUNT() FROM devices WHERE status = 'enabled'", [{"count": 2}]),
        ("SELECT MIN(tags.n) AS low, MAX(tags.n) AS high, SUM(tags.n) AS sum, AVG(tags.n) AS mean FROM devices",
         [{"low": 1, "high": 2.5, "sum": 3.5, "mean": 1.75}]),
        ("SELECT status, COUNT() AS n FROM devices GROUP BY status",
         [{"status": "enabled", "n": 2}, {"status": "disabled", "n": 1}]),
        ("SELECT tags.site AS site, COUNT() AS n FROM devices GROUP BY tags.site",
         [{"site": "x", "n": 1}, {"site": "y", "n": 1}, {"n": 1}]),
    ],
)  # fmt: skip
def test_aggregates(text, rows):
    query = parse(text)
    assert query.aggregates
    assert query.aggregate(DEVICES) == rows


@pytest.mark.parametrize(
    "text, source, item_type",
    [
        ("SELECT * FROM devices", "devices", "Twin"),
        ("SELECT * FROM devices.modules", "devices.modules", "Twin"),
        ("SELECT * FROM devices.jobs WHERE devices.jobs.jobId = 'x'", "devices.jobs", "DeviceJob"),
        ("SELECT deviceId FROM devices", "devices", "Raw"),
    ],
)
def test_sources(text, source, item_type):
    query = parse(text)
    assert (query.source, query.item_type) == (source, item_type)


def test_job_rows_by_their_prefix():
    query = parse("SELECT * FROM devices.jobs WHERE devices.jobs.jobId = 'x' AND devices.jobs.status = 'completed'")
    assert query.matches({"jobId": "x", "status": "completed"})
    assert not query.matches({"jobId": "y", "status": "completed"})
