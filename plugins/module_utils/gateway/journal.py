# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""The pending change: what a run is about to do, on disk before it does it, and how it is taken back.

Everything that affects a change's state is in this file. A change is a folder
``/var/lib/rootwave/pending/<id>/`` with ``change.json`` (edits, refresh steps, switches; never rewritten), ``state`` and
a copy of the few core files that can revert it: ``python3 -I <folder>`` runs this file's ``main``, from a
timer, at boot, or by hand. A change that ended is moved to ``history/``, where phase revert finds it. ``sum``, the SHA-256 of
``change.json``, tells a damaged one.

    armed -> applying -> proving -> committed        trust-only changes
                            \\-> pending -> committed  changes that wait for gateway_commit
    any of armed, applying, proving, pending -> reverting -> reverted
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import time

from . import arm, edits, files, walk
from .errors import ApplyFailed, BadInput, CommandFailed, RevertFailed, TrustError
from .processes import Lock, run

HISTORY_KEPT = 20
LOCK_WAIT_AT_REVERT = 900.0  # seconds; a run that lives longer than that has lost its right to the change

TRANSITIONS = {
    "armed": ("applying", "reverting"),
    "applying": ("proving", "reverting"),
    "proving": ("pending", "committed", "reverting"),
    "pending": ("committed", "reverting"),
    "reverting": ("reverted",),
    "committed": (),
    "reverted": (),
}


class Change:
    """One change on disk. ``folder`` is where it lives now; all methods need the gateway's lock.

    What is damaged raises RevertFailed when it is asked for: an unreadable change is not one that has nothing to take back.
    """

    def __init__(self, folder):
        self.folder = folder
        self.id = os.path.basename(folder)
        self._document = None

    @property
    def document(self):
        """What create() was given."""
        if self._document is None:
            self.check()
        return self._document

    def check(self):
        """Read the journal; raises RevertFailed when it is damaged."""
        data = files.read(self._path("change.json"), files.JSON_LIMIT)
        known = files.read(self._path("sum"), 64)
        if data is None or known not in (None, hashlib.sha256(data).hexdigest().encode("ascii")):
            raise self._damaged("change.json")
        try:
            self._document = dict(json.loads(data.decode("utf-8")))
        except (TypeError, ValueError) as exc:
            raise self._damaged("change.json") from exc

    @property
    def edits(self):
        return [edits.Edit(**edit) for edit in self.document.get("edits", ())]

    @property
    def refreshes(self):
        return [edits.Refresh(**step) for step in self.document.get("refreshes", ())]

    @property
    def switches(self):
        return self.document.get("switches", ())

    @property
    def state(self):
        """The last state that reached the disk; a change whose first state did not is not there yet."""
        path = self._path("state")
        found = files.read_json(path) if os.path.exists(path) else {"state": "armed"}
        if not isinstance(found, dict) or found.get("state") not in TRANSITIONS:
            raise self._damaged("state")
        return found["state"]

    def _path(self, name):
        return os.path.join(self.folder, name)

    def _damaged(self, name):
        return RevertFailed(
            "{0} of change {1} is damaged, so nobody knows what is to be taken back; nothing was touched and all is kept. Put "
            "{2} back from a backup, or take back by hand what the change did (the plan of its report lists it) and move the "
            "folder away; then start again".format(name, self.id, self._path(name)),
            id=self.id,
        )

    def enter(self, state):
        now = self.state
        if state not in TRANSITIONS.get(now, ()):
            raise TrustError("change {0} is {1} and cannot become {2}".format(self.id, now, state), id=self.id)
        files.write_json(self._path("state"), {"state": state, "at": int(time.time())})

    def apply(self, lock=None):
        """Take the switches, walk the edits and refresh every store; returns what hooks failed."""
        self.enter("applying")
        for path, size in self.document.get("reserves", ()):
            _reserve(path, size)
        if self.switches:
            from .allowlists import switch  # a change without addresses has no such file in its revert program

            switch.walk_forward([switch.Switch(**one) for one in self.switches], lock)
        walk.forward(self.edits)
        return [failed for step in self.refreshes for failed in walk.refresh(step, lock)]

    def commit(self):
        """The change stands: durable first, then recorded, then disarmed."""
        self._release()
        self._sync()
        self.enter("committed")
        self.finish()

    def revert(self, lock=None):
        """Take the change back and check it; returns the places that somebody else had changed.

        Raises RevertFailed, and stays armed, when a store's tool fails or the journal is damaged.
        """
        try:
            self._release()
            if self.state != "reverting":
                self.enter("reverting")
        except OSError:
            self._switch_back(lock)  # a disk that takes no writes must not cost the way in
            raise
        try:
            left_alone = self._walk_backward(lock)
        except (ApplyFailed, CommandFailed, OSError) as exc:
            raise RevertFailed(
                "change {0} is only half reverted: {1}. The revert stays armed; free the cause (disk full, file "
                "system read-only) and run: python3 -I {2}".format(self.id, exc, self.folder),
                id=self.id,
            ) from exc
        self._sync()
        self.enter("reverted")
        self.end_reverted()
        return left_alone

    def end_reverted(self):
        """The report before the folder goes: while that is there, whoever is killed here is followed by another try."""
        try:
            note_revert(os.path.dirname(os.path.dirname(self.folder)), self)
        except OSError as exc:
            sys.stderr.write("rootwave: the report cannot tell that {0} is reverted: {1}\n".format(self.id, exc.strerror))
        self.finish()

    def _walk_backward(self, lock):
        """Everything back, last step first. The way in must not wait for a trust tool that fails: switches follow in any case."""
        left_alone = []
        try:
            left_alone += walk.backward(self.edits)
            for step in reversed(self.refreshes):
                walk.refresh(step.inverted(), lock)
        finally:
            left_alone += self._switch_back(lock)
        return left_alone

    def _switch_back(self, lock):
        if not self.switches:
            return []
        from .allowlists import switch

        return switch.walk_backward([switch.Switch(**one) for one in self.switches], lock)

    def abandon(self):
        """End a change of which nothing was applied, no edit and no tool run: what the report says of the gateway is true."""
        self.enter("reverting")
        self.enter("reverted")
        self.finish()

    def finish(self):
        """Disarm and move to history; safe to run again after it was interrupted."""
        arm.disarm(self.id)
        root = os.path.dirname(os.path.dirname(self.folder))
        history = os.path.join(root, "history")
        os.makedirs(history, mode=0o700, exist_ok=True)
        os.rename(self.folder, os.path.join(history, self.id))
        self.folder = os.path.join(history, self.id)
        files.sync_folder(history)
        _prune(history)

    def _release(self):
        for path, _size in self.document.get("reserves", ()):
            files.remove(path)

    def _sync(self):
        """syncfs(2) of every file system that an edit lives on, by coreutils' ``sync -f``."""
        folders = {os.path.dirname(edit.path) for edit in self.edits}
        folders |= {os.path.dirname(step.bundle) for step in self.refreshes if step.bundle}
        for folder in sorted(folder for folder in folders if os.path.isdir(folder)):
            run(["sync", "-f", folder])


def _prune(history):
    """Keep the newest of each kind: many reverted attempts must not push out the commit that phase revert needs."""
    kinds: dict[bool, list[str]] = {True: [], False: []}
    for name in sorted(os.listdir(history)):
        folder = os.path.join(history, name)
        try:
            kinds[Change(folder).state == "committed"].append(folder)
        except RevertFailed:
            continue  # damaged, and kept: somebody has to look at it
    for folders in kinds.values():
        for folder in folders[:-HISTORY_KEPT]:
            shutil.rmtree(folder, ignore_errors=True)


def _reserve(path, size):
    """Hold disk space that a revert will need, so that a disk which fills during apply cannot prevent it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, size)
    finally:
        os.close(descriptor)


def create(root, identity, document, program):
    """Write a new pending change, whole or not at all, and return it (state ``armed``).

    ``program`` maps file names to the source text that can revert it without this run. BadInput when the
    identity exists already, and when the document is longer than what the revert would read.
    """
    pending = os.path.join(root, "pending")
    folder = os.path.join(pending, identity)
    draft = os.path.join(root, "draft")
    if os.path.exists(folder):
        raise BadInput("change {0} exists already".format(identity))
    if len(files.json_bytes(document)) > files.JSON_LIMIT:
        raise BadInput("the change is too long for its journal; name fewer prefixes, or fewer places at a time")
    shutil.rmtree(draft, ignore_errors=True)
    os.makedirs(draft, mode=0o700)
    os.makedirs(pending, mode=0o700, exist_ok=True)
    for name, text in program.items():
        os.makedirs(os.path.dirname(os.path.join(draft, name)), mode=0o700, exist_ok=True)
        files.write(os.path.join(draft, name), text.encode("utf-8"), mode=0o600)
    data = files.json_bytes(document)
    files.write(os.path.join(draft, "change.json"), data, mode=0o600)
    files.write(os.path.join(draft, "sum"), hashlib.sha256(data).hexdigest().encode("ascii"), mode=0o600)
    files.write_json(os.path.join(draft, "state"), {"state": "armed", "at": int(time.time())})
    os.rename(draft, folder)
    files.sync_folder(pending)
    return Change(folder)


def next_identity(root, now):
    """The name of a new change: a number, so that names sort by age whatever the clock does, and a time for humans."""
    taken = [int(change.id.split("-")[0]) for change in pending(root) + history(root)]
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    return "{0:06d}-{1}".format(max(taken, default=0) + 1, stamp)


def pending(root):
    """The changes that have not ended, oldest first."""
    return _changes(os.path.join(root, "pending"))


def history(root):
    """The changes that ended, oldest first."""
    return _changes(os.path.join(root, "history"))


def _changes(folder):
    return [Change(os.path.join(folder, name)) for name in files.names_in(folder)]


def recover(change, lock=None):
    """End a change that its run left behind: finish what was decided, revert what was not. Returns the end state."""
    state = change.state
    if state == "committed":
        change.finish()
        return state
    if state == "reverted":
        change.end_reverted()
        return state
    change.check()
    if state == "armed":
        change.abandon()
    else:
        change.revert(lock)
    return "reverted"


def main(folder, wait="0"):
    """The revert program. Exit code 0 when the change has ended, 1 when it must be tried again.

    ``wait`` is in seconds, for the detached process that stands in for a timer.
    """
    time.sleep(float(wait))
    root = os.path.dirname(os.path.dirname(folder))
    try:
        with Lock(os.path.join(root, "lock"), wait=LOCK_WAIT_AT_REVERT) as lock:
            if not os.path.isdir(folder):
                return 0  # committed or reverted while this waited for the lock
            recover(Change(folder), lock)
    except (TrustError, OSError) as exc:
        sys.stderr.write("rootwave: {0}\n".format(exc))
        return 1
    return 0


def note_revert(root, change):
    """Tell the next reader of the report that this change was taken back behind the run's back.

    A run that died has left no report, so the one on disk may be about an earlier phase, which still stands.
    """
    path = os.path.join(root, "report.json")
    report = files.read_json(path) or {}
    asked = {
        "campaign": {"name": change.document.get("campaign"), "digest": change.document.get("digest")},
        "phase": change.document.get("phase"),
        "undo": change.document.get("undo"),
    }
    if {key: report.get(key) for key in asked} != asked:
        report = dict(asked, schema=1, plan=[], blockers=[], findings=[], probes=[], stores={}, notes=[])
    report.update(
        outcome="reverted",
        revert="reverted",
        pending=None,
        committed_at=None,
        reverted=change.id,
        finished_at=int(time.time()),
    )
    files.write_json(path, report, mode=0o644)


__all__ = (
    "TRANSITIONS",
    "Change",
    "create",
    "history",
    "main",
    "next_identity",
    "pending",
    "recover",
)
