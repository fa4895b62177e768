# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A wave's devices say done; are they connected? The lab's hub writes the log and the metric, light devices come and go."""

from __future__ import annotations

import time
import uuid

import pytest
from azure.iot.hub import IoTHubRegistryManager

from tests.hub.test_hub_connections import HOUR, evidence, past
from tests.hub.test_twin_gate import ordered, twin_waves
from tests.hub.twin_fleet import TwinFleet

LEAVES = {"leaves": True}
LOST = "it said done, then its session ended, and it has not come back"


@pytest.fixture
def measured(azure):
    """A metric that is older than the hub, and above zero in the minutes before: the median of five is the baseline."""
    now = time.time()
    past(azure, connectedDeviceCount=[[now - 3 * HOUR, 3], *([now - 60 * minutes, 3] for minutes in range(6, 0, -1))])


@pytest.fixture
def registry(azure):
    return IoTHubRegistryManager.from_connection_string(azure.connection_string)


@pytest.fixture
def fleet(azure, measured, tmp_path):
    return TwinFleet(azure, tmp_path)


@pytest.fixture
def waves(fleet):
    tag = uuid.uuid4().hex[:6]
    named = {wave: [f"{wave}-{tag}-{number}" for number in range(3)] for wave in ("canary", "broad")}
    fleet.seed(named["canary"] + named["broad"])
    return named


@pytest.fixture
def run(azure, fleet, waves):
    """stage_campaign with devices that go on or leave; a soak of two seconds is longer than leaving takes."""

    def start(leaving=(), playbook="stage_campaign", flags=(), **connections):
        # devices of other tests are in the metric too
        asked = {**evidence(azure), "grace": 0, "max_drop_percent": 100, **connections}
        path = twin_waves(fleet, soak=2, phase_timeout=10)
        inventory = fleet.inventory(waves, orders={"stage": path}, connections=asked)
        with fleet.start(waves["canary"] + waves["broad"], dict.fromkeys(leaving, LEAVES)):
            first = fleet.play(playbook, inventory, *flags)
            return first, lambda name, *more: fleet.play(name, inventory, *more)

    return start


def test_all_stay(run):
    ran, _again = run()
    assert ran.code == 0 and ran.output.count("connections: 3 of 3 that are done are connected") == 2, ran.output


@pytest.mark.parametrize(
    "grace, words", [(0, "fail: 3 total, 2 done, 1 failed"), (600, "inconclusive: 3 total, 2 done, 1 silent")]
)
def test_sessions_that_were_lost_after_the_order(run, waves, registry, grace, words):
    """By its report the device is done. Long enough away it counts as failed, until then nobody knows."""
    ran, _again = run([waves["canary"][1]], grace=grace)
    assert ran.code != 0 and f"gate after wave canary: {words}" in ran.output, ran.output
    assert (LOST in ran.output) == (grace == 0)
    assert not any(ordered(registry, name) for name in waves["broad"])


def test_a_lost_session_is_not_forgotten_by_a_second_run(run, fleet, waves, registry):
    """Whoever resumes has a new baseline, in which the lost device is away already."""
    first, again = run([waves["canary"][1]])
    assert first.code != 0 and LOST in first.output, first.output
    with fleet.start([waves["canary"][0], waves["canary"][2], *waves["broad"]]):
        for playbook, *flags in (["stage_campaign"], ["run_wave", "-e", "rootwave_phase=stage", "-e", "rootwave_wave=broad"]):
            ran = again(playbook, *flags)
            assert ran.code != 0 and "gate after wave canary: fail: 3 total, 2 done, 1 failed" in ran.output, ran.output
    assert not any(ordered(registry, name) for name in waves["broad"])
    with fleet.start(waves["canary"] + waves["broad"]):
        back = again("stage_campaign")
    assert back.code == 0, back.output


def test_the_hub_as_a_whole_lost_devices(run, waves, registry):
    ran, _again = run(baseline=100_000, max_drop_percent=5)
    assert ran.code != 0 and "gate after wave canary: fail: 3 total, 3 done; connections: Connected Devices fell" in ran.output
    assert not any(ordered(registry, name) for name in waves["broad"])


def test_nothing_is_ordered_where_evidence_is_missing(run, waves, registry):
    ran, _again = run(workspace_id=str(uuid.uuid4()))
    assert ran.code != 0 and "Nothing was ordered, for the gate would have no evidence of connections" in ran.output, ran.output
    assert "gate after wave canary: inconclusive: 3 total, 3 silent" in ran.output
    assert not any(ordered(registry, name) for name in waves["canary"])
