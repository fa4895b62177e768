# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is approved, and everything that ends it."""

from __future__ import annotations

import json

import pytest
from ansible_collections.rootwave.iot.plugins.plugin_utils import approval
from ansible_collections.rootwave.iot.plugins.plugin_utils.evidence import Asked, evidence_of
from ansible_collections.rootwave.iot.plugins.plugin_utils.gate import Verdict

WANTED = approval.Wanted("d" * 64, "stage", "canary")
REPORT = {
    "campaign": {"digest": "d" * 64},
    "phase": "stage",
    "undo": None,
    "outcome": "done",
    "committed_at": 1_700_000_000,
    "plan": [{"action": "add"}],
}
ASKED = Asked("d" * 64, "stage")
HOSTS = approval.digests([evidence_of(name, REPORT, ASKED) for name in ("gw-1", "gw-2")])
NOW, MAX_AGE = 1_700_001_000.0, 3600


def evidence(**changes):
    found = approval.made(WANTED, Verdict("pass", {"total": 2, "done": 2}), HOSTS, NOW, "approve wave early")
    return {**found, **changes}


def again(**changes):
    """As a gate would have made it: with the hash of what it says."""
    found = evidence(**changes)
    return {**found, "hash": approval.hash_of(found)}


def test_what_a_gate_made_holds_also_after_json_and_until_its_age():
    kept = json.loads(json.dumps(evidence()))
    assert approval.complaints(kept, WANTED, NOW + MAX_AGE, MAX_AGE) == []
    assert approval.changed_since(kept, HOSTS) == []


@pytest.mark.parametrize(
    "found, words",
    [
        (None, "there is no evidence of wave canary"),
        ({}, "there is no evidence"),
        ("yes", "not as a gate makes it (its keys)"),
        ({"hash": "x"}, "not as a gate makes it (its keys)"),
        (again(schema=2), "schema or texts"),
        (again(wave=7), "schema or texts"),
        (again(at=True), "(at)"),
        (again(at=1.5), "(at)"),
        (again(hosts=["gw-1"]), "(hosts)"),
        (again(hosts={"gw-1": 1}), "(hosts)"),
        (evidence(numbers={"total": {1}}), "what is no JSON"),
        (evidence(numbers={"total": float("nan")}), "what is no JSON"),
        (again(reasons=["x" * (8 * 1024 * 1024)]), "its length"),
        (evidence(numbers={"total": 3}), "was changed after its gate made it"),
        (evidence(hosts={"gw-1": HOSTS["gw-1"]}), "was changed after its gate made it"),
        (evidence(hash="0" * 64), "was changed after its gate made it"),
        (again(wave="early"), "about wave early, and canary is what stands before"),
        (again(phase="retire"), "about phase retire, and stage is"),
        (again(campaign="e" * 64), "the campaign was changed"),
        (again(verdict="fail"), "said fail, and nobody can approve that"),
        (again(at=int(NOW) - MAX_AGE - 1), "is 3601 s old, evidence_max_age is 3600 s"),
        (again(at=int(NOW) + 301), "in the future"),
    ],
)
def test_what_ends_it(found, words):
    (said,) = approval.complaints(found, WANTED, NOW, MAX_AGE)
    assert words in said


@pytest.mark.parametrize(
    "seen, sliced, words",
    [
        ({"gw-1": HOSTS["gw-1"]}, False, "has lost gw-2"),
        ({**HOSTS, "gw-3": HOSTS["gw-1"]}, False, "has got gw-3"),
        ({**HOSTS, "gw-3": HOSTS["gw-1"]}, True, "has got gw-3"),
        ({**HOSTS, "gw-2": "0" * 16}, False, "what gw-2 reports is not what was approved"),
        ({"gw-2": "0" * 16}, True, "what gw-2 reports is not what was approved"),
        ({f"gw-{number}": "0" * 16 for number in range(1, 9)}, True, "gw-3, gw-4, gw-5, gw-6, gw-7 and 1 more"),
    ],
)
def test_what_changed_since(seen, sliced, words):
    found = approval.changed_since(evidence(), seen, sliced)
    assert any(words in one and "approve again" in one for one in found)


def test_a_slice_checks_what_it_sees():
    assert approval.changed_since(evidence(), {"gw-2": HOSTS["gw-2"]}, sliced=True) == []
    assert approval.changed_since(evidence(), {}, sliced=True) == []


def test_behind_the_cutover_the_wave_has_the_same_gateways():
    assert approval.others_since(evidence(), ["gw-2", "gw-1"]) == []
    assert "has lost gw-2" in approval.others_since(evidence(), ["gw-1"])[0]
    assert "has got gw-3" in approval.others_since(evidence(), ["gw-1", "gw-2", "gw-3"])[0]


@pytest.mark.parametrize(
    "changes, same",
    [
        ({"plan": [], "finished_at": 5, "seconds_since_commit": 9}, True),
        ({"committed_at": 1_700_000_001}, False),
        ({"phase": "retire"}, False),
        ({"silent": True}, False),
        ({"unreachable": True}, False),
    ],
)
def test_a_report_is_the_same_until_something_was_done(changes, same):
    (seen,) = approval.digests([evidence_of("gw-1", {**REPORT, **changes}, ASKED)]).values()
    assert (seen == HOSTS["gw-1"]) is same
