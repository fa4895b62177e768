# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""What firewalld itself is asked, over D-Bus with busctl(1): firewall-cmd starts a Python for each question, which takes
thirty times as long.

Names and values are those of firewalld.dbus(5); the form of an answer, a signature and its values, is that of busctl(1).
"""

from __future__ import annotations

from ..errors import CommandFailed
from ..processes import run

TIMEOUT = 60  # seconds; firewalld answers when its rules are loaded, at the start of a slow machine too
BUSCTL = ("busctl", "--timeout={0}".format(TIMEOUT))
NAME = "org.fedoraproject.FirewallD1"
FIREWALLD = (NAME, "/org/fedoraproject/FirewallD1", NAME)
OWNED = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "NameHasOwner", "s", NAME)
# FAILED: it runs with its stock configuration, for its own is not sound
RUNS = ('s "RUNNING"', 's "FAILED"')


def running(lock=None):
    """Whether firewalld runs, once it has loaded its rules. Raises CommandFailed where it, or the bus, does not answer."""
    if _ask("call", OWNED, lock) != "b true":
        return False
    return _ask("get-property", (*FIREWALLD, "state"), lock) in RUNS


def panics():
    """Whether firewalld is in panic mode. Raises CommandFailed where it does not answer."""
    return _ask("call", (*FIREWALLD, "queryPanicMode")) != "b false"


def _ask(verb, words, lock=None):
    output = run([*BUSCTL, verb, *words], timeout=TIMEOUT + 5.0, lock=lock)
    answer = output.decode("utf-8", "replace").strip()
    if not answer:
        raise CommandFailed("busctl gave no answer to {0} {1}".format(verb, words[-1]))
    return answer


__all__ = ("panics", "running")
