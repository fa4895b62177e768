# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""Other programs, and the one lock of a gateway.

A program that is started here inherits the lock's descriptor: when a run is killed and its store tool
lives on, the lock stays held until the tool ends, and the next run waits for it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import time

from .errors import Busy, CommandFailed

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
OUTPUT_LIMIT = 4000  # characters of a tool's last words that are kept for a message


class Lock:
    """An exclusive lock on a file; a context manager.

    ``wait`` is in seconds. Raises Busy when it is still held after that.
    """

    def __init__(self, path, wait=60.0):
        self.path = path
        self.wait = wait
        self.descriptor = -1

    def __enter__(self):
        self.descriptor = self._open()
        deadline = time.monotonic() + self.wait
        while not self._take():
            if time.monotonic() > deadline:
                os.close(self.descriptor)
                raise Busy(
                    "another run holds {0} for more than {1:.0f} s; let it end, or look for it with "
                    "'fuser {0}', and start again".format(self.path, self.wait)
                )
            time.sleep(0.05)
        return self

    def _open(self):
        try:
            return os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as exc:
            if exc.errno != errno.EROFS:
                raise
            return os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)  # a revert has to change a ruleset all the same

    def _take(self):
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            if exc.errno in (errno.EAGAIN, errno.EACCES):
                return False
            raise
        return True

    def __exit__(self, *exc_info):
        os.close(self.descriptor)
        self.descriptor = -1


def run(argv, stdin=b"", timeout=60.0, environment=None, lock=None):
    """Run argv without a shell, with a clean environment and LC_ALL=C; return its standard output (bytes).

    Raises CommandFailed when it cannot be started, ends with a non-zero code, or needs more than
    ``timeout`` seconds (then it is killed).
    """
    env = {"PATH": PATH, "LC_ALL": "C", "HOME": "/root"}
    env.update(environment or {})
    pipe, inherited = subprocess.PIPE, () if lock is None else (lock.descriptor,)
    try:
        process = subprocess.Popen(
            argv, stdin=pipe, stdout=pipe, stderr=pipe, env=env, pass_fds=inherited, start_new_session=True
        )
    except OSError as exc:
        raise CommandFailed("cannot run {0}: {1}".format(argv[0], exc.strerror), argv=list(argv)) from exc
    with process:
        try:
            output, errors = process.communicate(stdin, timeout)
        except subprocess.TimeoutExpired as exc:
            os.killpg(process.pid, signal.SIGKILL)  # its children too, or they would run on beside the revert
            message = "{0} did not end within {1:.0f} s and was killed".format(argv[0], timeout)
            raise CommandFailed(message, argv=list(argv)) from exc
    if process.returncode != 0:
        words = (errors or output).decode("utf-8", "replace").strip()[-OUTPUT_LIMIT:]
        raise CommandFailed(
            "{0} ended with code {1}: {2}".format(" ".join(argv), process.returncode, words or "no output"),
            argv=list(argv),
            code=process.returncode,
        )
    return output


def systemd_runs():
    """Whether systemd is this machine's init; sd_booted(3)."""
    return os.path.isdir("/run/systemd/system")


__all__ = ("Lock", "run", "systemd_runs")
