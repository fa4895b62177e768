# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo is the end-to-end test: what it counts must be what it promises."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from lab import commands, config, demo
from lab.tools import run

NAME = "story" + os.environ.get("PYTEST_XDIST_WORKER", "")  # a lab for each worker
PROMISED = {
    "gateways": 14,
    "staged": 12,
    "reconnected_after_cutover": 12,
    "stranded_after_cutover": 0,
    "holdouts": 2,
    "holdouts_stranded": 2,
    "holdouts_recovered": 2,
    "connected_at_the_end": 14,
    "baltimore_trusted_before": 14,
    "baltimore_trusted_after": 0,
    "devices": 40,
    "devices_staged": 39,
    "devices_reconnected_after_cutover": 39,
    "devices_stranded_after_cutover": 0,
    "devices_off": 1,
    "devices_caught_up": 1,
    "devices_connected_at_the_end": 40,
    "devices_baltimore_trusted_before": 39,
    "devices_baltimore_trusted_after": 0,
    "tampered_refused": 1,
    "tampered_root_trusted": 0,
    "filtered": 12,
    "unfiltered": 2,
    "filtered_reconnected": 11,
    "roots_only": 1,
    "roots_only_stranded": 1,
    "roots_only_recovered": 1,
    "ssh_cut": 1,
    "ssh_back": 1,
    "rulesets_changed": 0,
    "old_let_out_first_day": 0,
    "unfiltered_first_day": 2,
    "old_let_out_staged": 11,
    "unfiltered_staged": 2,
    "old_let_out_retired": 0,
    "unfiltered_retired": 2,
}
FIREWALLS = ("filtered", "unfiltered", "roots_only", "ssh_", "rulesets_", "old_")


def test_demo(tmp_path):
    inventory, artifacts = tmp_path / "inventory", tmp_path / "artifacts"
    argv = [sys.executable, "-m", "lab.demo", "--name", NAME, "--inventory", inventory, "--artifacts", artifacts]
    done = subprocess.run(argv, cwd=config.ROOT, capture_output=True, text=True, check=False)
    try:
        said = done.stdout + done.stderr
        assert done.returncode == 0, said
        summary = json.loads((artifacts / "summary.json").read_text())
        assert {key: summary[key] for key in summary if key != "seconds"} == PROMISED
        assert "12 of 12 staged gateways and 39 of 39 devices reconnected after cutover, 0 and 0 stranded" in done.stdout
        assert (
            "gate after wave canary: fail: 1 total, 1 failed" in said
            and "applied, but not confirmed, so it reverts by itself" in said
        )  # the bad allowlist
        assert "dev-01 answers: refused: unsigned" in said  # the tampered campaign, on stage
        last = [line for line in said.splitlines() if line.startswith("dev-40 answers about")]
        assert [line.split()[3:5] for line in last] == [["stage:", "proved"], ["retire:", "proved"]]
    finally:
        commands.down(NAME, inventory)
    label = f"label=rootwave.lab={NAME}"
    assert not run(["podman", "ps", "--all", "--quiet", "--filter", label]).split()
    assert not run(["podman", "images", "--quiet", "--filter", label]).split()
    assert not list(inventory.rglob("*.yml"))


@pytest.mark.parametrize("key", PROMISED)
@pytest.mark.parametrize("by", [-1, 1])
def test_one_gateway_or_device_off_is_not_as_promised(key, by):
    assert demo.as_promised(PROMISED)
    assert not demo.as_promised({**PROMISED, key: PROMISED[key] + by})


def plan_of_three_and_three():
    lab = config.plan("story-plan", {"canary": 1, "broad": 1, "holdout": 1}, devices=7)
    return demo.Plan(lab), {one.name for one in lab.hosts}


def test_who_is_stranded_is_counted():
    """From names alone: who does not come back after the cutover breaks the promise, and so does who keeps Baltimore."""
    plan, everybody = plan_of_three_and_three()
    awake, staged = everybody - plan.late, everybody - plan.late - plan.holdouts
    tampered = {"tampered_refused": 1, "tampered_root_trusted": 0}
    # two of the three filter, as in the real story all but two
    tampered |= {key: count for key, count in PROMISED.items() if key.startswith(FIREWALLS)}
    tampered |= {"filtered": 2, "filtered_reconnected": 1, "old_let_out_staged": 1}
    tampered |= {key: 1 for key in tampered if key.startswith("unfiltered")}
    good = {"before": awake, "moved": staged, "rescued": awake, "end": everybody, "after": set()}
    assert demo.as_promised({**plan.summary(**good), **tampered})
    for name in sorted(plan.ordered | plan.staged):
        assert not demo.as_promised({**plan.summary(**{**good, "moved": staged - {name}}), **tampered})
    for name in sorted(everybody):
        assert not demo.as_promised({**plan.summary(**{**good, "end": everybody - {name}}), **tampered})
        assert not demo.as_promised({**plan.summary(**{**good, "after": {name}}), **tampered})
    # a device that was on all the time has caught up with nothing
    assert not demo.as_promised({**plan.summary(**{**good, "moved": staged | plan.late}), **tampered})


def test_the_command_that_ends_the_lab_names_its_inventory(tmp_path):
    assert demo.what_next("lab", demo.INVENTORY).endswith("lab down --name lab")
    assert demo.what_next("other", tmp_path).endswith(f"lab down --name other --inventory {tmp_path}")
