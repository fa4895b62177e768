# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""The network namespaces of this gateway: its own, and those of its containers. See network_namespaces(7)."""

from __future__ import annotations

import os


def one_process_each(proc="/proc"):
    """{namespace: pid}"""
    seen: dict[str, str] = {}
    for pid in os.listdir(proc):
        if pid.isdigit():
            try:
                seen.setdefault(os.readlink(os.path.join(proc, pid, "ns", "net")), pid)
            except OSError:
                continue  # the process has ended, or is not ours to look at
    return seen


def others(proc="/proc"):
    """{namespace: pid} without this process's own."""
    found = one_process_each(proc)
    found.pop(os.readlink(os.path.join(proc, "self", "ns", "net")), None)
    return found


def path_of(namespace, proc="/proc"):
    """The file that leads into a network namespace, or None where no process is in it any more."""
    pid = one_process_each(proc).get(namespace)
    return pid and os.path.join(proc, pid, "ns", "net")


__all__ = ("one_process_each", "others", "path_of")
