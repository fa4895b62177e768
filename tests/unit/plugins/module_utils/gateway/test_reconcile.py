# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb, on a real Debian store in a folder. That another tool agrees is checked with ``openssl verify``."""

from __future__ import annotations

import os
import subprocess
import time

import pytest
from ansible_collections.rootwave.iot.plugins.module_utils.gateway import commit, files, journal, reconcile, report
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.errors import (
    BadInput,
    Busy,
    RevertFailed,
    TrustError,
    UnsupportedGateway,
)
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.model import Finding

from .certificates import BALTIMORE, BALTIMORE_SHA256, G2, G2_SHA256, root
from .debian_gateway import NEW, STEPS, Killed, Session, migrate, openssl_trusts, run, stop_at


def test_stage_adds_the_new_beside_the_old(gateway):
    assert openssl_trusts(gateway, G2) == [False, False]
    report = run(gateway, "stage")
    assert (report["outcome"], report["changed"], report["revert"]) == ("done", True, "committed")
    assert [(change["action"], change["anchor"]) for change in report["plan"]] == [("add", "g2")]
    assert openssl_trusts(gateway, G2) == [True, True]
    assert openssl_trusts(gateway, BALTIMORE) == [True, True]


def test_an_anchor_that_the_distribution_ships_is_held_by_our_own_file_all_the_same(gateway):
    (gateway.folder / "shipped" / "G2.crt").write_text(G2)
    with open(str(gateway.folder / "conf"), "a") as conf:
        conf.write("G2.crt\n")
    gateway.run_tool()
    report = run(gateway, "stage")
    assert [change["action"] for change in report["plan"]] == ["hold"]
    (gateway.folder / "conf").write_text("Baltimore.crt\nMS2017.crt\n")
    gateway.run_tool()
    assert openssl_trusts(gateway, G2) == [True, True]


def test_the_second_run_changes_nothing_and_runs_no_tool(gateway, monkeypatch):
    run(gateway, "stage")
    before = gateway.snapshot()
    monkeypatch.setattr(subprocess, "Popen", None)
    report = run(gateway, "stage")
    assert (report["outcome"], report["changed"], report["plan"]) == ("done", False, [])
    assert report["seconds_since_commit"] is not None
    assert gateway.snapshot() == before


def age(gateway):
    """All that was done is ten minutes older: the journal and the report. Returns the report's commit."""
    for change in journal.history(gateway.state_dir):
        path = os.path.join(change.folder, "state")
        state = files.read_json(path)
        files.write_json(path, dict(state, at=state["at"] - 600))
    last = files.read_json(report.path_in(gateway.state_dir))
    last["committed_at"] -= 600
    files.write_json(report.path_in(gateway.state_dir), last)
    return last["committed_at"]


def test_a_campaign_launched_again_after_its_cutover_soaks_nothing_twice(gateway):
    """What neither stage nor retire changes has held since the last change; after a revert it has not."""
    migrate(gateway)
    run(gateway, "retire")
    ago = age(gateway)
    for phase in ("stage", "retire", "stage"):
        found = run(gateway, phase)
        assert (found["plan"], found["committed_at"]) == ([], ago)
    assert run(gateway, "revert", undo="retire")["changed"]
    assert run(gateway, "stage")["committed_at"] > ago


@pytest.mark.parametrize(("died", "then"), [("retire", "retire"), ("retire", "stage"), ("revert", "stage")])
def test_what_a_run_committed_that_died_before_its_report_soaks_from_then(gateway, died, then):
    """Its report is that of the phase before, which has soaked long since."""
    migrate(gateway)
    if died == "revert":
        run(gateway, "retire")
    ago = age(gateway)
    with pytest.raises(Killed):
        run(gateway, died, undo="retire" if died == "revert" else None, on_step=stop_at("committed"))
    found = run(gateway, then)
    assert (found["outcome"], found["plan"]) == ("done", []) and found["committed_at"] > ago + 300


def test_a_damaged_journal_carries_no_commit(gateway):
    run(gateway, "stage")
    ago = age(gateway)
    assert run(gateway, "stage")["committed_at"] == ago
    with open(os.path.join(journal.history(gateway.state_dir)[-1].folder, "state"), "w") as stream:
        stream.write("{")
    assert run(gateway, "stage")["committed_at"] > ago


def test_check_mode_shows_the_same_plan_and_writes_nothing(gateway):
    before = gateway.snapshot()
    planned = run(gateway, "stage", dry_run=True)
    assert planned["outcome"] == "planned"
    assert gateway.snapshot() == before
    assert not (gateway.folder / "state").exists()
    assert run(gateway, "stage")["plan"] == planned["plan"]


def test_retire_leaves_the_old_root_in_no_form(gateway):
    (gateway.folder / "local" / "old copy (1).crt").write_text(BALTIMORE)
    gateway.run_tool()
    migrate(gateway)
    report = run(gateway, "retire")
    assert report["outcome"] == "done"
    assert report["stores"]["system"]["absent"] == {"baltimore": []}
    assert openssl_trusts(gateway, BALTIMORE) == [False, False]
    assert openssl_trusts(gateway, G2) == [True, True]
    assert "!Baltimore.crt" in (gateway.folder / "conf").read_text()
    assert [path for path in (gateway.folder / "certs").iterdir() if path.is_symlink() and not path.exists()] == []


def test_a_shipped_root_without_a_line_is_deselected_before_a_package_update_can_bring_it_back(gateway):
    (gateway.folder / "conf").write_text("MS2017.crt\n")
    gateway.run_tool()
    subprocess.run(["openssl", "rehash", gateway.layout.hashed], check=False, stderr=subprocess.DEVNULL)
    gateway.needs = G2_SHA256
    run(gateway, "stage")
    assert run(gateway, "retire")["outcome"] == "done"
    assert "!Baltimore.crt" in (gateway.folder / "conf").read_text()


def test_a_root_that_two_packages_ship_goes_from_both(gateway):
    (gateway.folder / "shipped" / "vendor.crt").write_text(BALTIMORE)
    with (gateway.folder / "conf").open("a") as stream:
        stream.write("vendor.crt\n")
    gateway.run_tool()
    migrate(gateway)
    assert run(gateway, "retire")["outcome"] == "done"
    assert openssl_trusts(gateway, BALTIMORE) == [False, False]
    lines = (gateway.folder / "conf").read_text().splitlines()
    assert {"!Baltimore.crt", "!vendor.crt"} <= set(lines)


def test_a_shipped_file_with_other_roots_beside_it_is_refused(gateway):
    (gateway.folder / "shipped" / "vendor.crt").write_text(BALTIMORE + root("microsoft-rsa-root-ca-2017"))
    with (gateway.folder / "conf").open("a") as stream:
        stream.write("vendor.crt\n")
    gateway.run_tool()
    migrate(gateway)
    report = run(gateway, "retire")
    assert [found["id"] for found in report["blockers"]] == ["mixed-file"]


def test_revert_takes_back_the_phase_that_it_names(gateway):
    before = gateway.snapshot()
    run(gateway, "stage")
    staged = gateway.snapshot()
    gateway.needs = G2_SHA256
    run(gateway, "retire")
    refused = run(gateway, "revert", undo="stage")
    assert (refused["outcome"], refused["blockers"][0]["id"]) == ("refused", "later-phase")
    assert run(gateway, "revert", undo="retire")["outcome"] == "done"
    assert gateway.snapshot() == staged
    refused = run(gateway, "revert", undo="stage")
    assert (refused["outcome"], refused["blockers"][0]["id"]) == ("refused", "endpoint-tls-untrusted")
    gateway.needs = BALTIMORE_SHA256
    assert run(gateway, "revert", undo="stage")["outcome"] == "done"
    assert gateway.snapshot() == before


def test_a_revert_that_is_resumed_goes_no_step_further(gateway):
    """Waves are resumed with the same command; a gateway that is through must stay where it is."""
    run(gateway, "stage")
    staged = gateway.snapshot()
    run(gateway, "retire", now=time.time())
    for _run in range(2):
        assert run(gateway, "revert", undo="retire")["outcome"] == "done"
        assert gateway.snapshot() == staged
    again = run(gateway, "revert", undo="retire")
    assert (again["changed"], again["plan"]) == (False, [])


def test_a_second_change_of_one_phase_is_taken_back_alone(gateway):
    """A campaign that got one more root meanwhile: revert goes back by what was staged last, and not further."""
    run(gateway, "stage")
    first = gateway.snapshot()
    name = "microsoft-rsa-root-ca-2017"
    more = {"name": name, "sha256": "c741f70f4b2a8d88bf2e71c14122ef53ef10eba0cfa5e64cfa20f418853073e0", "pem": root(name)}
    run(gateway, "stage", present=[NEW, more])
    for _run in range(2):
        assert run(gateway, "revert", undo="stage", present=[NEW, more])["outcome"] == "done"
        assert gateway.snapshot() == first


def make_wrong_clock(gateway):
    gateway.offset = 86400


def make_expired(gateway):
    gateway.served[(8883, "default")] = "tls-expired"


def make_ecdsa_old(gateway):
    gateway.served[(8883, "ecdsa")] = "tls-untrusted"


def make_unlisted(gateway):
    gateway.sessions = [Session("198.51.100.7", 8883)]


def make_finding(gateway):
    gateway.found = [Finding("java-sdk-no-g2:/opt/a.jar", "blocker", "why")]


def make_unstaged(gateway):
    (gateway.folder / "local" / "rootwave-g2.crt").unlink()


def make_stale(gateway):
    (gateway.folder / "conf").write_text("Baltimore.crt\n")


def make_hub_old(gateway):
    gateway.needs = BALTIMORE_SHA256


def make_mixed(gateway):
    (gateway.folder / "local" / "both.crt").write_text(BALTIMORE + G2)
    gateway.run_tool()


@pytest.mark.parametrize(
    ("spoil", "blocker"),
    [
        (make_wrong_clock, "clock"),
        (make_expired, "endpoint-tls-expired"),
        (make_ecdsa_old, "endpoint-tls-untrusted"),
        (make_unlisted, "unlisted-endpoint"),
        (make_finding, "finding"),
        (make_unstaged, "not-staged"),
        (make_stale, "stale-store"),
        (make_hub_old, "endpoint-tls-untrusted"),
        (make_mixed, "mixed-file"),
    ],
)
def test_retire_is_refused_and_nothing_is_touched(gateway, monkeypatch, spoil, blocker):
    """And no tool is run: what is refused costs nothing but the look."""
    migrate(gateway)
    spoil(gateway)
    monkeypatch.setattr(subprocess, "Popen", None)
    before, armed = gateway.snapshot(), len(gateway.armed)
    report = run(gateway, "retire")
    assert report["outcome"] == "refused"
    assert blocker in [found["id"] for found in report["blockers"]]
    assert gateway.snapshot() == before
    assert len(gateway.armed) == armed


@pytest.mark.parametrize("missing", [None, {"date": "2999-01-01", "source": "x"}])
def test_retire_needs_a_safe_after_that_is_past(gateway, missing):
    migrate(gateway)
    report = run(gateway, "retire", safe_after=missing)
    assert [found["id"] for found in report["blockers"]] == ["safe-after"]


def test_what_does_not_prove_through_the_real_store_is_reverted_at_once(gateway):
    before = gateway.snapshot()
    gateway.served["hashed"] = "tls-untrusted"
    report = run(gateway, "stage")
    assert (report["outcome"], report["changed"], report["revert"]) == ("reverted", False, "reverted")
    assert "hashed" in report["error"]
    assert gateway.snapshot() == before
    assert journal.pending(gateway.state_dir) == []


def test_without_an_armed_revert_nothing_is_changed(gateway):
    before = gateway.snapshot()
    gateway.arm_errors = [OSError(30, "Read-only file system")]
    with pytest.raises(TrustError, match="cannot be armed, so nothing was changed"):
        run(gateway, "stage")
    assert gateway.snapshot() == before
    assert journal.pending(gateway.state_dir) == []


@pytest.mark.parametrize("phase", ["stage", "retire"])
@pytest.mark.parametrize("name", STEPS)
def test_a_run_that_dies_at_any_step_is_finished_or_reverted_by_the_next(gateway, phase, name):
    if phase == "retire":
        migrate(gateway)
    old = gateway.snapshot()
    with pytest.raises(Killed):
        run(gateway, phase, on_step=stop_at(name))
    with pytest.raises(Killed):
        run(gateway, phase, on_step=stop_at("recovered"))
    assert (gateway.snapshot() == old) == (name != "committed")
    report = run(gateway, phase)
    assert report["outcome"] == "done"
    assert openssl_trusts(gateway, G2) == [True, True]
    assert openssl_trusts(gateway, BALTIMORE) == [phase == "stage"] * 2


def test_the_revert_program_needs_nothing_of_the_run(gateway):
    old = gateway.snapshot()
    with pytest.raises(Killed):
        run(gateway, "stage", on_step=stop_at("applied"))
    _identity, folder, seconds = gateway.armed[0]
    assert seconds == 300
    subprocess.run(["python3", "-I", folder], check=True, cwd="/", env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    assert gateway.snapshot() == old
    assert journal.pending(gateway.state_dir) == []
    subprocess.run(["python3", "-I", folder], check=False, env={"PATH": "/usr/bin:/bin"}, stderr=subprocess.DEVNULL)
    assert gateway.snapshot() == old


def test_a_change_that_waits_is_committed_or_taken_back(gateway):
    old = gateway.snapshot()
    report = run(gateway, "stage", confirm="required")
    assert (report["outcome"], report["revert"]) == ("pending", "armed")
    with pytest.raises(Busy, match="waits for its commit"):
        run(gateway, "retire")
    assert run(gateway, "stage", confirm="required")["pending"] == report["pending"]
    assert commit.end_change(gateway, report["pending"], "reverted")["changed"]
    assert gateway.snapshot() == old
    with pytest.raises(BadInput, match="reverted already"):
        commit.end_change(gateway, report["pending"], "committed")
    again = run(gateway, "stage", confirm="required")
    ended = commit.end_change(gateway, again["pending"], "committed")
    assert (ended["changed"], ended["outcome"], ended["left_alone"]) == (True, "done", [])
    assert abs(ended["committed_at"] - time.time()) < 60
    assert commit.end_change(gateway, again["pending"], "committed")["changed"] is False
    assert run(gateway, "stage")["plan"] == []


def test_two_runs_at_once_take_turns(gateway, monkeypatch):
    monkeypatch.setattr(reconcile, "LOCK_WAIT", 0.2)

    def second_run(reached):
        if reached == "armed":
            with pytest.raises(Busy):
                run(gateway, "stage")

    assert run(gateway, "stage", on_step=second_run)["outcome"] == "done"


def test_only_root_may_change_trust(gateway):
    gateway.root = False
    with pytest.raises(UnsupportedGateway, match="become: true"):
        run(gateway, "stage")
    assert run(gateway, "assess")["outcome"] == "assessed"


def test_assess_tells_and_writes_nothing(gateway):
    before = gateway.snapshot()
    report = run(gateway, "assess")
    assert report["stores"]["system"]["absent"] == {"baltimore": ["bundle", "hashed", "shipped"]}
    assert report["stores"]["system"]["present"] == {"g2": "missing"}
    assert [probe["stage"] for probe in report["probes"]] == ["ok"]
    assert gateway.snapshot() == before
    assert not (gateway.folder / "state").exists()


def test_a_tool_that_fails_leaves_the_old_bundle_and_an_armed_revert_that_ends_it_later(gateway):
    before = gateway.snapshot()
    (gateway.folder / "broken").write_text("")
    with pytest.raises(RevertFailed, match="stays armed"):
        run(gateway, "stage")
    assert openssl_trusts(gateway, BALTIMORE) == [True, True]
    assert len(journal.pending(gateway.state_dir)) == 1
    (gateway.folder / "broken").unlink()
    assert run(gateway, "revert", undo="stage")["outcome"] == "done"
    assert gateway.snapshot() == before
