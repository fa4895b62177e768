# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""The front end without a connection: the device's own application brings the twin's section and takes the answers away.

inbox/desired.json       from the application: what stands in ``properties.desired.rootwave``, whole, at each change of it
outbox/reported.json     for the application: what it reports as ``properties.reported.rootwave``; null means delete
outbox/reconnect.json    for the application: {"change", "by"}: drop the session, make a new one, get the twin
inbox/reconnected.json   from the application: {"change"}, when it has done that

A file in the inbox is taken out before it is read, so systemd's path unit, which looks whether one is there, misses none that
arrives meanwhile. All are written beside their place and renamed. The application is believed as little as a twin.
"""

from __future__ import annotations

import os
import stat
import time

from gateway import files, strict_json
from gateway.errors import Refused

from . import orders, records, reported
from .backoff import RETRY_LEAST, RETRY_MOST, Backoff
from .log import say
from .version import VERSION

FILE_MOST = 128 * 1024  # bytes; a twin's desired properties have at most 32 KB
LOOK_AGAIN = 0.5  # seconds between looks into the inbox while something is under way; nothing runs when nothing is


class Inbox:
    """``launch(name, section)`` makes a Job."""

    def __init__(self, config, launch):
        self._config, self._launch = config, launch
        self._boot = records.count_boot(config.state_dir)
        self._section = _read(config.path("twin.json"))
        self._fresh = None
        self._attempts = Backoff(RETRY_LEAST, RETRY_MOST)
        self._not_before = 0.0

    def run(self):
        """Until nothing is to do; 0, the exit code."""
        os.makedirs(self._config.path("outbox"), mode=0o755, exist_ok=True)
        self._work("settle")
        while True:
            self._take_in()
            known = records.load(self._config.state_dir)
            name = orders.next_job(self._section, known, self._fresh, time.time())
            if name == "orders" and time.monotonic() < self._not_before:
                name = None
            if name:
                self._work(name)
            elif orders.pending(known) or orders.due(self._section, known):
                time.sleep(LOOK_AGAIN)
            else:
                return 0

    def _take_in(self):
        """What the application has brought since."""
        if self._taken("desired.json"):
            self._section = _read(self._config.path("taken", "desired.json"))
            files.write_json(self._config.path("twin.json"), self._section)
            self._not_before = 0.0
            self._attempts.reset()
        if self._taken("reconnected.json"):
            said = _read(self._config.path("taken", "reconnected.json"))
            self._fresh = said.get("change") if isinstance(said, dict) else None

    def _taken(self, name):
        source = self._config.path("inbox", name)
        os.makedirs(self._config.path("taken"), mode=0o700, exist_ok=True)
        try:
            if not stat.S_ISDIR(os.lstat(source).st_mode):
                os.rename(source, self._config.path("taken", name))
                return True
            # a folder: taken it would take the files' place for ever, and where it is the path unit would start this for ever
            os.rename(source, f"{source}.{time.time_ns()}")
        except FileNotFoundError:
            pass
        return False

    def _work(self, name):
        say(f"starting {name}")
        job = self._launch(name, self._section)
        while not job.ended:
            job.read()
            self._answer()
        known = records.load(self._config.state_dir)
        began = [record for record in known.values() if record["state"] not in orders.FINAL]
        if job.failed or (name == "orders" and began and not orders.pending(known)):
            self._not_before = time.monotonic() + self._delay(began)

    def _delay(self, began):
        times = [record["wait_until"] - time.time() for record in began if record.get("wait_until")]
        return max(1.0, min(times)) if times else self._attempts.after()

    def _answer(self):
        """Let the outbox say what the records say."""
        known = records.load(self._config.state_dir)
        keys = records.keys_version(self._config.state_dir)
        document = reported.document(VERSION, self._boot, keys, known)
        self._put("reported.json", reported.with_nulls(document))
        waiting = orders.pending(known)
        self._put("reconnect.json", {"change": waiting[1]["change"], "by": waiting[1]["confirm_by"]} if waiting else None)

    def _put(self, name, document):
        path = self._config.path("outbox", name)
        if document is None:
            files.remove(path)
        elif files.read_json(path) != document:
            files.write_json(path, document, mode=0o644)


def _read(path):
    """A JSON object that somebody else wrote; None for none, for a damaged or deep one, and for what is no plain file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        data = stream.read(FILE_MOST + 1)
    try:
        return strict_json.loads(data, FILE_MOST, path)
    except Refused:
        return None


__all__ = ("Inbox",)
