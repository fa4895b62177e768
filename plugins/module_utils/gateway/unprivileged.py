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
CLONE_NEWNET = 0x40000000  # setns(2); Python has os.setns since 3.12 only


def as_nobody(function, timeout, namespace=None):
    """What ``function()`` returns (a JSON-safe value), computed in a child process without privileges.

    ``namespace`` is the file of a network namespace that the child enters first. Raises ProofFailed when the child dies or does
    not answer within ``timeout`` seconds.
    """
    try:
        account = pwd.getpwnam(NOBODY)
    except KeyError as exc:
        raise ProofFailed("there is no user {0} to prove as; add it (adduser --system)".format(NOBODY)) from exc
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _be_child(account, function, writer, timeout, namespace)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        answer = stream.read()
    _pid, status = os.waitpid(child, 0)
    if status != 0 or not answer:
        raise ProofFailed("the proof as user {0} ended with status {1} and no answer".format(NOBODY, status))
    return json.loads(answer.decode("utf-8"))


def _be_child(account, function, writer, timeout, namespace):
    """Never returns: the child must not run its parent's clean-up handlers."""
    code = 1
    try:
        signal.alarm(int(timeout) + 1)  # the default action of SIGALRM ends the child
        os.chdir("/")
        if namespace:
            _enter(namespace)
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


def _enter(path):
    import ctypes  # slow, and only needed here

    descriptor = os.open(path, os.O_RDONLY)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "cannot enter the network namespace", path)
    os.close(descriptor)


__all__ = ("as_nobody",)
