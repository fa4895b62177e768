# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""One job in a process of its own, so that its memory returns: verify -> ratchet -> reconcile, or the end of a pending change.

Standard output tells the agent that a record changed, a line each; the records themselves are in orders.json.
"""

from __future__ import annotations

import os

from gateway import files, journal, report, sessions
from gateway.commit import end_change
from gateway.desired import from_document
from gateway.errors import BadInput, Busy, Refused, StorageFailed, TrustError
from gateway.host import LocalHost
from gateway.keys import KEYS_FILE
from gateway.order import assemble, check_time, read_keys, verify_keys, verify_phase
from gateway.processes import Lock
from gateway.ratchet import Ratchet
from gateway.reconcile import reconcile

from . import orders, records

TRIES_MOST = 3  # runs of one order that ended without a result, before it counts as failed
LOCK_WAIT = 120.0  # seconds
# the interlock's blockers that end by themselves; the others need another order or somebody who looks
PASSING = ("clock", "endpoint-clock", "disk-full")


class Device(LocalHost):
    """This machine. The agent's own session hinders nothing, though it may be with an address that its hub has left since: the
    agent drops it before a change stands, and the next one goes where the probes went."""

    def unlisted_sessions(self, addresses):
        live = sessions.live_sessions(but=sessions.sockets_of(os.getppid()))
        return sessions.unlisted(live, addresses, sessions.is_hub_like)


class Worker:
    """``tell()`` is called whenever a record has changed on disk."""

    def __init__(self, config, tell, host=None):
        self._config, self._tell = config, tell
        self._host = host or Device(config.state_dir)
        self._records = records.load(config.state_dir)
        self._ratchet = Ratchet(config.state_dir)

    def run(self, job, section):
        """Do one job: orders, commit, revert or settle."""
        if job == "orders":
            self._next_order(section)
        elif job == "settle":
            self._settle()
        else:
            self._end("committed" if job == "commit" else "reverted")

    # orders

    def _next_order(self, section):
        """Refuse what must be refused, then carry out the order with the lowest serial."""
        for name in orders.forgotten(section, self._records):
            del self._records[name]
            self._save()
        verified = []
        for order in orders.due(section, self._records):
            try:
                if order.name == orders.KEYS:
                    self._change_keys(order)
                else:
                    verified.append((order, self._verified(order)))
            except Refused as exc:
                self._set(order.name, records.new(order, "refused", _why(exc)))
        if verified:
            self._carry_out(*orders.in_serial_order(verified)[0])

    def _verified(self, order):
        """The SignedPhase of an order; raises Refused."""
        phase = verify_phase(assemble(order.document), self._keys())
        if phase.phase != order.name:
            raise Refused("phase", f"the order under {order.name} is signed for phase {phase.phase}")
        self._ratchet.check(phase)
        return phase

    def _keys(self):
        keys = read_keys(self._config.path(KEYS_FILE))
        if keys.fleet != self._config.fleet:
            words = "the keys are of fleet {0}, this device is of fleet {1}"
            raise Refused("fleet", words.format(keys.fleet, self._config.fleet))
        return keys

    def _change_keys(self, order):
        """New keys, signed by the threshold of the old ones and of their own, take the old ones' place."""
        record, keys = self._records.get(order.name), self._keys()
        if orders.same(order, record) and record["serial"] == keys.version:
            self._set(order.name, records.moved(record, "proved"))  # killed after they were in place
            return
        document = verify_keys(assemble(order.document), keys)
        self._records[order.name] = records.new(order, "running", serial=document["version"])
        records.save(self._config.state_dir, self._records)
        files.write_json(self._config.path(KEYS_FILE), document, mode=0o644)
        self._set(order.name, records.new(order, "proved", serial=document["version"]))

    def _carry_out(self, order, phase):
        record = self._records.get(order.name)
        if not orders.same(order, record):
            record = records.new(order, "accepted", serial=phase.serial)
        try:
            check_time(phase, self._host.clock(), self._ratchet.floor)
        except Refused as exc:
            self._set(order.name, _too_early(record, phase) if exc.reason == "not-before" else _refused(record, exc))
            return
        if record["tries"] >= TRIES_MOST:
            reason = "{} runs ended without a result; see the device's journal".format(record["tries"])
            self._set(order.name, records.moved(record, "failed", reason))
            return
        record = dict(record, serial=phase.serial, tries=record["tries"] + 1, wait_until=None)
        self._records[order.name] = record
        records.save(self._config.state_dir, self._records)  # untold: every answer costs of the hub's quota
        self._set(order.name, self._reconciled(order.name, record, phase))

    def _reconciled(self, name, record, phase):
        """Run one phase; the record of how it ended."""

        def on_step(step):
            if step == "armed":  # nothing was touched yet, and nothing refuses any more
                self._ratchet.advance(phase)
                change = journal.pending(self._config.state_dir)[-1].id
                self._set(name, records.moved(record, "running", change=change))

        # by a clock that is plainly wrong this is the earliest it can be, and reconcile refuses for the difference
        now = max(self._host.clock(), phase.issued, self._ratchet.floor)
        try:
            result = reconcile(self._host, self._desired(phase), now, on_step=on_step)
        except Busy as exc:
            return records.moved(record, "accepted", str(exc), tries=0)
        except StorageFailed as exc:
            self._disarm()
            return records.moved(record, "accepted", str(exc), tries=0)
        except TrustError as exc:
            self._disarm()
            return records.moved(record, "failed", str(exc))
        # also a phase that found everything done was carried out, and one that found somebody else's run of it pending
        if result["outcome"] in ("done", "pending"):
            with Lock(self._config.path("lock"), wait=LOCK_WAIT):
                self._ratchet.advance(phase)
        return self._ended(self._records[name], result)

    def _desired(self, phase):
        """What was signed, and this device's own endpoints beside it; retire waits for a new session."""
        document = dict(phase.desired)
        known = {_place(endpoint) for endpoint in document.get("endpoints", ())}
        own = [endpoint for endpoint in self._config.own_endpoints if _place(endpoint) not in known]
        document["endpoints"] = list(document.get("endpoints", ())) + own
        desired = from_document(document)
        return desired._replace(confirm="required") if desired.phase == "retire" else desired

    def _ended(self, record, result):
        outcome, probes = result["outcome"], _probes(result)
        if outcome == "pending":
            change = _change(self._config.state_dir, result["pending"])
            confirm_by = change.document["confirm_by"]
            return dict(record, state="running", change=change.id, confirm_by=confirm_by, probes=probes, tries=0)
        if outcome == "done":
            return records.moved(record, "proved", committed_at=result["committed_at"], probes=probes)
        if outcome == "refused":
            reason = "; ".join(f"{blocker['id']}: {blocker['detail']}" for blocker in result["blockers"])
            if all(blocker["id"] in PASSING for blocker in result["blockers"]):
                return records.moved(record, "accepted", _passing(result, reason), tries=0)
            return records.moved(record, "refused", reason, probes=probes)
        return records.moved(record, outcome, result.get("error", ""), probes=probes)

    def _disarm(self):
        """End a change that was armed and not begun: its own program would, but only when its time is up."""
        with Lock(self._config.path("lock"), wait=LOCK_WAIT) as lock:
            for change in journal.pending(self._config.state_dir):
                if change.state == "armed":
                    journal.recover(change, lock)

    # the end of a pending change

    def _end(self, state):
        name, record = orders.pending(self._records) or (None, None)
        if record is None:
            return
        try:
            ended = end_change(self._host, record["change"], state)
        except BadInput:
            self._settle()  # it has ended the other way meanwhile
            return
        if state == "committed":
            self._set(name, records.moved(record, "proved", committed_at=ended["committed_at"], confirm_by=None))
        else:
            self._set(name, records.moved(record, "reverted", "the order was withdrawn", confirm_by=None))

    def _settle(self):
        """Bring the records to what the journal says: after a restart, and when the time to confirm is over."""
        for name, record in self._records.items():
            if record["state"] in orders.FINAL or not record.get("change"):
                continue
            change = _change(self._config.state_dir, record["change"])
            if change is None:
                self._set(name, records.moved(record, "accepted", "its change is gone", change=None, confirm_by=None))
            elif change.state == "pending" and self._host.clock() < change.document["confirm_by"]:
                self._set(name, dict(record, confirm_by=change.document["confirm_by"]))
            else:
                self._set(name, self._settled(record, change))

    def _settled(self, record, change):
        """A change that cannot be confirmed any more, or has ended."""
        waited = change.state == "pending" or record.get("confirm_by")
        if change.state not in ("committed", "reverted"):
            with Lock(self._config.path("lock"), wait=LOCK_WAIT) as lock:
                change = _change(self._config.state_dir, record["change"])  # its own program may have been faster
                if change.state not in ("committed", "reverted"):
                    journal.recover(change, lock)
        if change.state == "committed":
            last = report.load(self._config.state_dir, self._host.clock()) or {}
            return records.moved(record, "proved", committed_at=last.get("committed_at"), confirm_by=None)
        if waited:
            reason = "no new session with the hub through the changed store in time, so the change was taken back"
            return records.moved(record, "reverted", reason, confirm_by=None)
        return records.moved(record, "accepted", "interrupted, to be run again", change=None)

    # on disk

    def _set(self, name, record):
        if self._records.get(name) != record:
            self._records[name] = record
            self._save()

    def _save(self):
        records.save(self._config.state_dir, self._records)
        self._tell()


def _place(endpoint):
    """What makes two endpoints one; the document is not checked yet."""
    if not isinstance(endpoint, dict):
        return None
    return str(endpoint.get("host")).lower(), endpoint.get("port"), endpoint.get("proxy")


def _why(exc):
    return f"{exc.reason}: {exc}"


def _refused(record, exc):
    return records.moved(record, "refused", _why(exc))


def _passing(result, reason):
    """A clock's seconds would be another reason at every attempt, and so a message to the hub."""
    if result["blockers"][0]["id"] != "clock":
        return reason
    return "clock: here it is before the order was signed, so the clock is wrong; set the time"


def _too_early(record, phase):
    if record["wait_until"] == phase.not_before:
        return record
    return records.moved(record, "accepted", "not before its time", wait_until=phase.not_before)


def _probes(result):
    probes = [proof for proof in result["probes"] if proof["stage"] != "not-offered"]
    good = sum(proof["stage"] == "ok" for proof in probes)
    return f"{good} of {len(probes)} ok" if probes else None


def _change(state_dir, identity):
    for folder in ("pending", "history"):
        path = os.path.join(state_dir, folder, identity)
        if os.path.isdir(path):
            return journal.Change(path)
    return None


__all__ = ("Worker",)
