# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""Run a function as a user who owns nothing: what only root can read is no trust for the programs that need it."""

from __future__ import annotations

import json
import os
import pwd
import signal
import sys

from .errors import ProofFailed

NOBODY = "nobody"


def as_nobody(function, timeout):
    """What ``function()`` returns (a JSON-safe value), computed in a child process without privileges.

    Raises ProofFailed when the child dies or does not answer within ``timeout`` seconds.
    """
    try:
        account = pwd.getpwnam(NOBODY)
    except KeyError as exc:
        raise ProofFailed("there is no user {0} to prove as; add it (adduser --system)".format(NOBODY)) from exc
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _be_child(account, function, writer, timeout)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        answer = stream.read()
    _pid, status = os.waitpid(child, 0)
    if status != 0 or not answer:
        raise ProofFailed("the proof as user {0} ended with status {1} and no answer".format(NOBODY, status))
    return json.loads(answer.decode("utf-8"))


def _be_child(account, function, writer, timeout):
    """Never returns: the child must not run its parent's clean-up handlers."""
    code = 1
    try:
        signal.alarm(int(timeout) + 1)  # the default action of SIGALRM ends the child
        os.chdir("/")
        os.setgroups([])
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
        with os.fdopen(writer, "wb") as stream:
            stream.write(json.dumps(function()).encode("utf-8"))
        code = 0
    except Exception as exc:  # the parent can only be told through the exit code and standard error
        sys.stderr.write("rootwave: proof as {0}: {1}\n".format(NOBODY, exc))
    finally:
        os._exit(code)


__all__ = ("as_nobody",)
