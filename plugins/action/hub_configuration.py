# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make, change or remove an automatic configuration. Runs on the control node; see the module of the same name."""

from __future__ import annotations

from ansible_collections.rootwave.iot.plugins.plugin_utils.configuration_change import Outcome, find, make, remove, wanted_of
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub.action import HubAction


class ActionModule(HubAction):
    SPEC = {
        "name": {"type": "str", "required": True},
        "state": {"type": "str", "choices": ["present", "absent", "info"], "default": "present"},
        "kind": {"type": "str", "choices": ["device", "module"], "default": "device"},
        "content": {"type": "dict"},
        "target_condition": {"type": "str"},
        "priority": {"type": "int", "default": 0},
        "labels": {"type": "dict"},
        "metrics": {"type": "dict"},
    }
    CHECKS = {"required_if": [("state", "present", ("content", "target_condition"))]}

    def ask(self, hub, args):
        name, dry_run = args["name"], self._task.check_mode
        if args["state"] == "info":
            outcome = Outcome(False, None, None, find(hub, name))
        elif args["state"] == "absent":
            outcome = remove(hub, name, dry_run)
        else:
            outcome = make(hub, name, wanted_of(args), dry_run)
        result = {"changed": outcome.changed, "configuration": outcome.document}
        if outcome.changed:
            result["diff"] = {"before": outcome.before or "", "after": outcome.after or ""}
        return result
