# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waves fail closed: each line of the design's list, and each row of its table, with real Ansible on real gateways.

The twin of all of them is test_good_waves: the same fleet, where nothing is wrong, goes through both waves.
"""

from __future__ import annotations

import pytest

from lab import hub_client, openssl, pki

UNREACHABLE = {"ansible_port": 9}  # the discard port: nobody listens
FAILED = {"ansible_python_interpreter": "/nonexistent/python3"}
WAVES = ["first", "second"]


def both(fleet) -> list[str]:
    return fleet.group("first") + fleet.group("second")


def broken(fleet, unreachable: int, failed: int) -> dict:
    names = fleet.group("first")
    return {
        **dict.fromkeys(names[:unreachable], UNREACHABLE),
        **dict.fromkeys(names[unreachable : unreachable + failed], FAILED),
    }


def assert_second_wave_untouched(fleet):
    assert fleet.outcomes(fleet.group("second")) == {"untouched"}


def test_good_waves(fleet):
    run = fleet.play("stage_campaign", fleet.campaign(WAVES))
    assert run.code == 0, run.output
    assert fleet.outcomes(both(fleet)) == {"done"}
    again = fleet.play("stage_campaign", fleet.campaign(WAVES))
    assert (again.code, again.changed) == (0, 0), again.output


@pytest.mark.parametrize(
    "unreachable, failed",
    [(1, 0), (3, 0), (3, 1), (1, 3), (4, 0), (0, 4), (0, 1)],
)
def test_first_wave_broken(fleet, unreachable, failed):
    run = fleet.play("stage_campaign", fleet.campaign(WAVES), overrides=broken(fleet, unreachable, failed))
    assert run.code != 0
    assert "gate after wave first: fail: 4 total" in run.output
    assert (f"{unreachable} unreachable" in run.output) == bool(unreachable)
    assert (f"{failed} failed" in run.output) == bool(failed)
    assert "resume with: ansible-playbook" in run.output
    assert_second_wave_untouched(fleet)


def test_any_errors_fatal_for_all_does_not_open_the_gate(fleet):
    """The row where ansible-core itself goes on: all four unreachable under ANSIBLE_ANY_ERRORS_FATAL."""
    run = fleet.play(
        "stage_campaign", fleet.campaign(WAVES), overrides=broken(fleet, 4, 0), settings={"ANSIBLE_ANY_ERRORS_FATAL": "1"}
    )
    assert run.code != 0
    assert run.output.count("UNREACHABLE!") == 4, run.output
    assert_second_wave_untouched(fleet)


def test_last_wave_has_a_gate_too(fleet):
    names = fleet.group("second")
    run = fleet.play("stage_campaign", fleet.campaign(WAVES), overrides={names[0]: UNREACHABLE})
    assert run.code != 0
    assert "gate after wave second: fail: 4 total, 3 done, 1 unreachable" in run.output
    assert fleet.outcomes(fleet.group("first")) == {"done"}


def test_error_budget_inside_a_wave(fleet):
    """Batches of two: the second batch of the wave does not start after the first one has spent the budget."""
    names = fleet.group("first")
    run = fleet.play("stage_campaign", fleet.campaign(WAVES), overrides={names[0]: FAILED}, forks=2)
    assert run.code != 0
    assert "1 of 4 gateways went wrong already" in run.output
    assert fleet.outcomes(names[2:]) == {"untouched"}


def test_batches_of_forks_when_all_is_well(fleet):
    run = fleet.play("stage_campaign", fleet.campaign(WAVES), forks=3)
    assert run.code == 0, run.output
    assert fleet.outcomes(both(fleet)) == {"done"}


def test_limit_cannot_shrink_a_wave(fleet):
    run = fleet.play("stage_campaign", fleet.campaign(WAVES), "--limit", "second")
    assert run.code != 0
    assert "the play covers 4 of 8 gateways" in run.output
    assert fleet.outcomes(both(fleet)) == {"untouched"}


@pytest.mark.parametrize("playbook", ["stage_campaign", "retire_campaign", "revert_campaign"])
@pytest.mark.parametrize("args", [("--skip-tags", "always"), ("--start-at-task", "Run one phase of the campaign")])
def test_no_way_round_the_gate(fleet, playbook, args):
    run = fleet.play(playbook, fleet.campaign(WAVES), *args, "-e", "rootwave_undo=stage")
    assert run.code != 0
    assert "No gate was asked" in run.output
    assert fleet.outcomes(both(fleet)) == {"untouched"}


def test_revert_needs_the_phase_to_take_back(fleet):
    run = fleet.play("revert_campaign", fleet.campaign(WAVES))
    assert run.code != 0
    assert "name the phase that is to be taken back: -e rootwave_undo=retire (or stage)" in run.output
    assert fleet.outcomes(both(fleet)) == {"untouched"}


def test_a_gateway_that_hangs_is_timed_out(fleet):
    first = fleet.group("first")[0]
    hangs = "/usr/local/bin/hangs"
    fleet.alter(first, "sh", "-c", f"cat > {hangs} && chmod 755 {hangs}", stdin=b"#!/bin/sh\nsleep 600\n")
    campaign = fleet.campaign(WAVES, policy={"phase_timeout": 40})
    run = fleet.play("stage_campaign", campaign, overrides={first: {"ansible_python_interpreter": hangs}})
    assert run.code != 0
    assert "gate after wave first: fail: 4 total, 3 done, 1 timed out" in run.output
    assert_second_wave_untouched(fleet)


def test_a_resumed_revert_stays_where_it_is(fleet):
    """The second wave fails; resumed with the same command, the first wave must not go back one phase more."""
    campaign = fleet.campaign(WAVES)
    assert fleet.play("stage_campaign", campaign).code == 0
    hub_client.serve(fleet.lab, "v2")
    assert fleet.play("retire_campaign", campaign).code == 0
    asked = ("revert_campaign", campaign, "-e", "rootwave_undo=retire")
    stopped = fleet.play(*asked, overrides={fleet.group("second")[0]: UNREACHABLE})
    assert stopped.code != 0
    resumed = fleet.play(*asked)
    assert (resumed.code, resumed.changed) == (0, 1), resumed.output
    for name in both(fleet):
        assert fleet.report(name)["undo"] == "retire"
        for root in ("lab-g2", "lab-baltimore"):
            assert openssl.trusts(fleet.lab, fleet.gateways[name], pki.create(fleet.lab.state_dir)[root].pem), name


def test_tags_leave_the_gate_without_evidence(fleet):
    run = fleet.play("stage_campaign", fleet.campaign(WAVES), "--tags", "whatever")
    assert run.code != 0
    assert "inconclusive: 4 total, 4 silent" in run.output
    assert fleet.outcomes(both(fleet)) == {"untouched"}


def test_slice_is_seen_by_the_expected_size(fleet):
    run = fleet.play("stage_campaign", fleet.campaign([{"group": "first", "expect": 5}, "second"]))
    assert run.code != 0
    assert "the campaign expects 5 gateways in first, the inventory has 4" in run.output
    assert fleet.outcomes(both(fleet)) == {"untouched"}


def test_check_mode_goes_through_and_changes_nothing(fleet):
    before = {name: fleet.trust_files(name) for name in both(fleet)}
    run = fleet.play("stage_campaign", fleet.campaign(WAVES, policy={"soak": 3600}), "--check", "--diff")
    assert run.code == 0, run.output
    assert "not judged (check mode)" in run.output
    assert run.changed == len(both(fleet))
    assert "+CN=DigiCert Global Root G2" in run.output
    assert {name: fleet.trust_files(name) for name in both(fleet)} == before
    assert fleet.outcomes(both(fleet)) == {"untouched"}


def test_check_mode_is_not_blocked_by_a_broken_wave(fleet):
    run = fleet.play("stage_campaign", fleet.campaign(WAVES), "--check", overrides=broken(fleet, 1, 1))
    assert run.changed == 6, run.output


def test_soak_longer_than_the_gate_may_wait(fleet):
    run = fleet.play("stage_campaign", fleet.campaign(WAVES, policy={"soak": 3600, "gate_timeout": 60}))
    assert run.code != 0
    assert "gate after wave first: inconclusive: 4 total, 4 done; " in run.output
    assert "of the soak of 3600 s are missing, and gate_timeout is 60 s" in run.output
    assert fleet.outcomes(fleet.group("first")) == {"done"}
    assert_second_wave_untouched(fleet)


def test_run_wave_judges_the_waves_before_by_their_reports(fleet):
    campaign = fleet.campaign(WAVES)
    asked = ("-e", "rootwave_phase=stage", "-e")
    run = fleet.play("run_wave", campaign, *asked, "rootwave_wave=second")
    assert run.code != 0
    assert "gate after wave first: inconclusive: 4 total, 4 silent" in run.output
    assert fleet.outcomes(both(fleet)) == {"untouched"}
    for wave in WAVES:
        run = fleet.play("run_wave", campaign, *asked, f"rootwave_wave={wave}")
        assert run.code == 0, run.output
    assert fleet.outcomes(both(fleet)) == {"done"}


@pytest.mark.parametrize("confirm, connections", [("auto", 1), ("required", 2)])
def test_confirmation(fleet, confirm, connections):
    """Confirmed by a login that no open connection could have served; without confirmation one login is all."""
    first = both(fleet)[0]
    run = fleet.play("stage_campaign", fleet.campaign(WAVES, policy={"confirm": confirm}))
    assert run.code == 0, run.output
    assert fleet.outcomes(both(fleet)) == {"done"}
    logins = fleet.execute(first, "journalctl", "--quiet", "--output=cat", "--grep=Accepted publickey").stdout.splitlines()
    assert min(len(logins), 2) == connections, logins
