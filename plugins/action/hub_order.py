# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put a signed order on twins, within the hub's quota. Runs on the control node; see the module of the same name."""

from __future__ import annotations

import time

from ansible_collections.rootwave.iot.plugins.plugin_utils import order_delivery, order_file, order_jobs, order_plan, order_task
from ansible_collections.rootwave.iot.plugins.plugin_utils.host_devices import devices_of
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub.action import HubAction


class ActionModule(HubAction):
    SPEC = {
        "device_ids": {"type": "list", "elements": "str"},
        "hosts": {"type": "list", "elements": "str"},
        "state": {"type": "str", "choices": ["ordered", "withdrawn", "info"], "default": "ordered"},
        "phase": {"type": "str", "choices": list(order_file.NAMES), "required": True},
        "envelope": {"type": "path"},
        "fleet": {"type": "str"},
        "undo": {"type": "str", "choices": ["stage", "retire"]},
        "digest": {"type": "str"},
        "keys": {"type": "path"},
        "front_end": {"type": "str", "choices": list(order_plan.FRONT_ENDS), "default": "module"},
        "module_id": {"type": "str", "default": order_delivery.MODULE},
        "via": {"type": "str", "choices": list(order_plan.VIAS), "default": "auto"},
        "write_share": {"type": "float", "default": 1.0},
        "again": {"type": "bool", "default": False},
    }
    CHECKS = {
        "mutually_exclusive": [["device_ids", "hosts"]],
        "required_one_of": [["device_ids", "hosts"]],
        "required_if": [("state", "ordered", ("envelope", "fleet")), ("state", "info", ("envelope", "fleet"))],
        "required_by": {"envelope": "fleet"},
    }

    def run(self, tmp=None, task_vars=None):
        self._hostvars = (task_vars or {}).get("hostvars", {})
        return super().run(tmp, task_vars)

    def ask(self, hub, args):
        started, order = time.time(), order_task.order_in(args)
        if order and args["state"] == "ordered":
            order_file.must_not_be_over(order, started)
        devices = list(dict.fromkeys(args["device_ids"] or devices_of(args["hosts"] or [], self._hostvars).values()))
        plan = order_plan.plan(len(devices), args["sku"], args["units"], args["front_end"], args["via"], args["write_share"])
        results = self._deliver(hub, args, order, devices, plan)
        self._display.display(f"{hub.host}: {order_delivery.in_words(order_delivery.count(results))}")
        times = {"eta": plan.seconds, "started_at": int(started), "seconds": round(time.time() - started, 1)}
        return {**order_task.result_of(args, order, results), "via": plan.via, **times}

    def _deliver(self, hub, args, order, devices, plan):
        say, dry_run = self._display.display, self._task.check_mode
        module = args["module_id"] if args["front_end"] == "module" else None
        delivery = order_delivery.Delivery(hub, args["phase"], module, order_task.decider(args, order), dry_run, say)
        if args["state"] == "info":
            return delivery.look(devices, len(devices))
        say(f"{hub.host}: {args['phase']} for {len(devices)} devices by {plan.via}: at least {plan.seconds} s by the hub's quota")
        if plan.via == order_plan.DIRECT:
            return delivery.direct(devices, len(devices), plan.rate)
        looked = delivery.look(devices, len(devices))
        needing = [one for one in looked if one.patch is not None]
        if dry_run or not needing:
            return looked
        sent = order_jobs.deliver(hub, args["phase"], needing, plan.rate, say)
        return [one for one in looked if one.patch is None] + sent
