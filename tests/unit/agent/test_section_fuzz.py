# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Anything where the twin's section should be: the agent's first look at it ends in orders to be judged, and in no exception."""

from __future__ import annotations

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent import orders, records, reported
from tests.unit.agent.test_orders import KEYS, RETIRE, STAGE, known, waiting

MUCH = settings(
    max_examples=1500, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck), print_blob=False
)
NAMES = st.sampled_from(["stage", "retire", "revert", "keys", "id", "go", "n", "c0", "", "\ud800", "other"])
ODD = st.sampled_from(
    [STAGE["id"], "x" * 129, "\ud800", "\0", 10**400, float("nan"), float("inf"), -1, 2**60, STAGE, RETIRE, KEYS]
)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), ODD)
JSON = st.recursive(SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=4)))
SECTIONS = st.one_of(JSON, st.dictionaries(NAMES, JSON, max_size=5))
RECORDS = ({}, known("stage", STAGE, "proved"), known("stage", STAGE, "accepted"), waiting())
JOBS = (None, "orders", "commit", "revert", "settle")
seen = [0]


@MUCH
@given(SECTIONS, st.one_of(st.none(), JSON))
def any_section(section, fresh):
    for known_here in RECORDS:
        seen[0] += 1
        found = orders.read(section)
        assert {order.name for order in found} <= {orders.KEYS, *orders.PHASES}
        for order in found:
            assert 0 < len(order.id) <= 128 and isinstance(order.go, int) and not isinstance(order.go, bool)
            assert records.new(order, "refused", "x")["id"] == order.id
        job = orders.next_job(section, known_here, fresh, 0)
        assert job in JOBS
        # only the record's own change is committed, and only what is still asked for
        if job == "commit":
            assert fresh == "000001" and section["retire"]["id"] == RETIRE["id"]
        json.dumps(reported.document("v", 1, 1, {order.name: records.new(order, "refused") for order in found}))


def test_any_section():
    any_section()
    assert seen[0] >= 4 * 1000


def test_that_fuzz_can_fail():
    """The right change and the order that is still asked for are a commit, and either alone is none."""
    assert orders.next_job({"retire": RETIRE}, waiting(), "000001", 0) == "commit"
    assert orders.next_job({"retire": RETIRE}, waiting(), "000002", 0) is None
    assert orders.next_job({"retire": STAGE}, waiting(), "000001", 0) == "revert"
