# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One job at a time on a gateway in a folder: real signatures, Debian's real tool, a journal on disk, a scripted network."""

from __future__ import annotations

import os
import time
from types import SimpleNamespace

import pytest
from gateway import files, journal
from gateway.order import Ratchet

from agent import orders, records, worker
from tests.unit.agent import signing
from tests.unit.agent.device import Device, staged
from tests.unit.agent.signing import Signer
from tests.unit.plugins.module_utils.gateway.certificates import BALTIMORE_SHA256, G2_SHA256
from tests.unit.plugins.module_utils.gateway.debian_gateway import Killed, Session


@pytest.fixture
def device(tmp_path):
    return Device(tmp_path)


def pending(device):
    """A retirement that waits for its session."""
    staged(device)
    before = device.gateway.snapshot()
    device.order("retire", 2)
    record = device.do()["retire"]
    assert record["state"] == "running" and record["confirm_by"] and orders.pending(records.load(device.config.state_dir))
    return record, before


def raising(error):
    def fails(*_args, **_more):
        raise error

    return fails


def test_stage(device):
    device.order("stage", 1)
    record = device.do()["stage"]
    assert (record["state"], record["serial"], record["probes"]) == ("proved", 1, "6 of 6 ok")
    assert record["committed_at"] and device.ratchet()["serial"] == 1
    assert device.told == 2  # running, proved: each costs a message of the hub's quota
    hosts = {(probe["host"], probe["port"]) for probe in files.read_json(device.config.path("report.json"))["probes"]}
    assert hosts == {("hub.example", 443), ("hub.example", 8883)}  # the order's endpoint and this device's own


def test_retire_waits_and_is_committed(device):
    record, before = pending(device)
    assert journal.pending(device.gateway.state_dir)[0].id == record["change"]
    ended = device.do("commit")["retire"]
    assert (ended["state"], bool(ended["committed_at"]), ended["confirm_by"]) == ("proved", True, None)
    assert not journal.pending(device.gateway.state_dir) and device.gateway.snapshot() != before


def test_withdrawn_reverts(device):
    _record, before = pending(device)
    assert device.do("revert")["retire"]["state"] == "reverted"
    assert device.gateway.snapshot() == before


def test_commit_that_comes_too_late_is_told(device):
    """The armed program was faster."""
    record, before = pending(device)
    assert journal.main(os.path.join(device.gateway.state_dir, "pending", record["change"])) == 0
    ended = device.do("commit")["retire"]
    assert ended["state"] == "reverted" and "no new session" in ended["reason"]
    assert device.gateway.snapshot() == before


def test_settle_leaves_what_is_in_time_and_ends_what_is_not(device, monkeypatch):
    _record, before = pending(device)
    assert device.do("settle")["retire"]["state"] == "running"
    device.gateway.offset = 61
    assert device.do("settle")["retire"]["state"] == "reverted"
    assert device.gateway.snapshot() == before


@pytest.mark.parametrize("phase", ["stage", "retire"])
@pytest.mark.parametrize("step", ["locked", "rehearsed", "armed", "applied", "proved"])
def test_killed_anywhere_and_run_again(device, monkeypatch, phase, step):
    """Whatever the kill left, the next start settles it, and the order ends as if nothing had happened."""
    if phase == "retire":
        staged(device)
    device.order(phase, 2)
    real = worker.reconcile

    def killed(host, desired, now, on_step):
        def dies(name):
            on_step(name)
            if name == step:
                raise Killed(name)

        return real(host, desired, now, on_step=dies)

    monkeypatch.setattr(worker, "reconcile", killed)
    with pytest.raises(Killed):
        device.do()
    monkeypatch.setattr(worker, "reconcile", real)
    device.do("settle")
    device.do()
    if phase == "retire":
        device.do("commit")
    assert records.load(device.config.state_dir)[phase]["state"] == "proved"
    assert not journal.pending(device.gateway.state_dir)


def test_killed_between_commit_and_record(device, monkeypatch):
    pending(device)
    monkeypatch.setattr(records, "save", raising(Killed("record")))
    with pytest.raises(Killed):
        device.do("commit")
    monkeypatch.undo()
    assert device.do("settle")["retire"]["state"] == "proved"


def test_a_run_that_never_ends_well_is_given_up(device, monkeypatch):
    device.order("stage", 1)
    monkeypatch.setattr(worker, "reconcile", raising(Killed("each time")))
    for _each in range(worker.TRIES_MOST):
        with pytest.raises(Killed):
            device.do()
    assert device.do()["stage"]["state"] == "failed"


def test_full_disk_changes_nothing_and_is_no_end(device, monkeypatch):
    """The ratchet cannot be written: the change that was armed is ended, and the order may come again."""
    before = device.gateway.snapshot()
    device.order("stage", 1)
    monkeypatch.setattr(Ratchet, "advance", raising(OSError(28, "No space left on device")))
    record = device.do()["stage"]
    assert record["state"] == "accepted" and "No space left" in record["reason"]
    assert device.gateway.snapshot() == before and not journal.pending(device.gateway.state_dir)
    monkeypatch.undo()
    assert device.do()["stage"]["state"] == "proved"


def test_both_at_once_lower_serial_first(device):
    device.order("retire", 2)
    device.order("stage", 1)
    assert {name: record["state"] for name, record in device.do().items()} == {"stage": "proved"}
    device.gateway.needs = G2_SHA256
    assert device.do()["retire"]["state"] == "running"


def test_retire_before_stage_does_not_shut_the_stage_out(device):
    device.gateway.needs = G2_SHA256
    device.order("retire", 2)
    device.gateway.served = {"rehearsal": "ok"}
    refused = device.do()["retire"]
    assert refused["state"] == "refused" and "not-staged" in refused["reason"] and device.ratchet() is None
    device.order("stage", 1)
    device.gateway.served = {}
    assert device.do()["stage"]["state"] == "proved"


def test_stage_that_is_done_already_moves_the_ratchet(device):
    staged(device)
    device.order("stage", 5)
    assert device.do()["stage"]["state"] == "proved" and device.ratchet()["serial"] == 5


def test_interlock_refuses_and_says_why(device):
    device.gateway.needs = "f" * 64
    device.order("stage", 1)
    record = device.do()["stage"]
    assert record["state"] == "refused" and "endpoint-tls-untrusted" in record["reason"] and record["probes"].startswith("0 of")
    assert device.ratchet() is None


def test_change_that_does_not_prove_is_taken_back(device):
    before = device.gateway.snapshot()
    device.gateway.served = {"hashed": "tls-untrusted"}
    device.order("stage", 1)
    record = device.do()["stage"]
    assert (record["state"], device.ratchet()["serial"]) == ("reverted", 1) and device.gateway.snapshot() == before


def test_order_while_somebody_elses_change_is_pending(device):
    from tests.unit.plugins.module_utils.gateway.debian_gateway import run

    assert run(device.gateway, "stage", campaign="pushed", digest="1" * 64, confirm="required")["outcome"] == "pending"
    before = device.gateway.snapshot()
    device.order("stage", 1)
    record = device.do()["stage"]
    assert record["state"] == "accepted" and "waits for its commit" in record["reason"] and record["tries"] == 0
    assert device.gateway.snapshot() == before and len(journal.pending(device.gateway.state_dir)) == 1


def test_disk_that_is_nearly_full_is_waited_for(device, monkeypatch):
    real = os.statvfs
    device.order("stage", 1)
    monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(f_bavail=1, f_frsize=1))
    record = device.do()["stage"]
    assert (record["state"], record["reason"].split(":")[0], device.ratchet()) == ("accepted", "disk-full", None)
    device.gateway.needs = "f" * 64  # beside what does not pass by itself it is no excuse
    assert device.do()["stage"]["state"] == "refused"
    monkeypatch.setattr(os, "statvfs", real)
    device.gateway.needs = BALTIMORE_SHA256
    device.section["stage"]["go"] = 2
    assert device.do()["stage"]["state"] == "proved"


def test_somebody_elses_run_of_the_same_phase_moves_the_ratchet_too(device):
    from tests.unit.plugins.module_utils.gateway.debian_gateway import run

    assert run(device.gateway, "stage", confirm="required")["outcome"] == "pending"
    device.order("stage", 5)
    assert device.do()["stage"]["confirm_by"] and device.ratchet()["serial"] == 5
    assert device.do("commit")["stage"]["state"] == "proved"


def test_withdrawn_after_its_worker_was_killed(device, monkeypatch):
    """The change waits, the record does not say so yet."""
    staged(device)
    before = device.gateway.snapshot()
    device.order("retire", 2)
    monkeypatch.setattr(worker.Worker, "_ended", raising(Killed("pending")))
    with pytest.raises(Killed):
        device.do()
    monkeypatch.undo()
    device.section = {}
    for _each in range(2):
        device.do(orders.next_job(device.section, records.load(device.config.state_dir), None, 0))
    assert records.load(device.config.state_dir)["retire"]["state"] == "reverted" and device.gateway.snapshot() == before


def test_live_session_to_an_unlisted_hub(device):
    staged(device)
    device.gateway.sessions = [Session("198.51.100.7", 8883)]
    device.order("retire", 2)
    assert "unlisted-endpoint" in device.do()["retire"]["reason"]


def test_withdrawn_before_it_began_is_forgotten(device):
    device.order("stage", 1, payload={"not_before": int(time.time()) + 1000})
    device.do()
    device.section = {}
    assert device.do() == {}


def test_revert_order_takes_a_phase_back(device):
    before = device.gateway.snapshot()
    device.order("stage", 1)
    device.do()
    device.order("revert", 2, undo="stage")
    assert device.do()["revert"]["state"] == "proved"
    assert device.gateway.snapshot() == before


def test_a_retirement_that_is_taken_out_for_its_revert_goes_back_also_where_it_waits(device):
    """As revert_campaign leaves a twin: the retirement is gone, its revert is there."""
    staged(device)
    before = device.gateway.snapshot()
    device.order("retire", 2)
    assert device.do()["retire"]["state"] == "running"
    device.order("revert", 3, undo="retire")
    del device.section["retire"]
    for _each in range(2):
        found = device.do(orders.next_job(device.section, records.load(device.config.state_dir), None, 0))
    assert (found["retire"]["state"], found["revert"]["state"], device.gateway.snapshot()) == ("reverted", "proved", before)
    assert orders.next_job(device.section, found, None, 0) is None and device.ratchet()["serial"] == 3


def test_revert_with_nothing_to_take_back(device):
    before = device.gateway.snapshot()
    device.order("revert", 2, undo="stage")
    assert device.do()["revert"]["state"] == "proved"
    assert device.gateway.snapshot() == before


# new keys


def new_keys(device, new, signers):
    device.section["keys"] = signing.order(signing.envelope(signing.KEYS, new.document, signers))


def test_new_keys_and_an_order_signed_with_them(device):
    old, new = device.signer, Signer(version=2)
    new_keys(device, new, old.keys + new.keys)
    device.signer = new
    device.order("stage", 1)
    found = device.do()
    assert (found["keys"]["state"], found["stage"]["state"]) == ("proved", "proved")
    assert records.keys_version(device.config.state_dir) == 2
    device.section = {}
    device.signer = old
    device.order("retire", 3)
    assert device.do()["retire"]["reason"].startswith("unsigned")


@pytest.mark.parametrize("who", ["old", "new"])
def test_new_keys_need_both_sides(device, who):
    new = Signer(version=2)
    new_keys(device, new, device.signer.keys if who == "old" else new.keys)
    assert device.do()["keys"]["reason"].startswith("unsigned")
    assert records.keys_version(device.config.state_dir) == 1


def test_killed_between_new_keys_and_record(device, monkeypatch):
    new = Signer(version=2)
    new_keys(device, new, device.signer.keys + new.keys)
    real = files.write_json

    def dies(path, document, mode=0o600):
        real(path, document, mode)
        if path.endswith("keys.json"):
            raise Killed(path)

    monkeypatch.setattr(files, "write_json", dies)
    with pytest.raises(Killed):
        device.do()
    monkeypatch.undo()
    assert device.do()["keys"]["state"] == "proved" and records.keys_version(device.config.state_dir) == 2
