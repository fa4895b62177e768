# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was seen of a wave's connections -> its verdict, as a table."""

from __future__ import annotations

import pytest
from ansible_collections.rootwave.iot.plugins.plugin_utils.campaign import POLICY
from ansible_collections.rootwave.iot.plugins.plugin_utils.connection_events import Event
from ansible_collections.rootwave.iot.plugins.plugin_utils.connection_evidence import LOG, Missing, Question, State
from ansible_collections.rootwave.iot.plugins.plugin_utils.connection_look import OPTIONS, Looked
from ansible_collections.rootwave.iot.plugins.plugin_utils.connection_metric import Point
from ansible_collections.rootwave.iot.plugins.plugin_utils.evidence import Evidence
from ansible_collections.rootwave.iot.plugins.plugin_utils.twin_connections import WaveConnections, judged

NOW = 1_764_000_000.0
NAMES = [f"gw-{number}" for number in range(10)]
WHOS = {name: f"{name}/rootwave" for name in NAMES}
DONE = [Evidence(name, "done", held=900.0) for name in NAMES]


def event(who, ago, connect):
    return Event(NOW - ago, who, connect, False, False, None, True, "sas", "")


def state(who, word="Connected", status="enabled"):
    device, _slash, module = who.partition("/")
    return State(device, module, word, status)


def looked(away=(), absent=(), ago=1000, metric=100.0, events=True, missing=()):
    words = {**dict.fromkeys(away, "Disconnected"), **dict.fromkeys(absent, "absent")}
    log = [event(who, 5000, True) for who in WHOS.values()] + [event(WHOS[name], ago, False) for name in away]
    states = [state(who, words.get(name, "Connected")) for name, who in WHOS.items()]
    points = [Point(NOW - 60, metric, metric)]
    return Looked(states, log if events else None, points, list(missing), Question(NOW, 24, 600, 5.0, 100.0))


@pytest.mark.parametrize(
    "seen, percent, verdict, words",
    [
        (looked(), 100, "pass", "connections: 10 of 10 that are done are connected"),
        (looked(["gw-1"]), 100, "fail", "gw-1 (failed: it said done, then its session ended"),
        (looked(["gw-1"]), 90, "pass", "connections: 9 of 10 that are done are connected"),  # as many may fail
        (looked(["gw-1", "gw-2"]), 90, "fail", "gw-1, gw-2 (failed"),
        (looked(absent=["gw-1"]), 100, "fail", "gw-1 (failed: it said done, and is not in its hub's registry"),
        (looked(["gw-1"], ago=10), 100, "inconclusive", "no word from gw-1 (silent: it said done, and whether"),
        (looked(["gw-1"], ago=10), 90, "pass", "9 of 10"),  # somebody always drops
        (looked(metric=80.0), 100, "fail", "Connected Devices fell from 100 to 80"),
        (
            looked(events=False, missing=[Missing(LOG, "why", "what")]),
            100,
            "inconclusive",
            "connections: no connections log: why",
        ),
        (looked(["gw-1"], metric=80.0), 90, "fail", "Connected Devices fell"),
        (looked(NAMES, ago=10), 100, "inconclusive", "no word from"),
    ],
)
def test_verdicts(seen, percent, verdict, words):
    found = judged({**POLICY, "min_success_percent": percent}, DONE, WHOS, seen)
    assert found.verdict == verdict and words in "; ".join(found.reasons), found


def test_who_is_not_done_is_not_looked_at_and_counts_as_before():
    found = [*DONE[:9], Evidence("gw-9", "silent", "no report")]
    seen = looked()._replace(states=[state(WHOS[name]) for name in NAMES[:9]])
    assert judged({**POLICY, "min_success_percent": 100}, found, WHOS, seen).verdict == "inconclusive"
    assert judged({**POLICY, "min_success_percent": 90}, found, WHOS, seen).verdict == "pass"


@pytest.mark.parametrize(
    "before", [None, {}, "text", {"failed": True, "msg": "401"}, {"metric": None}, {"metric": {"latest": 0}}]
)
def test_without_a_number_from_before_it_never_passes(before):
    options = {name: spec.get("default") for name, spec in OPTIONS.items()}
    found = WaveConnections(None, options, WHOS, before, print).judge(POLICY, DONE, 0.0)
    assert found.verdict == "inconclusive" and "none were counted before the wave" in found.reasons[0]


def test_not_asked_is_said():
    found = WaveConnections(None, None, WHOS, None, print).judge(POLICY, DONE, 0.0)
    assert (found.verdict, found.reasons) == ("pass", ("connections: not looked at, rootwave_twins has no connections",))
