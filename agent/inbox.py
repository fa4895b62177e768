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
import select
import stat
import time

from gateway import files, strict_json
from gateway.errors import Refused

from . import orders, records, reported
from .backoff import RETRY_LEAST, RETRY_MOST, Backoff, until_next
from .log import say
from .version import VERSION

FILE_MOST = 128 * 1024  # bytes; a twin's desired properties have at most 32 KB
NAMES = ("desired.json", "reconnected.json")
# seconds between looks into the inbox: while a change waits for the application, and while an order waits; else nothing runs
LOOK_AGAIN, LOOK_SELDOM = 0.5, 5.0


class Inbox:
    """``launch(name, section)`` makes a Job; ``wake`` is a reader that says stop."""

    def __init__(self, config, launch, wake):
        self._config, self._launch, self._wake = config, launch, wake
        self._boot = records.count_boot(config.state_dir)
        self._section = _read(config.path("twin.json"))
        self._fresh = _change_in(config.path("taken", "reconnected.json"))  # taken out by a run that was killed
        self._attempts = Backoff(RETRY_LEAST, RETRY_MOST)
        self._not_before = 0.0
        self._told = True

    def run(self):
        """Until nothing is to do or told to stop; the exit code, 0 when the outbox says it all."""
        self._work("settle")
        stop = False
        while not stop:
            self._take_in()
            known = records.load(self._config.state_dir)
            name = orders.next_job(self._section, known, self._fresh, time.time())
            if name and time.monotonic() >= self._not_before:
                self._work(name)
                stop = self._stopped(0.0)
            elif name or orders.pending(known):
                stop = self._stopped(LOOK_AGAIN if orders.pending(known) else LOOK_SELDOM)
            else:
                break
        self._tell()
        return 0 if self._told else 1

    def _stopped(self, seconds):
        return bool(select.select([self._wake], [], [], seconds)[0])

    def _take_in(self):
        """What the application has brought since."""
        if self._taken("desired.json"):
            self._section = _read(self._config.path("taken", "desired.json"))
            files.write_json(self._config.path("twin.json"), self._section)
            self._not_before = 0.0
            self._attempts.reset()
        if self._taken("reconnected.json"):
            self._fresh = _change_in(self._config.path("taken", "reconnected.json"))

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
        before = records.load(self._config.state_dir)
        job = self._launch(name, self._section)
        while not job.ended:
            job.read()
            self._tell()
        known = records.load(self._config.state_dir)
        if orders.stuck(job, before, known):
            self._not_before = time.monotonic() + until_next(known, self._attempts, time.time())
        else:
            self._not_before = 0.0
            self._attempts.reset()

    def _tell(self):
        """A full disk must not end this: that would end the worker, in the middle of a change."""
        try:
            self._answer()
            self._told = True
        except OSError as exc:
            say(f"cannot write the outbox: {exc.strerror}")
            self._told = False

    def _answer(self):
        """Let the outbox say what the records say."""
        os.makedirs(self._config.path("outbox"), mode=0o755, exist_ok=True)
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
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            data = stream.read(FILE_MOST + 1)
    finally:
        os.close(descriptor)
    try:
        return strict_json.loads(data, FILE_MOST, path)
    except Refused:
        return None


def _change_in(path):
    """Which change the application says to have reconnected for."""
    said = _read(path)
    return said.get("change") if isinstance(said, dict) else None


def clear(config):
    """Nobody reads the inbox of a device with another front end; what stays in it would wake the path unit for ever."""
    for name in NAMES:
        files.remove(config.path("inbox", name))


__all__ = ("Inbox", "clear")
