# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. A connection that no earlier task has opened.

A session that was open before a change proves nothing about the way in; a new one does.
"""

from __future__ import annotations

from ansible.errors import AnsibleError

# ssh_config(5): the first value of an option counts, so these win over what the user has set, and nothing else is touched
FRESH = "-o ControlMaster=no -o ControlPath=none"
KEEP = ("ssh", "paramiko")
# transports that start a program for each command and keep nothing open; there is no way in that could be lost, either
START_ANEW = ("local", "containers.podman.podman", "community.docker.docker", "community.docker.nsenter")


def must_be_known(connection) -> None:
    """AnsibleError for a connection of which nobody here knows how to have it log in anew (libssh keeps sessions, too)."""
    if connection.transport not in KEEP + START_ANEW:
        raise AnsibleError(
            f"connection {connection.transport} may keep its session, so it could not confirm that a new login still works; use "
            f"ansible.builtin.ssh for this phase"
        )


def use_fresh(connection) -> None:
    """Let the next commands over ``connection`` log in anew; raises AnsibleError where that is not known to be so."""
    must_be_known(connection)
    if connection.transport == "ssh":
        given = connection.get_option("ssh_args") or ""
        connection.set_option("ssh_args", f"{FRESH} {given}".strip())
    elif connection.transport == "paramiko":
        connection.reset()


__all__ = ("must_be_known", "use_fresh")
