# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate's own part: which wave it judges, how long it soaks, when it stays shut. Real runs: tests/system/test_waves.py."""

from __future__ import annotations

import shlex
from types import SimpleNamespace

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.utils import vars as ansible_vars
from ansible_collections.rootwave.iot.plugins.action import wave_gate
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.desired import gate_token
from ansible_collections.rootwave.iot.plugins.plugin_utils import wave_play
from ansible_collections.rootwave.iot.plugins.plugin_utils.campaign import POLICY

DIGEST = "d" * 64
BATCHES = [{"wave": "canary", "hosts": ["gw-1"]}, {"wave": "broad", "hosts": ["gw-2", "gw-3"]}]
WAVES = {
    "hosts": ["gw-1", "gw-2", "gw-3"],
    "batches": BATCHES,
    "waves": [{"name": one["wave"], "hosts": one["hosts"], "mode": "run"} for one in BATCHES],
}


class Clock:
    """Time that passes only by being waited for."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(wave_gate, "time", made)
    return made


def done(held):
    return {"campaign": {"digest": DIGEST}, "phase": "stage", "outcome": "done", "seconds_since_commit": held}


def gate(batch, results, check_mode=False, closing=False, hosts=None, waves=None, **policy):
    """What the gate answers before a batch, with what the gateways registered so far."""
    campaign = {"digest": DIGEST, "path": "campaign.yml", "accept": [], "policy": {**POLICY, "soak": 300, **policy}}
    args = {"campaign": campaign, "waves": waves or WAVES, "phase": "stage", "closing": closing}
    task = SimpleNamespace(args=args, check_mode=check_mode, async_val=0, diff=False)
    registered = {name: {"root_certificates_result": results.get(name)} for name in WAVES["hosts"]}
    known = {
        "ansible_play_hosts_all": hosts or WAVES["hosts"],
        "ansible_play_batch": BATCHES[batch]["hosts"],
        "hostvars": registered,
    }
    connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir="unused"))
    return wave_gate.ActionModule(task, connection, None, None, None, None).run(task_vars=known)


def test_the_first_gate_opens_for_its_wave(clock):
    answer = gate(0, {})
    assert (answer["verdict"], answer["wave"], clock.now) == ("open", "canary", 0.0)
    assert answer["token"] == gate_token(DIGEST, "stage", "canary")


def test_it_waits_exactly_for_what_is_missing_of_the_soak(clock):
    answer = gate(1, {"gw-1": done(held=20)})
    assert (answer["verdict"], answer["wave"], clock.now) == ("pass", "broad", 280.0)


def test_it_does_not_wait_when_the_soak_is_over(clock):
    assert gate(1, {"gw-1": done(held=300)})["verdict"] == "pass"
    assert clock.now == 0.0


def test_it_does_not_wait_longer_than_it_may(clock):
    answer = gate(1, {"gw-1": done(held=0)}, gate_timeout=299)
    assert (answer["verdict"], answer.get("token"), clock.now) == ("inconclusive", None, 0.0)


def test_it_does_not_wait_for_a_wave_that_failed(clock):
    answer = gate(1, {"gw-1": {"failed": True, "msg": "no"}})
    assert (answer["failed"], answer["verdict"], answer.get("token"), clock.now) == (True, "fail", None, 0.0)


def test_it_neither_waits_nor_judges_in_check_mode(clock):
    answer = gate(1, {"gw-1": {"failed": True, "msg": "no"}}, check_mode=True)
    assert (answer["verdict"], answer["wave"], clock.now) == ("not judged (check mode)", "broad", 0.0)


def test_it_does_not_soak_after_the_last_wave(clock):
    answer = gate(1, {name: done(held=0) for name in WAVES["hosts"]}, closing=True)
    assert (answer["verdict"], answer.get("token"), clock.now) == ("pass", None, 0.0)


def test_it_refuses_a_play_that_covers_less(clock):
    answer = gate(0, {}, hosts=["gw-1"])
    assert answer["failed"]
    assert "covers 1 of 3 gateways (missing: gw-2, gw-3)" in answer["msg"]


def mixed(first, second):
    """The same waves, each by its own way."""
    named = zip(WAVES["waves"], (first, second), strict=True)
    return {**WAVES, "waves": [{**wave, "via": via} for wave, via in named]}


@pytest.mark.parametrize("second", ["ssh", "twin"])
def test_an_ssh_wave_that_passed_opens_the_next_one_whatever_its_way(clock, second):
    answer = gate(1, {"gw-1": done(held=300)}, waves=mixed("ssh", second))
    assert (answer["verdict"], answer["wave"], answer["via"]) == ("pass", "broad", second)


@pytest.mark.parametrize("second", ["ssh", "twin"])
def test_an_ssh_wave_that_failed_opens_nothing(clock, second):
    answer = gate(1, {"gw-1": {"failed": True, "msg": "no"}}, waves=mixed("ssh", second))
    assert (answer["verdict"], answer.get("via"), answer.get("token")) == ("fail", None, None)


def test_what_is_missing_for_a_twin_wave_is_said_before_the_first_one(clock):
    answer = gate(0, {}, waves=mixed("ssh", "twin"))
    assert answer["failed"] and "set rootwave_twins: hub, fleet, and orders.stage" in answer["msg"]
    assert gate(0, {}, waves=mixed("ssh", "ssh"))["via"] == "ssh"


def test_a_twin_wave_that_cannot_be_asked_about_is_inconclusive(clock):
    """What an SSH gateway would have registered is no evidence for it."""
    answer = gate(1, {"gw-1": done(held=300)}, waves=mixed("twin", "ssh"))
    assert (answer["failed"], answer["verdict"]) == (True, "inconclusive")


def test_the_command_to_resume_with_gives_ansible_the_same_variables_again(monkeypatch):
    """Late-comers too: without their condition nobody would give them the order, and nothing would say so."""
    asked = {
        "rootwave_phase": "stage",
        "rootwave_campaign": "/srv/my campaigns/g2.yml",
        "rootwave_late_condition": "FROM devices.modules WHERE moduleId = 'rootwave'",
    }
    words = shlex.split(wave_play.resume({**asked, "vault_key": "secret"}, {"path": asked["rootwave_campaign"]}))
    given = {"args": (), "extra_vars": [words[at + 1] for at, word in enumerate(words) if word == "-e"]}
    monkeypatch.setattr(ansible_vars.context, "CLIARGS", given)
    monkeypatch.setattr(ansible_vars.load_extra_vars, "extra_vars", None, raising=False)
    assert ansible_vars.load_extra_vars(DataLoader()) == asked
    assert "secret" not in " ".join(words) and "rootwave_phase=stage" in words


ONE = [{"wave": "canary", "hosts": ["gw-1"]}, {"wave": "broad", "hosts": ["gw-2", "gw-3"]}]


def run_of_one(registered, evidence, closing=False, **more):
    """What the gate of run_wave.yml answers before wave broad; canary is only looked at."""
    policy = {**POLICY, "soak": more.pop("soak", 0), **more.pop("policy", {})}
    campaign = {"digest": DIGEST, "name": "test", "path": "campaign.yml", "accept": [], "absent": [], "policy": policy}
    campaign["waves"] = [{"group": "canary"}, {"group": "broad"}]
    groups = more.pop("groups", {"canary": ["gw-1"], "broad": ["gw-2", "gw-3"]})
    waves = {**WAVES, "waves": [{**WAVES["waves"][0], "mode": "report"}, WAVES["waves"][1]]}
    waves, register = more.pop("waves", waves), more.pop("register", "wave_gate_report")
    args = {"campaign": campaign, "waves": waves, "phase": "stage", "closing": closing, "evidence": evidence, **more}
    task = SimpleNamespace(args=args, check_mode=False, async_val=0, diff=False)
    batch = waves["batches"][-1]["hosts"]
    known = {
        "ansible_play_hosts_all": waves["hosts"],
        "ansible_play_batch": batch,
        "hostvars": {name: {register: registered.get(name)} for name in WAVES["hosts"]},
        "groups": groups,
    }
    connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir="unused"))
    return wave_gate.ActionModule(task, connection, None, None, None, None).run(task_vars=known)


def judged(registered, which=0, **more):
    """The evidence that judge_wave.yml publishes about canary, or broad."""
    name, hosts = ONE[which]["wave"], ONE[which]["hosts"]
    waves = {"hosts": hosts, "batches": [ONE[which]], "waves": [{"name": name, "hosts": hosts, "mode": "report"}]}
    return run_of_one(registered, {}, closing=True, judging=True, waves=waves, **more)


REPORT = {**done(held=300), "undo": None, "committed_at": 1_700_000_000}


def test_what_was_approved_opens_the_next_wave_and_only_as_long_as_it_is_so():
    evidence = judged({"gw-1": REPORT})["evidence"]
    assert (evidence["wave"], evidence["verdict"], evidence["next"]) == ("canary", "pass", "stage wave broad")
    assert run_of_one({"gw-1": REPORT}, evidence, evidence_required=True)["verdict"] == "pass"
    later = run_of_one({"gw-1": {**REPORT, "committed_at": 1_700_000_009}}, evidence)
    assert later["failed"] and "what gw-1 reports is not what was approved" in later["msg"]


def test_nobody_is_asked_before_the_soak_is_over(clock, monkeypatch):
    monkeypatch.setattr(clock, "time", lambda: 1_700_000_000.0, raising=False)
    assert judged({"gw-1": {**REPORT, "seconds_since_commit": 100}}, soak=300)["verdict"] == "pass" and clock.now == 200
    far = judged({"gw-1": {**REPORT, "seconds_since_commit": 100}}, soak=3600)
    assert far["evidence"]["verdict"] == "inconclusive" and clock.now == 200


@pytest.mark.parametrize(
    "groups, words",
    [
        ({"broad": ["gw-2", "gw-3"]}, ""),
        ({"broad": ["gw-2"]}, "wave broad has lost gw-3"),
        ({"broad": ["gw-2", "gw-3", "gw-4"]}, "wave broad has got gw-4"),
        ({}, "wave broad has lost gw-2, gw-3"),
    ],
)
def test_behind_the_cutover_stages_last_wave_is_still_the_same(groups, words):
    evidence = judged({"gw-2": REPORT, "gw-3": REPORT}, 1)["evidence"]
    first = {"hosts": ["gw-1"], "batches": ONE[:1], "waves": [{"name": "canary", "hosts": ["gw-1"], "mode": "run"}]}
    answer = run_of_one({}, evidence, phase="retire", waves=first, groups=groups, evidence_required=True)
    assert bool(answer.get("failed")) is bool(words) and words in answer["msg"], answer


@pytest.mark.parametrize("flag", ["evidence_required", "sliced"])
def test_without_evidence_a_wave_stays_shut_where_it_is_required(flag):
    assert run_of_one({"gw-1": REPORT}, {})["verdict"] == "pass"
    refused = run_of_one({"gw-1": REPORT}, {}, **{flag: True})
    assert refused["failed"] and "there is no evidence of wave canary" in refused["msg"]


def test_what_is_approved_is_judged_all_the_same():
    """Evidence opens nothing by itself: canary has failed since, and it reports so."""
    evidence = judged({"gw-1": REPORT})["evidence"]
    refused = run_of_one({"gw-1": {**REPORT, "outcome": "reverted"}}, evidence)
    assert refused["failed"] and "gw-1" in refused["msg"]


def test_a_wave_that_did_not_pass_is_published_and_cannot_be_approved():
    answer = judged({"gw-1": {"failed": True, "msg": "no"}})
    assert not answer.get("failed") and answer["verdict"] == "fail" and answer["description"].startswith("FAIL: campaign test")
    refused = run_of_one({"gw-1": {"failed": True, "msg": "no"}}, answer["evidence"])
    assert refused["failed"] and "said fail, and nobody can approve that" in refused["msg"]


def test_a_slice_trusts_the_evidence_for_what_it_does_not_see():
    evidence = judged({"gw-1": REPORT})["evidence"]
    here = {"hosts": ["gw-3"], "batches": [{"wave": "broad", "hosts": ["gw-3"]}]}
    here["waves"] = [{"name": "broad", "hosts": ["gw-3"], "mode": "run"}]
    assert run_of_one({}, evidence, sliced=True, waves=here)["verdict"] == "open"
    refused = run_of_one({}, {**evidence, "at": 1}, sliced=True, waves=here)
    assert refused["failed"] and "was changed after its gate made it" in refused["msg"]


@pytest.mark.parametrize("percent, verdict", [(100, "fail"), (51, "fail"), (50, "pass")])
def test_a_slice_stops_at_its_share_of_what_may_be_lost(percent, verdict):
    """One of its two gateways went wrong; too few for min_sample are no reason, the gate over the whole wave counts them."""
    evidence = judged({"gw-1": REPORT})["evidence"]
    here = {"hosts": ["gw-2", "gw-3"], "batches": ONE[1:], "waves": WAVES["waves"][1:]}
    registered = {"gw-2": done(held=0), "gw-3": {"failed": True, "msg": "no"}}
    about = {"waves": here, "policy": {"min_success_percent": percent, "min_sample": 5}}
    asked = {"closing": True, "register": "root_certificates_result", **about}
    assert run_of_one(registered, evidence, sliced=True, **asked)["verdict"] == verdict
    assert run_of_one(registered, evidence, sliced=False, **asked)["verdict"] != "pass"


def test_a_revert_takes_no_slices():
    """It has no evidence, so a slice would open its gate without anybody's report of the waves before."""
    asked = {"phase": "revert", "undo": "stage"}
    refused = run_of_one({"gw-1": REPORT}, {}, sliced=True, **asked)
    assert refused["failed"] and "without rootwave_sliced" in refused["msg"]
    assert "rootwave_sliced" not in run_of_one({"gw-1": REPORT}, {}, **asked)["msg"]
