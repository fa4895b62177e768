# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One wave a job, as AWX runs them: the gate's artifacts reach the next wave as variables, by ansible-runner on real gateways."""

from __future__ import annotations

import copy
import json
import os

import ansible_runner
import pytest
from ansible_collections.rootwave.iot.plugins.plugin_utils.approval import hash_of

from lab import inventory, openssl
from tests.system.fleet import ANSIBLE, PLAYBOOKS, environment

WAVES = ["first", "second"]


def job(fleet, playbook, campaign, wave, phase="stage", overrides=None, without=(), limit="", **variables):
    """(exit code, artifacts, output) of one job; its inventory lacks the gateways ``without``, as that of a slice does."""
    document = copy.deepcopy(inventory.hosts_of(fleet.lab))
    for group in document["fleet"]["children"].values():
        group["hosts"] = {
            name: {**known, **(overrides or {}).get(name, {})} for name, known in group["hosts"].items() if name not in without
        }
    (fleet.folder / "job.json").write_text(json.dumps(document))
    folder = fleet.folder / "runner"
    folder.mkdir(exist_ok=True)
    done = ansible_runner.run(
        private_data_dir=str(folder),
        project_dir=str(PLAYBOOKS),
        playbook=f"{playbook}.yml",
        inventory=str(fleet.folder / "job.json"),
        extravars={"rootwave_campaign": str(campaign), "rootwave_phase": phase, "rootwave_wave": wave, **variables},
        envvars=environment({"PATH": f"{ANSIBLE.parent}:{os.environ['PATH']}"}),
        limit=limit or None,
        quiet=True,
    )
    ends = [event["event_data"].get("artifact_data", {}) for event in done.events if event["event"] == "playbook_on_stats"]
    return done.rc, (ends[-1] if ends else {}), " ".join(done.stdout.read().split())


@pytest.fixture
def approved(fleet):
    """(campaign, evidence) after the first wave was staged and judged."""
    campaign = fleet.campaign(WAVES)
    code, _artifacts, output = job(fleet, "run_wave", campaign, "first", rootwave_evidence_required=True)
    assert code == 0, output
    code, artifacts, output = job(fleet, "judge_wave", campaign, "first")
    assert code == 0, output
    return campaign, artifacts["rootwave_evidence"]


def second(fleet, campaign, evidence, **more):
    """The job of the second wave."""
    variables = {"rootwave_evidence": evidence} if evidence else {}
    return job(fleet, "run_wave", campaign, "second", rootwave_evidence_required=True, **variables, **more)


def test_a_wave_after_its_approval(fleet, approved, roots):
    campaign, evidence = approved
    assert (evidence["verdict"], sorted(evidence["hosts"]), evidence["next"]) == (
        "pass",
        fleet.group("first"),
        "stage wave second",
    )
    code, _artifacts, output = second(fleet, campaign, evidence)
    assert code == 0, output
    assert all(openssl.trusts(fleet.lab, fleet.gateways[name], roots["lab-g2"].pem) for name in fleet.group("second"))
    again, artifacts, _output = job(fleet, "judge_wave", campaign, "first")
    assert again == 0 and artifacts["rootwave_evidence"]["hosts"] == evidence["hosts"], (
        "what was not touched is as it was approved"
    )


REVERTED = """
import json
import os
path = "/var/lib/rootwave/report.json"
report = json.load(open(path))
json.dump(dict(report, committed_at=report["committed_at"] + 5), open(path, "w"))
"""


@pytest.mark.parametrize(
    "spoil, words",
    [
        ("edited", "was changed after its gate made it"),
        ("missing", "there is no evidence of wave first"),
        ("too old", "evidence_max_age is 60 s"),
        ("fleet", "wave first has lost"),
        ("report", "is not what was approved"),
        ("campaign", "the campaign was changed"),
        ("other wave", "about wave second"),
    ],
)
def test_what_was_approved_is_not_what_is_there(fleet, approved, spoil, words):
    campaign, evidence = approved
    more: dict = {}
    if spoil == "edited":
        evidence["numbers"]["done"] += 1
    elif spoil == "missing":
        evidence = None
    elif spoil == "too old":
        more["campaign"] = fleet.campaign(WAVES, policy={"evidence_max_age": 60})
        evidence = aged(evidence, 61)
    elif spoil == "fleet":
        more["without"] = fleet.group("first")[:1]
    elif spoil == "report":
        fleet.alter(fleet.group("first")[0], "python3", "-c", REVERTED)
    elif spoil == "campaign":
        more["campaign"] = fleet.campaign(WAVES, timeouts={"tcp": 7})
    else:
        evidence = aged({**evidence, "wave": "second"}, 0)
    code, _artifacts, output = second(fleet, more.pop("campaign", campaign), evidence, **more)
    assert code != 0 and words in output, output
    assert fleet.outcomes(fleet.group("second")) == {"untouched"}


def aged(evidence, seconds):
    """As a gate would have made it so long ago."""
    found = {**evidence, "at": evidence["at"] - seconds}
    return {**found, "hash": hash_of(found)}


def test_a_gate_that_did_not_pass_is_published_and_stops(fleet):
    """One gateway cannot be reached: the wave is run on the others, its gate says so, and nobody can approve that."""
    campaign, lost = fleet.campaign(WAVES), fleet.group("first")[3]
    overrides = {lost: {"ansible_port": 9}}
    assert job(fleet, "run_wave", campaign, "first", overrides=overrides)[0] != 0
    code, artifacts, output = job(fleet, "judge_wave", campaign, "first", overrides=overrides)
    assert code != 0 and "gate of wave first: fail: 4 total, 3 done, 1 unreachable" in output, output
    assert artifacts["rootwave_evidence"]["verdict"] == "fail"
    code, _artifacts, output = second(fleet, campaign, artifacts["rootwave_evidence"], overrides=overrides)
    assert code != 0 and "said fail, and nobody can approve that" in output, output
    assert fleet.outcomes(fleet.group("second")) == {"untouched"}


def test_job_slices(fleet, roots):
    """Two slices of each wave; the gate sees the whole, and a gateway that no slice had."""
    campaign = fleet.campaign([{"group": name, "expect": 4} for name in WAVES])
    every = [*fleet.group("first"), *fleet.group("second")]
    slices = [every[0::2], every[1::2]]
    sliced = {"rootwave_sliced": True, "rootwave_evidence_required": True}
    for names in slices:
        code, _artifacts, output = job(fleet, "run_wave", campaign, "first", without=set(every) - set(names), **sliced)
        assert code == 0, output
    evidence = job(fleet, "judge_wave", campaign, "first")[1]["rootwave_evidence"]
    assert (evidence["verdict"], evidence["numbers"]["done"]) == ("pass", 4)
    without = set(every) - set(slices[0])
    code, _artifacts, output = job(fleet, "run_wave", campaign, "second", without=without, **sliced, rootwave_evidence=evidence)
    assert code == 0, output
    code, artifacts, _output = job(fleet, "judge_wave", campaign, "second")
    assert code != 0 and artifacts["rootwave_evidence"]["numbers"]["silent"] == 2
    code, artifacts, output = job(fleet, "judge_wave", campaign, "second", without=without)
    assert code != 0 and "the campaign expects 4 gateways in first, the inventory has 2" in output and not artifacts, output


def test_a_gate_takes_no_limit(fleet, approved):
    campaign, _evidence = approved
    code, artifacts, output = job(fleet, "judge_wave", campaign, "first", limit=fleet.group("first")[0])
    assert code != 0 and "covers 1 of 4 gateways" in output and not artifacts, output
