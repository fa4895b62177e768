# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the module of the same name over a connection that no earlier task has opened."""

from __future__ import annotations

from ansible.plugins.action import ActionBase

# ssh takes the first value of an option, so these win over whatever the user has set, and nothing else is touched.
FRESH = "-o ControlMaster=no -o ControlPath=none"


class ActionModule(ActionBase):
    """A session that was open before the change proves nothing about the way in; a new one does."""

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        if self._connection.transport == "ssh":
            given = self._connection.get_option("ssh_args") or ""
            self._connection.set_option("ssh_args", f"{FRESH} {given}".strip())
        return self._execute_module(task_vars=task_vars)
