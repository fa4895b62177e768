# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""The agent: holds a session, hands orders to workers one at a time, answers. One thread, and it sleeps unless something happens.

What must survive is on disk before it matters: records (worker.py) and the change itself (the core's journal). So this loop may
be killed anywhere; the next start reads both and goes on.
"""

from __future__ import annotations

import select
import time
import traceback

from gateway.errors import TrustError

from . import orders, records, reported
from .backoff import PENDING_RETRY_MOST, RETRY_LEAST, RETRY_MOST, Backoff, until_next
from .log import say
from .status import Status
from .transport import NotConnected
from .version import VERSION

DECLINED_LEAST, DECLINED_MOST = 60.0, 3600.0  # seconds after the hub declined a reported patch


class Agent:
    """``connect(config)`` makes a Session, ``launch(name, section)`` a Job; ``wake`` is a reader that says stop."""

    def __init__(self, config, connect, launch, wake):
        self._config, self._connect, self._launch, self._wake = config, connect, launch, wake
        self._records = records.load(config.state_dir)
        self._boot = records.count_boot(config.state_dir)
        self._status = Status(config, self._boot)
        self._sessions = Backoff(config.retry_least, config.retry_most)
        self._attempts = Backoff(RETRY_LEAST, RETRY_MOST)
        self._declined = Backoff(DECLINED_LEAST, DECLINED_MOST)
        self._job = None
        self._before: object = None  # the records when the job was started
        self._stopping = False
        self._section: object = None
        self._since = None  # when the session was complete; monotonic
        self._fresh = None  # the pending change since which this session was made
        self._not_before = 0.0  # monotonic; no new job for orders until then
        self._answer_at = 0.0  # monotonic; no reported patch until then

    def run(self):
        """Until told to stop; what a worker has begun is waited for."""
        if orders.pending(self._records) or orders.unsettled(self._records):
            self._start("settle")
        while not self._stopping:
            self._since = None
            try:
                self._one_session()
                continue  # it was ended on purpose: the next one at once
            except NotConnected as exc:
                self._status.lost(str(exc))
            except (TrustError, OSError) as exc:
                self._status.lost(str(exc))
            except Exception:  # the outermost: whatever it was, a device must not be lost to it
                say(f"unexpected: {traceback.format_exc()}")
                self._status.lost("an unexpected error; see the journal")
            self._rest(self._sessions.after(time.monotonic() - self._since if self._since else 0.0))
        if self._job:
            self._job.wait()

    def _one_session(self):
        waiting = orders.pending(self._records)
        with self._connect(self._config) as session:
            self._since = time.monotonic()
            self._status.connected()
            self._fresh = waiting[1]["change"] if waiting else None
            self._section = session.section
            while not self._stopping:
                self._launch_next()
                self._answer(session)
                for reader in session.wait(self._readers(), self._until(session)):
                    self._ready(reader)
                if self._must_reconnect() or time.monotonic() >= session.renew_at:
                    return
                self._look_at(session)

    def _look_at(self, session):
        if session.gap:
            session.refresh()
        if session.section != self._section:
            self._section = session.section
            self._not_before = 0.0
            self._attempts.reset()

    def _must_reconnect(self):
        """A change is pending that this session is older than."""
        waiting = orders.pending(self._records)
        return self._job is None and waiting is not None and waiting[1]["change"] != self._fresh

    def _launch_next(self):
        if self._job:
            return
        name = orders.next_job(self._section, self._records, self._fresh, time.time())
        if name and time.monotonic() >= self._not_before:
            self._start(name)

    def _start(self, name):
        say(f"starting {name}")
        self._before = self._records
        self._job = self._launch(name, self._section)

    def _readers(self):
        return [self._wake] + ([self._job] if self._job else [])

    def _ready(self, reader):
        if reader is self._wake:
            self._stopping = True
            return
        self._job.read()
        before, self._records = self._records, records.load(self._config.state_dir)
        for name, record in self._records.items():
            if before.get(name) != record:
                say("{}: {} {}".format(name, record["state"], record["reason"]).rstrip())
        if self._job.ended:
            self._ended()

    def _ended(self):
        """A job has ended; when it brought nothing to an end, the next one waits."""
        job, self._job = self._job, None
        if job.failed:
            say(f"{job.name} failed; it is tried again")
        if orders.stuck(job, self._before, self._records):
            self._not_before = time.monotonic() + until_next(self._records, self._attempts, time.time())
        else:
            self._not_before = 0.0
            self._attempts.reset()

    def _answer(self, session):
        """Tell the hub what it does not know yet."""
        if time.monotonic() < self._answer_at:
            return
        keys = records.keys_version(self._config.state_dir)
        done = session.report(reported.document(VERSION, self._boot, keys, self._records))
        if done:
            self._declined.reset()
        self._answer_at = 0.0 if done else time.monotonic() + self._declined.after()

    def _until(self, session):
        """When there is something to do although nothing happens; monotonic."""
        moments = [session.renew_at]
        if self._answer_at:
            moments.append(self._answer_at)
        if self._job is None:
            waiting = orders.pending(self._records)
            if orders.next_job(self._section, self._records, self._fresh, time.time()):
                moments.append(self._not_before)
            elif waiting:
                moments.append(time.monotonic() + waiting[1]["confirm_by"] - time.time())
        return min(moments)

    def _rest(self, seconds):
        """Between two sessions: until the time is over, a change became pending, or stop. What waited too long is settled."""
        end = time.monotonic() + seconds
        while not self._stopping:
            waiting = orders.pending(self._records)
            if waiting:
                end = min(end, time.monotonic() + PENDING_RETRY_MOST)
                if self._job is None and time.time() >= waiting[1]["confirm_by"] and time.monotonic() >= self._not_before:
                    self._start("settle")
            left = end - time.monotonic()
            if left <= 0:
                return
            for reader in select.select(self._readers(), [], [], left)[0]:
                self._ready(reader)


__all__ = ("Agent",)
