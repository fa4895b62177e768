# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Phase revert of a campaign of which a section is asked: each section's own changes, and nothing behind the plan's back."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from ansible_collections.rootwave.iot.plugins.module_utils.gateway import undoing
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.allowlists.document import Place
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.errors import BadInput
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.model import Anchor, Desired, PlaceChange

ANCHOR = Anchor("aa" * 32, "g2", "CN=G2", "pem")
SWITCH = {"kind": "nftables", "place": {}, "before": None, "after": None}
ROOTS, PLACES, BOTH = {"holds": [ANCHOR.sha256]}, {"switches": [SWITCH]}, {"holds": [ANCHOR.sha256], "switches": [SWITCH]}
SECTIONS = {
    "anchors": {"present": (ANCHOR,)},
    "allowlist": {"allowlist": object()},
    "whole": {"present": (ANCHOR,), "allowlist": object()},
}


@pytest.fixture
def history(tmp_path, monkeypatch):
    """history(ROOTS, PLACES): committed stages of one campaign, oldest first; returns the host."""
    monkeypatch.setattr(
        undoing,
        "_switched_back",
        lambda last: (last.switches, tuple(PlaceChange("p", "take-out") for _one in last.switches), (), ()),
    )

    def write(*changes):
        for number, change in enumerate(changes, 1):
            folder = tmp_path / "history" / f"{number:06d}-x"
            folder.mkdir(parents=True)
            document = {"campaign": "c", "phase": "stage", "digest": "d", "adds": [], "removes": [], "holds": [], **change}
            (folder / "change.json").write_text(json.dumps(document))
            (folder / "state").write_text(json.dumps({"state": "committed"}))
        return SimpleNamespace(state_dir=str(tmp_path), store=SimpleNamespace(name="system"))

    return write


def undo(host, section):
    desired = Desired("c", "another digest", "revert", undo="stage", **SECTIONS[section])
    return undoing.work_for(host, desired, SimpleNamespace(bundle={}))


@pytest.mark.parametrize("section", ["anchors", "allowlist"])
def test_what_was_done_together_is_taken_back_together(history, section):
    host = history(BOTH)
    with pytest.raises(BadInput, match="000001-x was about roots and addresses together"):
        undo(host, section)
    assert undo(host, "whole").undoes == "000001-x"


@pytest.mark.parametrize(("section", "first"), [("anchors", ROOTS), ("allowlist", PLACES)])
@pytest.mark.parametrize("order", [1, -1])
def test_a_section_takes_back_its_own_change(history, section, first, order):
    other = PLACES if first is ROOTS else ROOTS
    host = history(*(first, other)[::order])
    work = undo(host, section)
    assert work.undoes == ("000001-x" if order == 1 else "000002-x") and not work.blockers
    assert (bool(work.plan.changes), bool(work.plan.places)) == (first is ROOTS, first is PLACES)


def test_nothing_of_its_own_is_nothing_to_do(history):
    assert not undo(history(PLACES), "anchors").plan


def test_an_anchor_that_the_campaign_no_longer_names(history):
    host = history({"holds": ["bb" * 32]})
    with pytest.raises(BadInput, match="no longer names"):
        undo(host, "anchors")


PLACE = Place("output", "nftables", "named_set", family="inet", table="filter", set4="hubs")
HERE = {"switches": [{**SWITCH, "place": PLACE.as_dict()}]}
RETIRED = {**HERE, "phase": "retire", "digest": "mine"}
ELSEWHERE = {"switches": [{**SWITCH, "place": {**PLACE.as_dict(), "set4": "others"}}], "phase": "retire", "digest": "mine"}


@pytest.mark.parametrize(
    ("changes", "stands"),
    [
        ([HERE, RETIRED], "000002-x"),
        ([HERE, RETIRED, {**ROOTS, "phase": "retire", "digest": "mine"}], "000002-x"),
        ([HERE, RETIRED, ELSEWHERE], "000002-x"),
        ([HERE, RETIRED, {**HERE, "campaign": "another"}], "000002-x"),
        ([HERE, {**RETIRED, "digest": "of another state of the file"}], ""),
        ([HERE, {**RETIRED, "campaign": "another"}], ""),
        ([HERE, {**ROOTS, "phase": "retire", "digest": "mine"}], ""),
        ([HERE, ELSEWHERE], ""),
        ([HERE, RETIRED, {**HERE, "phase": "revert", "undoes": "000002-x", "digest": "mine"}], ""),
        ([HERE, RETIRED, {**HERE, "digest": "mine"}], ""),
        ([], ""),
    ],
)
def test_a_retire_of_addresses_stands_until_something_of_its_campaign_follows(history, changes, stands):
    host = history(*changes)
    assert undoing.stands(host.state_dir, Desired("c", "mine", "stage", allowlist=object()), "retire", PLACE) == stands


def test_a_damaged_journal_stops_no_stage(history, tmp_path):
    host = history(HERE, RETIRED, ROOTS)
    (tmp_path / "history" / "000003-x" / "state").write_text("{")
    assert undoing.stands(host.state_dir, Desired("c", "mine", "stage", allowlist=object()), "retire", PLACE) == ""
