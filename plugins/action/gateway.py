# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the module of the same name; where it leaves its change pending, come back over a fresh connection and commit.

One task instead of two: a second task would cost a process for each gateway also where nothing is pending, and would only
start when the slowest gateway of the batch is through, while the armed reverts of the others are counting down.
"""

from __future__ import annotations

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.rootwave.iot.plugins.plugin_utils.fresh_connection import must_be_known, use_fresh

SINCE = ("committed_at", "seconds_since_commit")


class ActionModule(ActionBase):
    """No state of its own."""

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        if may_be_pending(self._task.args.get("desired")):
            must_be_known(self._connection)  # before anything changes, not when it has to be confirmed
        result = self._execute_module(task_vars=task_vars)
        if result.get("outcome") != "pending":
            return result
        try:
            use_fresh(self._connection)
            ended = self._execute_module(
                module_name="rootwave.iot.gateway_commit", module_args={"id": result["pending"]}, task_vars=task_vars
            )
        except AnsibleConnectionFailure as exc:
            why = f"no fresh connection to confirm it ({exc}); where only the answer was lost it stands, and gateway_info says so"
            return unconfirmed(result, {"unreachable": True}, why)
        except AnsibleError as exc:
            return unconfirmed(result, {"failed": True}, f"its commit could not be asked for ({exc})")
        if ended.get("failed") or ended.get("outcome") != "done":
            return unconfirmed(result, {"failed": True}, str(ended.get("msg") or "the commit left no message"))
        return {**result, "outcome": "done", "pending": None, "revert": "committed", **{key: ended[key] for key in SINCE}}


def may_be_pending(desired):
    """Whether a phase may end in a change that waits for its commit."""
    return isinstance(desired, dict) and bool(desired.get("allowlist") or desired.get("confirm") == "required")


def unconfirmed(result, how, why):
    """The gateway reverts by itself when nobody commits within confirm_within seconds. Only where a commit arrived of which the
    answer was lost does the change stand; the next gateway_info tells."""
    return {**result, **how, "msg": f"applied, but not confirmed, so it reverts by itself: {why}"}
