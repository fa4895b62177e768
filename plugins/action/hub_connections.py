# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The evidence to look at when a root moves. Runs on the control node; see the module of the same name."""

from __future__ import annotations

from ansible_collections.rootwave.iot.plugins.plugin_utils import connection_states
from ansible_collections.rootwave.iot.plugins.plugin_utils.connection_evidence import weigh
from ansible_collections.rootwave.iot.plugins.plugin_utils.connection_look import OPTIONS, look
from ansible_collections.rootwave.iot.plugins.plugin_utils.host_devices import devices_of
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub.action import HubAction


class ActionModule(HubAction):
    SPEC = {
        **OPTIONS,
        "device_ids": {"type": "list", "elements": "str"},
        "hosts": {"type": "list", "elements": "str"},
        "module_id": {"type": "str"},
        "where": {"type": "str"},
        "since": {"type": "float"},
    }
    CHECKS = {"mutually_exclusive": [["device_ids", "where", "hosts"]], "required_by": {"module_id": ["hosts"]}}

    def run(self, tmp=None, task_vars=None):
        self._hostvars = (task_vars or {}).get("hostvars", {})
        return super().run(tmp, task_vars)

    def ask(self, hub, args):
        ids = args["device_ids"]
        if args["hosts"] is not None:
            tail = f"/{args['module_id']}" if args["module_id"] else ""
            ids = [f"{device}{tail}" for device in devices_of(args["hosts"], self._hostvars).values()]
        looked = look(hub, args, ids, args["where"], self._display.display)
        index_lag = connection_states.caveat(looked.states, chosen_by_query=ids is None)
        return {"changed": False, **weigh(*looked), "index_lag": index_lag}
