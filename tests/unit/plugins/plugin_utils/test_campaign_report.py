# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a campaign is, from what its gateways said last."""

from __future__ import annotations

import pytest
from ansible_collections.rootwave.iot.plugins.plugin_utils.campaign_report import campaign_report

DIGEST = "d" * 64
WAVES = ({"name": "canary", "hosts": ["gw-1"], "via": "ssh"}, {"name": "broad", "hosts": ["gw-2", "gw-3"], "via": "ssh"})
CAMPAIGN = {
    "digest": DIGEST,
    "path": "/c.yml",
    "accept": [],
    "absent": [{"name": "old"}],
    "waves": [{"group": "canary"}, {"group": "broad"}],
}


def said(phase="stage", outcome="done", undo=None, digest=DIGEST, **more):
    return {"campaign": {"digest": digest}, "phase": phase, "undo": undo, "outcome": outcome, **more}


def report(*found, waves=WAVES, **campaign):
    reports = dict(zip(["gw-1", "gw-2", "gw-3"], found, strict=True))
    return campaign_report({**CAMPAIGN, **campaign}, waves, reports)


@pytest.mark.parametrize(
    "found, following",
    [
        ([{"outcome": "none"}] * 3, "run phase stage on wave canary"),
        ([said(), {"outcome": "none"}, {"outcome": "none"}], "run phase stage on wave broad"),
        (
            [said(), said(), said(outcome="refused", blockers=[{"id": "clock"}])],
            "mend what is told above, then run phase stage on wave broad",
        ),
        (
            [said(), said(), {"unreachable": True, "msg": "no route"}],
            "mend what is told above, then run phase stage on wave broad",
        ),
        ([said(), said(), said(digest="e" * 64)], "mend what is told above, then run phase stage on wave broad"),
        ([said()] * 3, "once the hub serves the new chain, phase retire on wave canary"),
        ([said("retire"), said(), said()], "run phase retire on wave broad"),
        ([said("retire")] * 3, "nothing, all waves are through"),
    ],
)
def test_what_comes_next(found, following):
    assert report(*found)["next"].startswith(following), report(*found)


def test_who_is_in_trouble_and_why():
    made = report(
        said(), {"unreachable": True, "msg": "no route"}, said(outcome="refused", blockers=[{"id": "clock"}], msg="clock")
    )
    assert made["lines"][:4] == [
        "wave canary: stage: 1 total, 1 done",
        "wave broad: stage: 2 total, 1 refused, 1 unreachable",
        "  gw-2: unreachable, no route",
        "  gw-3: refused, clock",
    ]
    assert made["waves"][1]["numbers"]["unreachable"] == 1


def test_where_no_root_goes_it_ends_with_stage():
    assert report(said(), said(), said(), absent=[])["next"] == "nothing, all waves are through"


def test_a_wave_through_twins_is_told_by_its_gate():
    waves = [WAVES[0], {**WAVES[1], "via": "twin"}]
    made = report(said(), None, None, waves=waves)
    assert "judge_wave" in made["lines"][1]
    assert made["next"].startswith("look what the gate of broad says (judge_wave); where it passed, once the hub serves")
    stuck = report({"outcome": "none"}, None, None, waves=waves)["next"]
    assert "where it passed, run phase stage on wave canary" in stuck


def test_of_twins_alone_nobody_is_told_to_be_through():
    waves = [{**wave, "via": "twin"} for wave in WAVES]
    look = "look what the gate of canary, broad says (judge_wave), then "
    told = [campaign_report(CAMPAIGN, waves, {}, workflow)["next"] for workflow in ("", "plant")]
    assert told == [look + "run run_wave.yml for the first wave that has not passed", look + "launch the workflow plant again"]


def test_in_awx_the_workflow_is_launched_again():
    reports = dict.fromkeys(["gw-1", "gw-2", "gw-3"], {"outcome": "none"})
    told = campaign_report(CAMPAIGN, WAVES, reports, "plant")["next"]
    assert told == "run phase stage on wave canary: launch the workflow plant again, what is done is skipped"
