# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the module of the same name; where it leaves its change pending, come back over a fresh connection and commit.

One task instead of two: a second task would cost a process for each gateway also where nothing is pending, and would only
start when the slowest gateway of the batch is through, while the armed reverts of the others are counting down.
"""

from __future__ import annotations

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible_collections.rootwave.iot.plugins.plugin_utils.fresh_connection import use_fresh

SINCE = ("committed_at", "seconds_since_commit")


class ActionModule(ActionBase):
    """No state of its own."""

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        result = self._execute_module(task_vars=task_vars)
        if result.get("outcome") != "pending":
            return result
        use_fresh(self._connection)
        try:
            ended = self._execute_module(
                module_name="rootwave.iot.gateway_commit", module_args={"id": result["pending"]}, task_vars=task_vars
            )
        except AnsibleConnectionFailure as exc:
            return unconfirmed(result, {"unreachable": True}, f"no fresh connection to confirm it ({exc})")
        if ended.get("failed") or ended.get("outcome") != "done":
            return unconfirmed(result, {"failed": True}, str(ended.get("msg") or "the commit left no message"))
        return {**result, "outcome": "done", "pending": None, "revert": "committed", **{key: ended[key] for key in SINCE}}


def unconfirmed(result, how, why):
    """The gateway reverts by itself when nobody commits within confirm_within seconds."""
    return {**result, **how, "msg": f"applied, but not confirmed, so it reverts by itself: {why}"}
