# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the twin asks and what was done -> what to do next, as tables; and what is answered."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from agent import orders, records, reported
from agent.backoff import Backoff, until_next

STAGE, RETIRE = {"id": "a" * 64, "go": 1, "n": 1, "c0": "x"}, {"id": "b" * 64, "go": 1, "n": 1, "c0": "x"}
KEYS = {"id": "c" * 64, "go": 1, "n": 1, "c0": "x"}


def known(name, document, state, **more):
    order = next(one for one in orders.read({name: document}) if one.name == name)
    return {name: {**records.new(order, state), **more}}


def waiting():
    return known("retire", RETIRE, "running", change="000001", confirm_by=1000)


@pytest.mark.parametrize(
    "section, records_, fresh, now, job",
    [
        pytest.param(None, {}, None, 0, None, id="a twin without our section"),
        pytest.param("text", {}, None, 0, None, id="a section that is no object"),
        pytest.param({"unknown": STAGE}, {}, None, 0, None, id="a key that is no phase"),
        pytest.param({"stage": STAGE}, {}, None, 0, "orders", id="a new order"),
        pytest.param({"stage": 7}, {}, None, 0, "orders", id="what is no order is looked at once, to be refused"),
        pytest.param({"stage": STAGE}, known("stage", STAGE, "proved"), None, 0, None, id="an order that has ended"),
        pytest.param({"stage": STAGE}, known("stage", STAGE, "failed"), None, 0, None, id="an order that has failed, too"),
        pytest.param({"stage": {**STAGE, "go": 2}}, known("stage", STAGE, "proved"), None, 0, "orders", id="go again"),
        pytest.param({"stage": RETIRE}, known("stage", STAGE, "proved"), None, 0, "orders", id="another order of the phase"),
        pytest.param({"stage": STAGE}, known("stage", STAGE, "accepted"), None, 0, "orders", id="one that could not begin"),
        pytest.param({"stage": STAGE}, known("stage", STAGE, "running"), None, 0, "orders", id="one whose run was killed"),
        pytest.param({}, known("stage", STAGE, "accepted"), None, 0, "orders", id="withdrawn before it began: forgotten"),
        pytest.param({}, known("stage", STAGE, "proved"), None, 0, None, id="withdrawn after it ended"),
        pytest.param({"retire": RETIRE}, waiting(), None, 0, None, id="pending, and no session since"),
        pytest.param({"retire": RETIRE}, waiting(), "000000", 0, None, id="pending, and the session is of an older change"),
        pytest.param({"retire": RETIRE}, waiting(), "000001", 0, "commit", id="pending, and a new session"),
        pytest.param({"retire": RETIRE, "stage": STAGE}, waiting(), None, 0, None, id="nothing begins while one is pending"),
        pytest.param({"retire": None}, waiting(), "000001", 0, "revert", id="pending and withdrawn"),
        pytest.param({"retire": {**RETIRE, "go": 2}}, waiting(), None, 0, "revert", id="pending and ordered anew"),
        pytest.param({"retire": RETIRE}, waiting(), None, 1000, "settle", id="pending for too long"),
        pytest.param(None, known("retire", RETIRE, "running", change="1"), None, 0, "settle", id="a worker was killed"),
        pytest.param(None, known("retire", RETIRE, "reverted", change="1"), None, 0, None, id="one that ended by itself"),
    ],
)
def test_next_job(section, records_, fresh, now, job):
    assert orders.next_job(section, records_, fresh, now) == job


def test_keys_come_first_and_phases_by_serial():
    assert [order.name for order in orders.read({"retire": RETIRE, "stage": STAGE, "keys": KEYS})] == ["keys", "stage", "retire"]
    pairs = [("retire", SimpleNamespace(serial=7)), ("revert", SimpleNamespace(serial=9)), ("stage", SimpleNamespace(serial=3))]
    assert [name for name, _phase in orders.in_serial_order(pairs)] == ["stage", "retire", "revert"]


@pytest.mark.parametrize(
    "document", [[], "x", {"id": 5}, {"id": ""}, {"id": "x" * 129}, {"go": True}, {"go": 10**400}, {"id": None, "n": "y"}]
)
def test_what_is_no_order_has_an_identity_all_the_same(document):
    first, again = (orders.read({"stage": document})[0] for _each in range(2))
    assert first == again and 0 < len(first.id) <= 128 and first.go == 0


def test_deep_documents_do_not_end_the_agent():
    deep: list = []
    for _each in range(100_000):
        deep = [deep]
    assert len(orders.read({"stage": deep})[0].id) == 64


# the answer


def test_answer_fits_a_twin():
    """Every value below 4 KB and all of it below 8 KB, whatever the reasons are."""
    reason = "a\nlong\x00 reason " * 500
    all_of_them = {
        name: {
            **known("stage", STAGE, "refused")["stage"],
            "reason": reported.short(reason),
            "serial": 2**52,
            "committed_at": 2**40,
        }
        for name in ("stage", "retire", "revert", "keys")
    }
    document = reported.document("0.1.0+000000000000", 10**6, 10**6, all_of_them)
    assert len(json.dumps(document)) < 8192
    assert all(len(json.dumps(value)) < 4096 for value in document.values())
    assert len(document["stage"]["reason"]) == reported.REASON_MOST and document["stage"]["reason"].isprintable()
    assert len(json.dumps({"reason": reason})) > 4096  # so the bound does something


def test_answer_says_what_the_contract_says():
    document = reported.document("v", 3, 1, known("stage", STAGE, "proved", serial=1, committed_at=5, at=5, probes="5 of 5 ok"))
    stage = {"id": STAGE["id"], "go": 1, "serial": 1, "state": "proved", "reason": "", "at": 5, "committed_at": 5}
    assert document == {"agent": "v", "boot": 3, "keys": 1, "probes": "5 of 5 ok", "stage": stage}


@pytest.mark.parametrize(
    "before, after",
    [
        (None, {"a": 1}),
        ({"a": 1}, {"a": 1}),
        ({"a": 1, "b": 2}, {"a": 1}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}),
        ({"a": {"b": 1}}, {"a": 7}),
        ({"a": 7}, {"a": {"b": {}}}),
        ({"stage": {"state": "proved", "committed_at": 5}}, {"stage": {"state": "running"}, "boot": 2}),
    ],
)
def test_difference_is_the_patch(before, after):
    patch = reported.difference(before, after)
    assert reported.merged(before, patch) == after
    assert bool(patch) is (before != after)
    assert reported.merged(before, {**patch, "x": 1}) != after


def test_the_application_is_told_what_to_delete():
    document = reported.with_nulls(reported.document("v", 1, 1, known("stage", STAGE, "running")))
    assert document["stage"]["committed_at"] is None
    before = {"stage": {"state": "proved", "committed_at": 5}, "retire": {"state": "accepted"}, "probes": "1 of 1 ok"}
    after = reported.merged(before, document)
    assert set(after) == {"agent", "boot", "keys", "stage"} and "committed_at" not in after["stage"]


# waiting


def test_backoff_doubles_within_bounds_and_forgives_a_good_session():
    backoff = Backoff(1, 100, chance=lambda: 1.0)
    assert [backoff.after() for _each in range(9)] == [1, 2, 4, 8, 16, 32, 64, 100, 100]
    assert backoff.after(held=59.0) == 100  # lost at once: no session to speak of
    assert backoff.after(held=61.0) == 1


@pytest.mark.parametrize(
    "records_, now, least, most",
    [
        pytest.param({}, 0, 30, 60, id="nothing known of it"),
        pytest.param(waiting(), 0, 5, 5, id="a commit that failed has no time to lose"),
        pytest.param(waiting(), 1001, 30, 60, id="it is too late for it"),
        pytest.param(known("stage", STAGE, "accepted", wait_until=1100), 1000, 101, 101, id="until its time"),
        pytest.param(known("stage", STAGE, "accepted", wait_until=10**9), 0, 900, 900, id="the clock may be set meanwhile"),
    ],
)
def test_until_next(records_, now, least, most):
    assert least <= until_next(records_, Backoff(60, 900), now) <= most


def test_no_two_devices_wait_alike():
    waits = {Backoff(100, 1000).after() for _each in range(50)}
    assert len(waits) > 40 and all(50 <= wait <= 100 for wait in waits)
