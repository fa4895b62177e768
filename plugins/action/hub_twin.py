# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read or change a twin. Runs on the control node; see the module of the same name."""

from __future__ import annotations

from ansible_collections.rootwave.iot.plugins.plugin_utils.hub.action import HubAction
from ansible_collections.rootwave.iot.plugins.plugin_utils.twin_change import Outcome, change, state_of


class ActionModule(HubAction):
    SPEC = {
        "device_id": {"type": "str", "required": True},
        "module_id": {"type": "str"},
        "state": {"type": "str", "choices": ["patched", "info"], "default": "patched"},
        "tags": {"type": "dict"},
        "desired": {"type": "dict"},
        "etag": {"type": "str"},
    }

    def ask(self, hub, args):
        device, module = args["device_id"], args["module_id"]
        if args["state"] == "info":
            twin = hub.get_twin(device, module)
            outcome = Outcome(False, state_of(twin), state_of(twin), twin)
        else:
            wanted = {section: args[section] for section in ("tags", "desired")}
            outcome = change(hub, device, module, wanted, args["etag"], self._task.check_mode)
        result = {"changed": outcome.changed, "twin": shown(outcome.twin)}
        if outcome.changed:
            result["diff"] = {"before": outcome.before, "after": outcome.after}
        if outcome.twin["status"] == "disabled" and args["state"] == "patched":
            result["warnings"] = [f"{device} is disabled at the hub: it cannot connect to read this"]
        return result


def shown(twin):
    """The twin in Ansible's words."""
    properties = twin["properties"]
    return {
        "device_id": twin["deviceId"],
        "module_id": twin.get("moduleId"),
        "etag": twin["etag"],
        "version": twin["version"],
        "status": twin["status"],
        "connection_state": twin["connectionState"],
        "last_activity_time": twin.get("lastActivityTime"),
        **state_of(twin),
        "desired_version": properties["desired"].get("$version"),
        "reported": {key: value for key, value in properties["reported"].items() if not key.startswith("$")},
        "reported_version": properties["reported"].get("$version"),
    }
