# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The evidence to look at when a root moves. Runs on the control node; see the module of the same name."""

from __future__ import annotations

import math
import time

from ansible_collections.rootwave.iot.plugins.plugin_utils import connection_evidence as evidence
from ansible_collections.rootwave.iot.plugins.plugin_utils import connection_query, connection_states
from ansible_collections.rootwave.iot.plugins.plugin_utils.connection_events import Event
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub.action import HubAction
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub.errors import HubError
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub.monitor import TURN_ON, Monitor
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub.names import HubNames


class ActionModule(HubAction):
    """The log is asked before the twins are read, so that a fresh Connected is newer than the log's last word."""

    SPEC = {
        "device_ids": {"type": "list", "elements": "str"},
        "where": {"type": "str"},
        "fresh_reads_most": {"type": "int", "default": 200},
        "workspace_id": {"type": "str"},
        "resource_id": {"type": "str"},
        "hours": {"type": "int", "default": 24},
        "grace": {"type": "int", "default": 600},
        "baseline": {"type": "float"},
        "max_drop_percent": {"type": "float", "default": 5.0},
        "since": {"type": "float"},
    }
    CHECKS = {"mutually_exclusive": [["device_ids", "where"]]}

    def ask(self, hub, args):
        names, ids, most = HubNames.of(hub.host), args["device_ids"], args["fresh_reads_most"]
        connection_query.check(names, args["workspace_id"], args["resource_id"], ids or ())
        if args["hours"] < 1 or most < 0:
            raise HubError("hours is at least 1, fresh_reads_most at least 0", code="BadOptions")
        if not all(math.isfinite(args[name] or 0) for name in ("baseline", "max_drop_percent", "since")):
            raise HubError("baseline, max_drop_percent and since are finite numbers", code="BadOptions")
        monitor, missing = Monitor(names, args["timeout"]), []
        chosen = connection_states.choose(hub, ids, args["where"], self._display.display)
        events = self._events(monitor, args, [state.device for state in chosen], missing)
        states = connection_states.read(hub, chosen, most, self._display.display)
        states = connection_states.read_again(hub, states, evidence.suspects(states, events)[:most])
        now = time.time()
        points = self._points(monitor, args, now, missing)
        bounds = (args["grace"], args["max_drop_percent"], args["baseline"], args["since"])
        question = evidence.Question(now, args["hours"], *bounds)
        found = evidence.weigh(states, events, points, missing, question)
        return {"changed": False, **found, "index_lag": connection_states.caveat(states, chosen_by_query=ids is None)}

    @staticmethod
    def _events(monitor, args, devices, missing):
        """None where there is no log to be had; a log without a row is one only if the hub is known to write it."""
        workspace, resource = args["workspace_id"], args["resource_id"]
        if not workspace:
            missing.append(evidence.Missing(evidence.LOG, "no workspace_id is set", f"{TURN_ON}, and set workspace_id"))
            return None
        try:
            rows = monitor.connections(workspace, resource, devices, args["hours"])
            if not rows and not (resource and monitor.logs_are_on(resource)):
                missing.append(
                    evidence.Missing(evidence.LOG, f"it has no event in {args['hours']} hours", f"{TURN_ON}; or raise hours")
                )
                return None
        except HubError as exc:
            missing.append(evidence.Missing(evidence.LOG, str(exc), exc.advice))
            return None
        return [event for event in map(Event.of, rows) if event]

    @staticmethod
    def _points(monitor, args, now, missing):
        if not args["resource_id"]:
            missing.append(evidence.Missing(evidence.METRIC, "no resource_id is set", "set resource_id to the hub's ARM id"))
            return None
        try:
            return monitor.connected_devices(args["resource_id"], now - args["hours"] * 3600, now)
        except HubError as exc:
            missing.append(evidence.Missing(evidence.METRIC, str(exc), exc.advice))
            return None
