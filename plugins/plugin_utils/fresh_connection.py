# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. A connection that no earlier task has opened.

A session that was open before a change proves nothing about the way in; a new one does.
"""

from __future__ import annotations

# ssh_config(5): the first value of an option counts, so these win over what the user has set, and nothing else is touched
FRESH = "-o ControlMaster=no -o ControlPath=none"


def use_fresh(connection) -> None:
    """Let the next commands over ``connection`` log in anew. Ssh and paramiko are those that keep sessions."""
    if connection.transport == "ssh":
        given = connection.get_option("ssh_args") or ""
        connection.set_option("ssh_args", f"{FRESH} {given}".strip())
    elif connection.transport == "paramiko":
        connection.reset()


__all__ = ("use_fresh",)
