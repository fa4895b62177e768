# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens to an order between the look and the hub: lost answers, twins that fill up, jobs that fail or have to wait.

The parts of hub_order on a real port to the lab's hub; whole runs are in test_hub_order.
"""

from __future__ import annotations

import time
import uuid

import pytest
from ansible_collections.rootwave.iot.plugins.plugin_utils import order_jobs
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub.connect import connect
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub.errors import HubError
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub.throttle import ThrottledHub
from ansible_collections.rootwave.iot.plugins.plugin_utils.order_delivery import Delivery, Result
from ansible_collections.rootwave.iot.plugins.plugin_utils.order_file import read
from ansible_collections.rootwave.iot.plugins.plugin_utils.order_form import order_of
from ansible_collections.rootwave.iot.plugins.plugin_utils.order_state import step_of, withdrawal_of

from tests.hub.test_races import Behind, lost
from tests.hub.twin_fleet import FLEET, TwinFleet

OPTIONS = {"sku": "S1", "units": 20, "timeout": 30, "time_budget": 60, "implementation": "auto"}


@pytest.fixture
def port(azure):
    return connect({**OPTIONS, "connection_string": azure.connection_string})


@pytest.fixture
def order(azure, tmp_path):
    return read(str(TwinFleet(azure, tmp_path).sign()), "stage", FLEET)


@pytest.fixture
def names(azure):
    tag = uuid.uuid4().hex[:6]
    found = [f"port-{tag}-{number}" for number in range(3)]
    azure.seed({name: {} for name in found})
    return found


def quiet(_words: str) -> None:
    pass


def needing(names, order):
    return [Result(name, "ordered", "", order_of(order.data)) for name in names]


def ordered(port, name):
    return "stage" in port.get_twin(name)["properties"]["desired"].get("rootwave", {})


@pytest.mark.parametrize("withdrawn", [False, True])
def test_an_answer_that_was_lost_is_counted_as_what_was_sent(port, order, names, withdrawn):
    """The hub took the patch; on the second look nothing is missing any more. What is counted decides from when a soak runs."""
    if withdrawn:
        port.patch_twin(names[0], {"properties": {"desired": {"rootwave": {"stage": order_of(order.data)}}}})
    inner = Behind(port.inner, "patch_twin", lost(HubError("a call: 500", 500)))
    hub = ThrottledHub(inner, "S1", 20, 60, time.monotonic, lambda _seconds: None)

    def decide(twin):
        return withdrawal_of("stage", order, twin) if withdrawn else step_of(order, twin, False)

    (found,) = Delivery(hub, "stage", None, decide, False, quiet).direct(names[:1], 1, 100.0)
    assert found.state == ("withdrawn" if withdrawn else "ordered")
    assert ordered(port, names[0]) is not withdrawn


def test_a_job_that_fails_for_one_device(port, order, names):
    """Its twin filled up between the look and the job, and another device was removed."""
    full = {f"k{number}": "x" * 4000 for number in range(7)}
    port.patch_twin(names[1], {"properties": {"desired": full}})
    found = order_jobs.deliver(port, "stage", needing([*names, "nobody"], order), 50.0, quiet)
    states = {one.device: one.state for one in found}
    assert states == {names[0]: "ordered", names[1]: "error", names[2]: "ordered", "nobody": "error"}
    reasons = {one.device: one.reason for one in found}
    assert "32768" in reasons[names[1]] and "the job did not reach it" in reasons["nobody"]
    assert [ordered(port, name) for name in names] == [True, False, True]


def test_a_job_waits_behind_somebody_elses(azure, port, order, names):
    """An S1 hub runs one at a time, ten devices a second. It says that it waits, and whose time that is."""
    other, heard = f"other-{uuid.uuid4().hex[:6]}", []
    azure.seed({f"{other}-{number}": {"tags": {"of": other}} for number in range(40)})
    document = {"type": "scheduleUpdateTwin", "queryCondition": f"tags.of = '{other}'", "maxExecutionTimeInSeconds": 60}
    port.create_job(other, {**document, "updateTwin": {"etag": "*", "properties": {"desired": {"theirs": 1}}}})
    found = order_jobs.deliver(port, "stage", needing(names, order), 50.0, heard.append)
    assert port.get_job(other)["status"] == "completed"
    assert {one.state for one in found} == {"ordered"} and all(ordered(port, name) for name in names)
    assert "another job is running, 3600 s to wait for it at the most" in heard[0]


def test_a_job_that_its_hub_never_ends(port, order, names, monkeypatch):
    """It is said after the job's own time, and no device counts as ordered."""
    monkeypatch.setattr(order_jobs, "ENDS_WITHIN", -1e9)
    stuck = Behind(port, "get_job", None)
    stuck.get_job = lambda job: {"jobId": job, "status": "running"}
    found = order_jobs.deliver(stuck, "stage", needing(names, order), 50.0, quiet)
    assert {one.state for one in found} == {"error"} and "is still running" in found[0].reason


@pytest.mark.parametrize("end", [{}, {"deviceJobStatistics": None}, {"failureReason": "a\x1b[2J\n" * 400}])
def test_a_job_that_ended_without_numbers(port, order, names, end):
    failed = Behind(port, "get_job", None)
    failed.get_job = lambda job: {"jobId": job, "status": "failed", **end}
    failed.create_job = lambda job, document: None
    (one, *_others) = order_jobs.deliver(failed, "stage", needing(names, order), 50.0, quiet)
    assert one.state == "error" and one.reason.isprintable() and len(one.reason) < 400
