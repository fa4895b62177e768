# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A twin and an order -> what is missing, as a table; reports are hostile text."""

from __future__ import annotations

import pytest
from ansible_collections.rootwave.iot.plugins.filter.desired import desired
from ansible_collections.rootwave.iot.plugins.plugin_utils.order_delivery import Result
from ansible_collections.rootwave.iot.plugins.plugin_utils.order_file import OrderFile
from ansible_collections.rootwave.iot.plugins.plugin_utils.order_form import order_of
from ansible_collections.rootwave.iot.plugins.plugin_utils.order_jobs import chunks_of
from ansible_collections.rootwave.iot.plugins.plugin_utils.order_state import report_of, state_in, step_of, withdrawal_of

from tests.unit.agent.signing import Signer
from tests.unit.plugins.plugin_utils.signing_people import campaign

DATA = b"an envelope, as far as a twin is concerned"
ID = order_of(DATA)["id"]
ORDER = OrderFile("stage", DATA, ID, "plant-a", serial=7)


def twin(order=None, answers=None, **foreign):
    desired = {**foreign, "$version": 3, **({"rootwave": {"stage": order}} if order else {})}
    return {"properties": {"desired": desired, "reported": {"rootwave": answers} if answers is not None else {}}}


def says(state, go=1, identity=ID, **more):
    return {"stage": {"id": identity, "go": go, "serial": 7, "state": state, **more}}


@pytest.mark.parametrize(
    "there, answers, again, state, go",
    [
        (None, None, False, "ordered", 1),
        (order_of(DATA), None, False, "waiting", None),
        (order_of(DATA), says("accepted"), False, "waiting", None),
        (order_of(DATA), says("running"), True, "waiting", None),
        (order_of(DATA), says("proved"), True, "proved", None),
        (None, says("proved"), False, "proved", None),
        (order_of(DATA), says("refused"), False, "refused", None),
        (order_of(DATA), says("refused"), True, "ordered", 2),
        (order_of(DATA), says("reverted"), True, "ordered", 2),
        (order_of(DATA, 4), says("failed", 4), True, "ordered", 5),
        (order_of(DATA, 2), says("refused", 1), True, "waiting", None),  # it has not answered the second one yet
        (None, says("refused", 3), False, "refused", None),
        (None, says("refused", 3), True, "ordered", 4),
        (order_of(b"another one"), says("refused", identity="f" * 64), False, "ordered", 1),
        ({**order_of(DATA), "c0": "tampered"}, None, False, "ordered", 1),
        ({"id": ID, "go": "1"}, None, False, "ordered", 1),
        ("no order", None, False, "ordered", 1),
    ],
)
def test_what_is_missing(there, answers, again, state, go):
    step = step_of(ORDER, twin(there, answers), again)
    assert step.state == state
    assert (step.patch or {}).get("go") == go
    assert (step.patch is not None) == (state == "ordered")


def test_a_retire_that_was_taken_back_is_not_done():
    order = ORDER._replace(name="retire")
    answers = {"retire": {"id": ID, "go": 1, "serial": 7, "state": "proved"}}
    revert = {"id": "e" * 64, "go": 1, "serial": 8, "state": "proved"}
    assert state_in(order, twin(None, answers)).state == "proved"
    assert state_in(order, twin(None, {**answers, "revert": {**revert, "serial": 6}})).state == "proved"
    assert state_in(order, twin(None, {**answers, "revert": revert})).state == "reverted"


def test_why_a_device_waits_is_told():
    waits = says("accepted", reason="not before 1795000000")
    assert state_in(ORDER, twin(order_of(DATA), waits)).reason == "it says accepted: not before 1795000000"
    assert state_in(ORDER, twin(order_of(DATA), says("running"))).reason == "it says running"


def revert_of(undo):
    """(the order, what the device says of it)"""
    made = Signer("plant-a").phase(desired(campaign(), "revert", [], undo), 8)
    return made, {"id": made["id"], "go": 1, "serial": 8, "state": "proved"}


@pytest.mark.parametrize(
    "undo, kept, state",
    [
        ("stage", True, "reverted"),
        ("retire", True, "proved"),  # what was staged stays staged
        ("retire", False, "reverted"),  # of which phase it was nobody can tell any more
    ],
)
def test_a_stage_that_was_taken_back_is_not_done(undo, kept, state):
    order, said = revert_of(undo)
    document = twin(order_of(DATA), {**says("proved"), "revert": said})
    if kept:
        document["properties"]["desired"]["rootwave"]["revert"] = order
    assert state_in(ORDER, document).state == state
    assert (step_of(ORDER, document, again=True).patch is None) == (state == "proved")
    assert state_in(ORDER._replace(name="keys"), document).state != "proved"


@pytest.mark.parametrize("go", [2**52, 2**60, 1.5, -3, True, "2"])
def test_a_go_that_no_one_ordered_is_none(go):
    assert report_of(says("refused", go), "stage").go == 0
    assert state_in(ORDER, twin(order_of(DATA), says("refused", go))).state == "waiting"
    assert step_of(ORDER, twin({**order_of(DATA), "go": go}), False).patch["go"] == 1


def test_a_twin_that_would_become_too_large():
    room = {f"k{number}": "x" * 4000 for number in range(8)}
    assert step_of(ORDER, twin(**room), False).state == "ordered"
    assert step_of(ORDER, twin(**room, more="x" * 700), False).state == "too large"


@pytest.mark.parametrize(
    "answers",
    [None, [], "text", {"stage": []}, {"stage": {"id": [1], "go": True, "state": {}, "at": "now", "committed_at": 1e300}}],
)
def test_reports_that_are_none(answers):
    report = report_of(answers, "stage")
    assert (report.id, report.go, report.state, report.at, report.committed_at) == ("", 0, "", None, None)


def test_a_report_is_one_short_line():
    report = report_of(says("refused", reason="a\x1b[2J\n" * 1000), "stage")
    assert len(report.reason) <= 300 and report.reason.isprintable()


def test_withdrawal():
    assert withdrawal_of("stage", None, twin(order_of(b"any"))).state == "withdrawn"
    assert withdrawal_of("stage", ORDER, twin(order_of(b"any"))).state == "not ordered"
    assert withdrawal_of("stage", ORDER, twin(order_of(DATA))).state == "withdrawn"
    assert withdrawal_of("stage", None, twin()).state == "not ordered"


def test_jobs_take_as_many_ids_as_a_query_holds():
    needing = [Result(f"device-{number:05}", "ordered", "", {"go": 1, "c0": "x"}) for number in range(2000)]
    needing[5] = needing[5]._replace(patch={"go": 1, "c0": "x", "c1": None})
    needing[9] = needing[9]._replace(device="it's", patch={"go": 2, "c0": "x"})
    chunks = list(chunks_of(needing))
    assert sorted(one.device for _patch, chunk in chunks for one in chunk) == sorted(one.device for one in needing)
    assert all(sum(len(one.device) + 3 for one in chunk) <= 7100 for _patch, chunk in chunks)
    assert {patch["go"] for patch, chunk in chunks if any(one.device == "it's" for one in chunk)} == {2}
    assert all(patch["c1"] is None for patch, _chunk in chunks if patch["go"] == 1)
