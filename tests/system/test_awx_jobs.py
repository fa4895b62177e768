# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every job template that AWX gets, launched as AWX does; whatever people do to jobs, the next launch goes on from there."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from lab import hub_client, openssl
from tests.awx_table import LaunchRefused, launch, templates
from tests.system.awx_launch import Launcher

WAVES = ["first", "second"]
ORDERED = {"order"}  # tests/system/test_mixed_waves.py has twins


@pytest.fixture
def launcher(fleet):
    return Launcher(fleet, fleet.campaign(WAVES))


def ok(launcher, template, evidence=None, **answers):
    ended = launcher.job(template, evidence, **answers)
    assert ended.ok, ended.output
    return ended


def gate(launcher, wave, phase="stage"):
    """The evidence of a gate; what people read is in the artifacts too."""
    ended = ok(launcher, "gate", wave=wave, phase=phase)
    assert ended.artifacts["rootwave_gate_text"].endswith(ended.evidence["hash"]), ended.artifacts
    return ended.evidence


def staged(launcher):
    """Both waves, each behind the evidence of the one before; the evidence of the last one."""
    ok(launcher, "stage", wave="first")
    ok(launcher, "stage", gate(launcher, "first"), wave="second")
    return gate(launcher, "second")


def test_a_campaign_through_every_template(fleet, launcher, roots):
    """As the workflow leads: what each gate published reaches the next wave. Then back, and the report says so."""
    used = {"assess", "stage", "gate", "retire", "report", "revert", "help"}
    assert used | ORDERED == set(templates())
    every = [*fleet.group("first"), *fleet.group("second")]
    ok(launcher, "assess")
    evidence = staged(launcher)
    assert fleet.outcomes(every) == {"done"} and evidence["next"] == "cutover, then retire"
    early = launcher.job("retire", wave="first")
    assert not early.ok and "there is no evidence of wave second" in early.output, early.output
    hub_client.serve(fleet.lab, "v2")
    ok(launcher, "retire", evidence, wave="first")
    ok(launcher, "retire", gate(launcher, "first", "retire"), wave="second")
    assert not any(openssl.trusts(fleet.lab, fleet.gateways[name], roots["lab-baltimore"].pem) for name in every)
    assert gate(launcher, "second", "retire")["next"] == "nothing more: retire is through"
    told = ok(launcher, "report").artifacts["rootwave_report"]
    assert set(told) == {"waves", "next"}, told
    stopped = launcher.job("help")
    assert not stopped.ok and "every gateway keeps what it has" in stopped.output, stopped.output
    ok(launcher, "revert", undo="retire")
    assert all(openssl.trusts(fleet.lab, fleet.gateways[name], roots["lab-baltimore"].pem) for name in every)


@pytest.mark.parametrize(
    "template, answers, words",
    [
        ("stage", {"wave": "canary"}, "rootwave_wave: 'canary' is none of"),
        ("stage", {}, "rootwave_wave: None is none of"),
        ("gate", {"wave": "first", "phase": "revert"}, "rootwave_phase: 'revert' is none of"),
        ("revert", {"undo": "assess"}, "rootwave_undo: 'assess' is none of"),
        ("retire", {"wave": "first", "phase": "stage"}, "retire does not ask for phase"),
    ],
)
def test_a_survey_takes_no_such_answer(template, answers, words):
    with pytest.raises(LaunchRefused, match=words):
        launch(template, "campaign.yml", WAVES, answers)


def test_a_wave_that_the_campaign_has_no_more(fleet, launcher):
    """A survey made before the campaign lost the wave still has it: the job itself refuses."""
    ok(launcher, "stage", wave="first")
    evidence = gate(launcher, "first")
    fleet.campaign(["first"])  # the same file
    ended = Stale(fleet, launcher.campaign).job("stage", evidence, wave="second")
    assert not ended.ok and "rootwave_wave=second is none of the campaign" in ended.output, ended.output
    assert fleet.outcomes(fleet.group("second")) == {"untouched"}


class Stale(Launcher):
    """AWX's survey is of an earlier campaign."""

    def waves(self):
        return WAVES


def test_relaunch_on_failed_hosts_and_whole(fleet, launcher):
    """On failed hosts alone a wave cannot be judged, so that is refused; whole it goes on, and what is done is skipped."""
    lost = fleet.group("first")[3]
    broken = launcher.job("stage", overrides={lost: {"ansible_port": 9}}, wave="first")
    assert not broken.ok
    again = launcher.job("stage", limit=lost, wave="first")
    assert not again.ok and "relaunch on all hosts" in again.output and fleet.outcomes([lost]) == {"untouched"}, again.output
    whole = ok(launcher, "stage", wave="first")
    assert {name for name, changes in whole.changed.items() if changes} == {lost}
    assert gate(launcher, "first")["numbers"]["done"] == 4


def test_cancelled_in_the_middle(fleet, launcher):
    """AWX ends the job's processes. What is under way on a gateway is finished or taken back; the next launch does the rest."""
    reached = fleet.group("first")[0]
    at_work = ("test", "-e", "/var/lib/rootwave/lock")
    ended = launcher.job("stage", cancel=lambda: fleet.execute(reached, *at_work).returncode == 0, wave="first")
    assert ended.status == "canceled", ended.output
    ok(launcher, "stage", wave="first")
    assert gate(launcher, "first")["verdict"] == "pass"
    assert fleet.outcomes(fleet.group("first")) == {"done"}


def test_launched_twice_at_once(fleet, launcher):
    """AWX is told not to; a person at a control node may all the same. A gateway's lock lets one change it, the other waits."""
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(lambda _each: launcher.job("stage", wave="first"), range(2))
    assert one.ok and other.ok, one.output + other.output
    changes = [one.changed.get(name, 0) + other.changed.get(name, 0) for name in fleet.group("first")]
    assert changes == [1] * 4
    assert gate(launcher, "first")["verdict"] == "pass"


def test_denied_or_out_of_time(fleet, launcher):
    """The workflow ends in a report that says what is next. Launched again, it skips what is done and asks with new evidence."""
    ok(launcher, "stage", wave="first")
    before = gate(launcher, "first")
    told = ok(launcher, "report")
    following = told.artifacts["rootwave_report"]["next"]
    assert following == "run phase stage on wave second: launch the workflow lab again, what is done is skipped", told.output
    assert fleet.outcomes(fleet.group("second")) == {"untouched"}
    again = ok(launcher, "stage", wave="first")
    assert not any(again.changed.values())
    after = gate(launcher, "first")
    assert after["hosts"] == before["hosts"] and after["at"] >= before["at"]
    ok(launcher, "stage", after, wave="second")
