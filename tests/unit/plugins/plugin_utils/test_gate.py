# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate's arithmetic as a table: what Ansible registered for one wave -> verdict."""

from __future__ import annotations

import pytest
from ansible_collections.rootwave.iot.plugins.plugin_utils.campaign import POLICY
from ansible_collections.rootwave.iot.plugins.plugin_utils.evidence import Asked, evidence_of
from ansible_collections.rootwave.iot.plugins.plugin_utils.gate import judge_budget, judge_wave

DIGEST = "d" * 64


def report(outcome, **more):
    return {
        "campaign": {"digest": DIGEST},
        "phase": "stage",
        "outcome": outcome,
        "seconds_since_commit": 400,
        "elapsed": 1.0,
        **more,
    }


DONE = report("done")
REFUSED = report("refused", failed=True, msg="no", blockers=[{"id": "endpoint-dns"}])
FAILED = {"failed": True, "msg": "it broke", "outcome": "failed"}
REVERTED = report("reverted", failed=True, msg="taken back")
UNREACHABLE = {"unreachable": True, "msg": "no route"}
TIMED_OUT = {"failed": True, "timedout": {"period": 600}, "msg": "timed out"}
SILENT = None
OTHER_PHASE = report("done", phase="retire")
OTHER_CAMPAIGN = report("done", campaign={"digest": "e" * 64})


def evidence(results, accept=(), phase="stage", undo=None):
    asked = Asked(DIGEST, phase, undo, tuple(accept))
    return [evidence_of(f"gw-{number}", one, asked) for number, one in enumerate(results)]


def verdict(results, accept=(), **policy):
    return judge_wave({**POLICY, **policy}, evidence(results, accept=accept))


@pytest.mark.parametrize(
    "results, expected",
    [
        ([DONE] * 4, "pass"),
        ([DONE] * 3 + [UNREACHABLE], "fail"),
        ([DONE] + [UNREACHABLE] * 3, "fail"),
        ([UNREACHABLE] * 3 + [FAILED], "fail"),
        ([UNREACHABLE] + [FAILED] * 3, "fail"),
        ([UNREACHABLE] * 4, "fail"),
        ([FAILED] * 4, "fail"),
        ([DONE] * 3 + [REFUSED], "fail"),
        ([DONE] * 3 + [REVERTED], "fail"),
        ([DONE] * 3 + [TIMED_OUT], "fail"),
        ([DONE] * 3 + [SILENT], "inconclusive"),
        ([SILENT] * 4, "inconclusive"),
        ([DONE] * 3 + [OTHER_PHASE], "inconclusive"),
        ([DONE] * 3 + [OTHER_CAMPAIGN], "inconclusive"),
        ([DONE] * 3 + [{"skipped": True}], "inconclusive"),
        ([DONE] * 3 + [report("assessed")], "inconclusive"),
        ([DONE] * 3 + [{}], "inconclusive"),
    ],
)
def test_fails_closed(results, expected):
    assert verdict(results).verdict == expected


def test_tolerance_is_what_the_campaign_says():
    three_of_four = [DONE] * 3 + [FAILED]
    assert verdict(three_of_four, min_success_percent=75).verdict == "pass"
    assert verdict(three_of_four, min_success_percent=76).verdict == "fail"
    assert verdict([DONE] * 3 + [UNREACHABLE], min_success_percent=75).verdict == "fail"
    assert verdict([DONE] * 3 + [UNREACHABLE], min_success_percent=75, max_unreachable=1).verdict == "pass"


def test_sample_too_small():
    judged = verdict([DONE] * 2 + [SILENT] * 2, min_success_percent=50, min_sample=3)
    assert judged.verdict == "inconclusive"
    assert "2 gateways done, min_sample is 3" in judged.reasons[0]


def test_accepted_refusal():
    results = [DONE] * 3 + [REFUSED]
    assert verdict(results, accept=["endpoint-dns"]).verdict == "pass"
    assert verdict(results, accept=["endpoint-tcp"]).verdict == "fail"
    assert verdict([REFUSED] * 4, accept=["endpoint-dns"]).verdict == "inconclusive"


def test_soak_counts_from_the_youngest_commit():
    assert verdict([DONE, report("done", seconds_since_commit=10)], soak=300).wait == 290
    assert verdict([DONE, DONE], soak=300).wait == 0


def test_pending_is_not_done():
    pending = report("pending", pending="000001")
    assert judge_wave(POLICY, evidence([pending])).verdict == "inconclusive"
    assert judge_wave(POLICY, evidence([{**pending, "failed": True, "msg": "no"}])).verdict == "fail"
    assert judge_wave(POLICY, evidence([{**pending, "unreachable": True, "msg": "no"}])).verdict == "fail"


@pytest.mark.parametrize("other", [{"campaign": {"digest": "e" * 64}}, {"phase": "retire"}, {"undo": "stage"}])
def test_an_accepted_refusal_of_something_else_is_no_evidence(other):
    """An old report must not open the gate for a campaign that it knows nothing of."""
    assert verdict([DONE, REFUSED], accept=["endpoint-dns"]).verdict == "pass"
    assert verdict([DONE, {**REFUSED, **other}], accept=["endpoint-dns"]).verdict == "inconclusive"


def test_a_revert_of_another_phase_is_no_evidence():
    undone = report("done", phase="revert", undo="retire")
    assert judge_wave({**POLICY, "soak": 0}, evidence([undone], phase="revert", undo="retire")).verdict == "pass"
    assert judge_wave({**POLICY, "soak": 0}, evidence([undone], phase="revert", undo="stage")).verdict == "inconclusive"


def test_confirm_within_too_short_for_the_slowest():
    judged = verdict([DONE, report("done", elapsed=101.0)], confirm_within=300)
    assert judged.verdict == "fail"
    assert "gw-1 took 101 s and confirm_within is 300 s" in judged.reasons[0]
    assert verdict([DONE, report("done", elapsed=100.0)], confirm_within=300).verdict == "pass"


def test_budget_inside_a_wave():
    """Ten gateways, 80 percent: two may be lost, the third ends the wave in its middle."""
    policy = {**POLICY, "min_success_percent": 80}
    assert judge_budget(policy, 10, evidence([DONE, FAILED, FAILED])).verdict == "pass"
    assert judge_budget(policy, 10, evidence([FAILED, FAILED, FAILED])).verdict == "fail"
    assert judge_budget(policy, 10, evidence([DONE, UNREACHABLE])).verdict == "fail"
    assert judge_budget(policy, 10, evidence([DONE, SILENT, SILENT, SILENT])).verdict == "fail"
