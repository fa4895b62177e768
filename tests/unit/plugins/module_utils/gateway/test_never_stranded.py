# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong around a change, and what is left behind: a clear error, the old state or the new one."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from ansible_collections.rootwave.iot.plugins.module_utils.gateway import commit, files, journal, pem, reconcile, walk
from ansible_collections.rootwave.iot.plugins.module_utils.gateway import report as reports
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.errors import (
    BadInput,
    Busy,
    RevertFailed,
    StorageFailed,
    UnsupportedGateway,
)

from .certificates import BALTIMORE, BALTIMORE_SHA256, G2, G2_SHA256
from .debian_gateway import STEPS, Killed, Session, migrate, openssl_trusts, run, stop_at


def killed_at(gateway, phase, name):
    """A process of its own runs the phase and gets a real SIGKILL at a step: no clean-up, no closed file, nothing."""

    def die(reached):
        if reached == name:
            os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if child == 0:
        try:
            run(gateway, phase, on_step=die)
        finally:
            os._exit(1)
    _pid, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


@pytest.mark.parametrize("end", ["the next run", "the revert program"])
@pytest.mark.parametrize("phase", ["stage", "retire"])
@pytest.mark.parametrize("name", (*STEPS, "reported"))
def test_sigkill_at_every_step(gateway, phase, name, end):
    """What the endpoint needs is trusted in every form before anything else runs, and afterwards; and the run converges."""
    if phase == "retire":
        migrate(gateway)
    needed = BALTIMORE if phase == "stage" else G2
    old = gateway.snapshot()
    killed_at(gateway, phase, name)
    assert openssl_trusts(gateway, needed) == [True, True]
    if end == "the revert program":
        for change in journal.pending(gateway.state_dir):
            argv = ["python3", "-I", change.folder]
            subprocess.run(argv, check=True, cwd="/", env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
        assert journal.pending(gateway.state_dir) == []
        assert (gateway.snapshot() == old) == (name not in ("committed", "reported"))
        assert openssl_trusts(gateway, needed) == [True, True]
    assert run(gateway, phase)["outcome"] == "done"
    assert journal.pending(gateway.state_dir) == []
    assert openssl_trusts(gateway, G2) == [True, True]
    assert openssl_trusts(gateway, BALTIMORE) == [phase == "stage"] * 2


def test_a_pending_change_of_another_campaign_is_left_alone(gateway):
    report = run(gateway, "stage", confirm="required")
    with pytest.raises(Busy, match="waits for its commit"):
        run(gateway, "revert", undo="stage", campaign="other")
    assert [change.id for change in journal.pending(gateway.state_dir)] == [report["pending"]]
    assert run(gateway, "revert", undo="stage")["revert"] == "reverted"


def test_what_is_not_proved_cannot_be_committed(gateway):
    with pytest.raises(Killed):
        run(gateway, "stage", on_step=stop_at("applied"))
    (change,) = journal.pending(gateway.state_dir)
    with pytest.raises(BadInput, match="not proved yet"):
        commit.end_change(gateway, change.id, "committed")


@pytest.mark.parametrize("error", [KeyError("a bug"), RuntimeError("another")])
def test_a_bug_after_apply_reverts_at_once(gateway, monkeypatch, error):
    old = gateway.snapshot()

    def fail(*_args):
        raise error

    monkeypatch.setattr(gateway, "prove", fail)
    with pytest.raises(type(error)):
        run(gateway, "stage")
    assert gateway.snapshot() == old
    assert journal.pending(gateway.state_dir) == []


def test_a_timer_does_not_spoil_the_report_of_an_earlier_phase(gateway):
    """A killed retire left no report; what is on disk is about stage, which still stands."""
    migrate(gateway)
    with pytest.raises(Killed):
        run(gateway, "retire", on_step=stop_at("applied"))
    assert journal.main(gateway.armed[-1][1]) == 0
    report = reports.load(gateway.state_dir, time.time())
    assert (report["phase"], report["outcome"]) == ("retire", "reverted")
    assert run(gateway, "stage")["outcome"] == "done"


def test_many_reverted_attempts_do_not_push_out_the_commit(gateway):
    before = gateway.snapshot()
    run(gateway, "stage")
    gateway.served["hashed"] = "tls-untrusted"
    gateway.needs = G2_SHA256
    for _attempt in range(journal.HISTORY_KEPT + 1):
        assert run(gateway, "retire")["outcome"] == "reverted"
    assert len(journal.history(gateway.state_dir)) == journal.HISTORY_KEPT + 1
    gateway.served.clear()
    gateway.needs = BALTIMORE_SHA256
    assert run(gateway, "revert", undo="stage")["outcome"] == "done"
    assert gateway.snapshot() == before


def test_a_refusal_does_not_lose_the_soak(gateway):
    committed = run(gateway, "stage")["committed_at"]
    gateway.served["hashed"] = "tcp"
    refused = run(gateway, "stage")
    assert (refused["outcome"], refused["committed_at"]) == ("refused", committed)
    gateway.served.clear()
    assert run(gateway, "stage")["committed_at"] == committed


def test_waiting_for_the_lock_does_not_make_the_clock_wrong(gateway, monkeypatch):
    class Waits(reconcile.Lock):
        def __enter__(self):
            gateway.offset += 400
            monkeypatch.setattr(reconcile.time, "monotonic", lambda: monotonic() + 400)
            return super().__enter__()

    monotonic = time.monotonic
    monkeypatch.setattr(reconcile, "Lock", Waits)
    assert run(gateway, "stage")["outcome"] == "done"
    monkeypatch.undo()
    assert [blocker["id"] for blocker in run(gateway, "stage")["blockers"]] == ["clock"]


def test_check_mode_refuses_what_the_run_would_refuse(gateway):
    gateway.root = False
    with pytest.raises(UnsupportedGateway, match="become: true"):
        run(gateway, "stage", dry_run=True)


def test_a_change_that_its_revert_could_not_read_is_not_begun(tmp_path):
    """Of a document that is cut off nothing would be taken back, and that would be called reverted."""
    with pytest.raises(BadInput, match="too long for its journal"):
        journal.create(str(tmp_path), "000001-x", {"switches": ["x" * files.JSON_LIMIT]}, {})
    assert journal.pending(str(tmp_path)) == []
    most = {"switches": ["x" * (files.JSON_LIMIT - 100)]}
    assert journal.create(str(tmp_path), "000001-x", most, {}).document == most


def test_revert_needs_endpoints_too(gateway):
    run(gateway, "stage")
    staged = gateway.snapshot()
    with pytest.raises(BadInput, match="no endpoints"):
        run(gateway, "revert", undo="stage", endpoints=[])
    assert gateway.snapshot() == staged


def test_a_revert_that_takes_roots_away_tries_every_offer(gateway):
    run(gateway, "stage")
    gateway.served[(8883, "ecdsa")] = "tls-untrusted"
    refused = run(gateway, "revert", undo="stage")
    assert [found["id"] for found in refused["blockers"]] == ["endpoint-tls-untrusted"]
    gateway.served.clear()
    gateway.sessions = [Session("198.51.100.7", 8883)]
    assert [found["id"] for found in run(gateway, "revert", undo="stage")["blockers"]] == ["unlisted-endpoint"]
    gateway.sessions = []
    assert run(gateway, "revert", undo="stage")["outcome"] == "done"


def test_a_state_directory_that_cannot_be_is_told(gateway):
    Path(gateway.state_dir).write_text("in the way")
    before = gateway.snapshot()
    with pytest.raises(StorageFailed, match="free the cause"):
        run(gateway, "stage")
    assert gateway.snapshot() == before


def test_no_room_for_the_rehearsal_is_told(gateway, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(gateway.folder / "missing"))
    with pytest.raises(StorageFailed, match="No such file"):
        run(gateway, "stage")
    assert journal.pending(gateway.state_dir) == []


def test_a_fact_that_cannot_be_is_a_note(gateway):
    Path(gateway.fact).parent.write_text("in the way")
    report = run(gateway, "stage")
    assert report["outcome"] == "done"
    assert "cannot point to the report" in report["notes"][0]


def test_a_revert_that_cannot_write_stays_armed(gateway, monkeypatch):
    before = gateway.snapshot()
    gateway.served["hashed"] = "tls-untrusted"

    def full(_edits):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(walk, "backward", full)
        with pytest.raises(RevertFailed, match="stays armed"):
            run(gateway, "stage")
    assert len(journal.pending(gateway.state_dir)) == 1
    assert journal.main(gateway.armed[-1][1]) == 0
    assert gateway.snapshot() == before


def truncated(data):
    return data[: len(data) // 2]


def flipped(data):
    """One bit, in the middle of a fingerprint: JSON as before."""
    place = data.index(b'"digest"') + 20
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


@pytest.mark.parametrize("damage", [truncated, flipped, lambda _data: b"", lambda _data: b"[]"])
@pytest.mark.parametrize("state", ["armed", "applied", "pending"])
def test_a_damaged_journal_is_not_one_with_nothing_to_take_back(gateway, damage, state, capsys):
    """Neither the next run nor the revert program nor a commit ends it; put back, it is reverted."""
    before = gateway.snapshot()
    if state == "pending":
        run(gateway, "stage", confirm="required")
    else:
        killed_at(gateway, "stage", state)
    (change,) = journal.pending(gateway.state_dir)
    path = Path(change.folder) / "change.json"
    whole, now = path.read_bytes(), gateway.snapshot()
    path.write_bytes(damage(whole))
    kept = (Path(change.folder) / "state").read_bytes()
    with pytest.raises(RevertFailed, match=r"change\.json of change .* is damaged.*all is kept.*from a backup"):
        run(gateway, "stage")
    assert journal.main(change.folder) == 1
    assert "is damaged" in capsys.readouterr().err
    if state == "pending":
        with pytest.raises(RevertFailed, match="is damaged"):
            commit.end_change(gateway, change.id, "committed")
    assert ((Path(change.folder) / "state").read_bytes(), gateway.snapshot()) == (kept, now)
    path.write_bytes(whole)
    assert journal.main(change.folder) == 0
    assert gateway.snapshot() == before


def test_a_damaged_state_is_not_armed(gateway):
    """Armed means that nothing was applied, and would be ended without a look."""
    run(gateway, "stage", confirm="required")
    (change,) = journal.pending(gateway.state_dir)
    (Path(change.folder) / "state").write_bytes(b'{"state": "pend')
    with pytest.raises(RevertFailed, match="state of change .* is damaged"):
        run(gateway, "stage")
    assert [one.id for one in journal.pending(gateway.state_dir)] == [change.id]


def test_phase_revert_does_not_pass_over_a_damaged_change(gateway):
    run(gateway, "stage")
    (change,) = journal.history(gateway.state_dir)
    path = Path(change.folder) / "change.json"
    path.write_bytes(flipped(path.read_bytes()))
    staged = gateway.snapshot()
    with pytest.raises(RevertFailed, match="is damaged"):
        run(gateway, "revert", undo="stage")
    assert gateway.snapshot() == staged


def cut_short(gateway):
    """What a power cut leaves of the tool's working file: it appends to that, and never looks what is in it."""
    working = Path(gateway.layout.hashed) / ".rootwave-bundle.new"
    working.write_text(BALTIMORE[:700])
    return working


def test_the_tool_alone_makes_a_broken_bundle_of_what_a_power_cut_left(gateway):
    cut_short(gateway)
    subprocess.run([*gateway.layout.tool, "--certbundle", ".rootwave-bundle"], check=True, stdout=subprocess.DEVNULL)
    made = Path(gateway.layout.hashed) / ".rootwave-bundle"
    assert made.read_text().startswith(BALTIMORE[:700] + "-----BEGIN")
    assert not pem.readable(str(made))
    assert pem.readable(gateway.layout.bundle)


@pytest.mark.parametrize("name", ["stage", "the revert program"])
def test_what_a_power_cut_left_of_the_tool_harms_nobody(gateway, name):
    old = gateway.snapshot()
    if name == "the revert program":
        run(gateway, "stage", confirm="required")
    working = cut_short(gateway)
    if name == "stage":
        assert run(gateway, "stage")["outcome"] == "done"
    else:
        assert journal.main(gateway.armed[-1][1]) == 0
        assert gateway.snapshot() == old
    assert pem.readable(gateway.layout.bundle)
    assert openssl_trusts(gateway, BALTIMORE) == [True, True]
    assert not working.exists()
