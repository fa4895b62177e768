# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the module of the same name over a connection that no earlier task has opened."""

from __future__ import annotations

from ansible.plugins.action import ActionBase
from ansible_collections.rootwave.iot.plugins.plugin_utils.fresh_connection import use_fresh


class ActionModule(ActionBase):
    """No state of its own."""

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        use_fresh(self._connection)
        return self._execute_module(task_vars=task_vars)
