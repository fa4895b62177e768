# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One wave a job, as AWX runs them: the gate's artifacts reach the next wave as variables, by ansible-runner on real gateways."""

from __future__ import annotations

import copy

import pytest
from ansible_collections.rootwave.iot.plugins.plugin_utils.approval import hash_of

from lab import openssl
from tests.system.awx_launch import Launcher
from tests.system.fleet import Fleet

WAVES = ["first", "second"]


def judged(fleet):
    """(campaign, evidence) after the first wave was staged and judged."""
    campaign = fleet.campaign(WAVES)
    launcher = Launcher(fleet, campaign)
    ended = launcher.job("stage", wave="first")
    assert ended.ok, ended.output
    ended = launcher.job("gate", wave="first", phase="stage")
    assert ended.ok, ended.output
    return campaign, ended.evidence


@pytest.fixture
def approved(fleet):
    return judged(fleet)


@pytest.fixture(scope="module")
def kept(lab, tmp_path_factory):
    """The same, once for all whose job is refused and so touches nothing; they come one after the other."""
    fleet = Fleet(lab, tmp_path_factory.mktemp("approved"))
    fleet.hub_as_new()
    fleet.renew()
    return judged(fleet)


def second(fleet, campaign, evidence, **more):
    """The job of the second wave."""
    return Launcher(fleet, campaign).job("stage", evidence, wave="second", **more)


def test_a_wave_after_its_approval(fleet, approved, roots):
    campaign, evidence = approved
    assert (evidence["verdict"], sorted(evidence["hosts"]), evidence["next"]) == (
        "pass",
        fleet.group("first"),
        "stage wave second",
    )
    ended = second(fleet, campaign, evidence)
    assert ended.ok, ended.output
    assert all(openssl.trusts(fleet.lab, fleet.gateways[name], roots["lab-g2"].pem) for name in fleet.group("second"))
    again = Launcher(fleet, campaign).job("gate", wave="first", phase="stage")
    assert again.ok and again.evidence["hosts"] == evidence["hosts"], "what was not touched is as it was approved"


@pytest.mark.parametrize(
    "spoil, words",
    [
        ("edited", "was changed after its gate made it"),
        ("missing", "there is no evidence of wave first"),
        ("too old", "evidence_max_age is 60 s"),
        ("fleet", "wave first has lost"),
        ("campaign", "the campaign was changed"),
        ("other wave", "about wave second"),
    ],
)
def test_what_was_approved_is_not_what_is_there(lab, kept, tmp_path, spoil, words):
    fleet, (campaign, evidence), more = Fleet(lab, tmp_path), copy.deepcopy(kept), {}
    if spoil == "edited":
        evidence["numbers"]["done"] += 1
    elif spoil == "missing":
        evidence = None
    elif spoil == "too old":
        campaign = fleet.campaign(WAVES, policy={"evidence_max_age": 60})
        evidence = aged(evidence, 61)
    elif spoil == "fleet":
        more["without"] = fleet.group("first")[:1]
    elif spoil == "campaign":
        campaign = fleet.campaign(WAVES, timeouts={"tcp": 7})
    else:
        evidence = aged({**evidence, "wave": "second"}, 0)
    ended = second(fleet, campaign, evidence, **more)
    assert not ended.ok and words in ended.output, ended.output
    assert (fleet.outcomes(fleet.group("first")), fleet.outcomes(fleet.group("second"))) == ({"done"}, {"untouched"})


def test_a_gate_takes_no_limit(lab, kept, tmp_path):
    fleet, (campaign, _evidence) = Fleet(lab, tmp_path), kept
    ended = Launcher(fleet, campaign).job("gate", limit=fleet.group("first")[0], wave="first", phase="stage")
    assert not ended.ok and "covers 1 of 4 gateways" in ended.output and not ended.artifacts, ended.output


REVERTED = """
import json
import os
path = "/var/lib/rootwave/report.json"
report = json.load(open(path))
json.dump(dict(report, committed_at=report["committed_at"] + 5), open(path, "w"))
"""


def test_a_report_that_is_not_the_one_that_was_approved(fleet, approved):
    campaign, evidence = approved
    fleet.alter(fleet.group("first")[0], "python3", "-c", REVERTED)
    ended = second(fleet, campaign, evidence)
    assert not ended.ok and "is not what was approved" in ended.output, ended.output
    assert fleet.outcomes(fleet.group("second")) == {"untouched"}


def aged(evidence, seconds):
    """As a gate would have made it so long ago."""
    found = {**evidence, "at": evidence["at"] - seconds}
    return {**found, "hash": hash_of(found)}


def test_a_gate_that_did_not_pass_is_published_and_stops(fleet):
    """One gateway cannot be reached: the wave is run on the others, its gate says so, and nobody can approve that."""
    launcher, lost = Launcher(fleet, fleet.campaign(WAVES)), fleet.group("first")[3]
    overrides = {lost: {"ansible_port": 9}}
    assert not launcher.job("stage", overrides=overrides, wave="first").ok
    ended = launcher.job("gate", overrides=overrides, wave="first", phase="stage")
    assert not ended.ok and "gate of wave first: fail: 4 total, 3 done, 1 unreachable" in ended.output, ended.output
    assert ended.evidence["verdict"] == "fail"
    ended = launcher.job("stage", ended.evidence, overrides=overrides, wave="second")
    assert not ended.ok and "said fail, and nobody can approve that" in ended.output, ended.output
    assert fleet.outcomes(fleet.group("second")) == {"untouched"}


def test_job_slices(fleet):
    """Two slices of each wave; the gate sees the whole, and a gateway that no slice had."""
    launcher = Launcher(fleet, fleet.campaign([{"group": name, "expect": 4} for name in WAVES]), slices=2)
    every = [*fleet.group("first"), *fleet.group("second")]
    slices = [every[0::2], every[1::2]]
    for names in slices:
        ended = launcher.job("stage", without=set(every) - set(names), wave="first")
        assert ended.ok, ended.output
    evidence = launcher.job("gate", wave="first", phase="stage").evidence
    assert (evidence["verdict"], evidence["numbers"]["done"]) == ("pass", 4)
    without = set(every) - set(slices[0])
    ended = launcher.job("stage", evidence, without=without, wave="second")
    assert ended.ok, ended.output
    ended = launcher.job("gate", wave="second", phase="stage")
    assert not ended.ok and ended.evidence["numbers"]["silent"] == 2
    ended = launcher.job("gate", without=without, wave="second", phase="stage")
    assert not ended.ok and "the campaign expects 4 gateways in first, the inventory has 2" in ended.output, ended.output
    assert not ended.artifacts


def test_a_slice_without_a_gateway_of_the_wave(fleet):
    """More slices than gateways: AWX gives some of them others only. They change nothing, and the gate still wants all."""
    launcher = Launcher(fleet, fleet.campaign([{"group": name, "expect": 4} for name in WAVES]), slices=9)
    ended = launcher.job("stage", without=fleet.group("first"), wave="first")
    assert not any(ended.changed.values()), ended.output
    assert fleet.outcomes([*fleet.group("first"), *fleet.group("second")]) == {"untouched"}
    ended = launcher.job("gate", wave="first", phase="stage")
    assert not ended.ok and ended.evidence["numbers"]["silent"] == 4, ended.output
