# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""At least 100,000 lying devices: what they report ends no run, stays one short line, and is done only where it says just that.

Each example of hypothesis is a wave of devices, read as a gate reads them: by twin id, or by the query index and the rest by id.
Hypothesis draws what they say, and one seed for which of them says it where.
Only the hub is replaced, by one that answers at once with what the devices said.
"""

from __future__ import annotations

import copy
import math
import random
import time
from types import SimpleNamespace

from ansible_collections.rootwave.iot.plugins.plugin_utils import order_state, twin_reports
from ansible_collections.rootwave.iot.plugins.plugin_utils.evidence import DONE, Asked
from ansible_collections.rootwave.iot.plugins.plugin_utils.order_file import OrderFile
from ansible_collections.rootwave.iot.plugins.plugin_utils.order_form import order_of
from ansible_collections.rootwave.iot.plugins.plugin_utils.twin_evidence import Clock, evidence_by_host
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

INPUTS_LEAST, SECONDS_MOST = 100_000, 90  # seconds of processor time
DATA = b"an envelope, as far as a twin is concerned"
ID = order_of(DATA)["id"]
NOW, FLOOR = 1_764_000_000.0, 1_764_000_000.0 - 600
ORDER = OrderFile("retire", DATA, ID, "plant-a", serial=7)
ASKED = Asked("d" * 64, "retire", None, ("endpoint-dns",))
GOOD = {"id": ID, "go": 1, "serial": 7, "state": "proved", "reason": "", "at": int(NOW) - 300, "committed_at": int(NOW) - 300}
STAMP = "2025-11-24T15:55:00.0000000Z"  # NOW - 300
MUCH = settings(
    max_examples=360, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck), print_blob=False
)
# what is nearly right, what another program would take for it, and what is no number, no time, no text
NEARLY = [ID, ID.upper(), f" {ID}", f"{ID}\n", f"{ID}\u200b"]
NEARLY += ["proved", "proved ", "\tproved", "proved\0", "Proved", "\uff50roved"]
WORDS = ["refused", "failed", "reverted", "running", "accepted", "x" * 5000, "\x1b[2J\u202e{{ 1/0 }}\n" * 40, "\ud800", "\u2028"]
NUMBERS = [True, False, 0, -1, 2**52, 2**52 + 1, 2**63, -(2**53), 10**400, math.nan, math.inf, -math.inf, 0.5, 1e308, -1e-308]
TIMES = [NOW, NOW - 1, FLOOR, FLOOR - 1, 0.0, 1.0, NOW - 10**9, NOW + 299, NOW + 301, NOW + 10**12, -NOW, "now", STAMP]
STAMPS = ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "1970-01-01T00:00:00Z", "2090-01-01T00:00:00Z", "2025-11-24", "T" * 19]
TEXTS = st.text(max_size=12)
ODD = st.sampled_from(NEARLY + WORDS + NUMBERS + TIMES)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS, ODD)
NAMES = st.sampled_from([*GOOD, "retire", "revert", "stage", "state", "$lastUpdated", ""])
JSON = st.recursive(SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=4)))
VALUES = st.lists(st.one_of(SCALARS, JSON), min_size=8, max_size=8)
RANDOM = st.integers(0, 2**32).map(random.Random)
ENDS = st.sampled_from(["refused", "failed", "reverted"])
SHAPES = st.lists(JSON, min_size=20, max_size=20)
HUB_TIMES = st.one_of(st.none(), st.sampled_from([STAMP, *STAMPS]), JSON)
seen = [0]
done = [0]


class Hub:
    """What twin_reports asks of a ThrottledHub. ``index`` is what the query finds, whatever was asked."""

    host, rates = "hub.example", {"read": 1.0}

    def __init__(self, twins, index=()):
        self._twins, self._index = twins, index

    def eta(self, _kind, _calls):
        return 0.0

    def get_twin(self, device, _module):
        return self._twins[device]

    def pages(self, _query, _size):
        yield SimpleNamespace(items=[{"device": device, "answers": answers} for device, answers in self._index])


def twin_of(answers, stamp=STAMP, ordered=True):
    reported = {"rootwave": answers, "$metadata": {"rootwave": {"retire": {"state": {"$lastUpdated": stamp}}}}}
    return {"properties": {"desired": {"rootwave": {"retire": order_of(DATA)}} if ordered else {}, "reported": reported}}


def judge(all_answers, stamp=STAMP, by_query=False, ordered=True):
    """Read what these devices report and check all that must hold, whatever it is."""
    said = {f"device-{number}": answers for number, answers in enumerate(all_answers)}
    hub = Hub({device: twin_of(answers, stamp, ordered) for device, answers in said.items()}, list(said.items()))
    found = twin_reports.read(hub, list(said), "rootwave", ORDER, 0 if by_query else len(said), NOW, print)
    assert found.keys() == said.keys()
    words = evidence_by_host({device: device for device in said}, found, ASKED, Clock(NOW, FLOOR))
    for one in words:
        seen[0] += 1
        report, step = found[one.host].report, found[one.host].step
        for text in (report.id, report.state, report.reason, step.reason, one.reason):
            assert len(text) <= 500 and text.isprintable()
        assert isinstance(report.go, int) and not isinstance(report.go, bool) and abs(report.go) <= 2**52
        if one.word == DONE:
            done[0] += 1
            assert exactly_proved(said[one.host])
            assert one.held is not None and 0 <= one.held <= NOW - FLOOR
        again = order_state.step_of(ORDER, hub.get_twin(one.host, None), again=True)
        assert again.state in order_state.STATES and (again.patch or {"go": 1})["go"] >= 1
    return words


def exactly_proved(answers):
    mine = answers["retire"]
    return (mine["id"], mine["state"]) == (ID, "proved")


def lies(values, rng, count):
    """For each of so many devices: up to three members of its report, and what it says there."""
    for _each in range(count):
        yield {name: rng.choice(values) for name in rng.sample([*GOOD], rng.randint(0, 3))}


@MUCH
@given(VALUES, RANDOM, ENDS, HUB_TIMES, st.booleans())
def reports_with_lies(values, rng, end, stamp, by_query):
    """Good, or ended badly, but for some members: the id, the state, the clock, the last go."""
    for state in ("proved", end):
        judge([{"retire": {**GOOD, "state": state, **lie}} for lie in lies(values, rng, 50)], stamp, by_query)


@MUCH
@given(RANDOM, st.booleans(), st.booleans())
def reports_that_lack_something(rng, by_query, ordered):
    left = [{name: value for name, value in GOOD.items() if name not in lie} for lie in lies([None], rng, 10)]
    judge([{"retire": report} for report in left], STAMP, by_query, ordered)


@MUCH
@given(SHAPES, st.booleans())
def reports_of_anything(values, by_query):
    """Any JSON where the answers, one of them, and a revert beside them should be."""
    answers = list(values)
    answers += [{"retire": value} for value in values]
    answers += [{"retire": copy.copy(GOOD), "revert": value} for value in values]
    judge(answers, STAMP, by_query)


@MUCH
@given(RANDOM, HUB_TIMES, st.booleans())
def clocks_that_lie(rng, stamp, by_query):
    """Proved by every clock there is: the soak is never over before it could be."""
    times = TIMES + NUMBERS
    clocks = zip(rng.choices(times, k=120), rng.choices(times, k=120), strict=True)
    words = judge([{"retire": {**GOOD, "at": at, "committed_at": committed}} for at, committed in clocks], stamp, by_query)
    assert all(one.word == DONE for one in words)


FUZZERS = (reports_with_lies, reports_that_lack_something, reports_of_anything, clocks_that_lie)


def test_a_hundred_thousand_reports():
    began = time.process_time()
    for fuzz in FUZZERS:
        fuzz()
    spent = time.process_time() - began
    print(f"{seen[0]} inputs, {done[0]} of them done, in {spent:.1f} s")
    assert seen[0] >= INPUTS_LEAST and spent <= SECONDS_MOST and 0 < done[0] < seen[0]


def test_the_fuzz_can_fail():
    """A good report is done since its commit, so that silence above is an answer; and the check of exactness tells apart."""
    for by_query in (False, True):
        (one,) = judge([{"retire": GOOD}], by_query=by_query)
        assert (one.word, one.held) == (DONE, 300)
    assert exactly_proved({"retire": GOOD}) and not exactly_proved({"retire": {**GOOD, "state": "proved "}})
    (oldest,) = judge([{"retire": {**GOOD, "committed_at": 0}}])
    assert oldest.held == NOW - FLOOR  # a commit in 1970 counts from the floor, and no second longer


def test_a_device_cannot_end_the_run_of_all_others():
    """One more than the highest go is none that a device takes, so it is not asked for; beyond it a report is none."""
    highest = {"retire": {**GOOD, "state": "refused", "go": order_state.GO_MOST}}
    assert order_state.step_of(ORDER, twin_of(highest), again=True).patch["go"] == order_state.GO_MOST
    beyond = {"retire": {**GOOD, "state": "refused", "go": 2**52}}
    assert order_state.step_of(ORDER, twin_of(beyond), again=True).state == order_state.WAITING
    step = order_state.step_of(ORDER, twin_of({"retire": {**GOOD, "state": "refused", "go": 4}}), again=True)
    assert step.patch["go"] == 5
