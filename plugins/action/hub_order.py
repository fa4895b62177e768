# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put a signed order on twins, within the hub's quota. Runs on the control node; see the module of the same name."""

from __future__ import annotations

import time

from ansible_collections.rootwave.iot.plugins.plugin_utils import order_delivery, order_file, order_jobs, order_plan, order_state
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub.action import HubAction
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub.errors import HubError
from ansible_collections.rootwave.iot.plugins.plugin_utils.order_form import order_of
from ansible_collections.rootwave.iot.plugins.plugin_utils.twin_gate import devices_of


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
        started, order = time.time(), order_in(args)
        if order and args["state"] == "ordered":
            order_file.must_not_be_over(order, started)
        devices = list(dict.fromkeys(args["device_ids"] or devices_of(args["hosts"] or [], self._hostvars).values()))
        plan = order_plan.plan(len(devices), args["sku"], args["units"], args["front_end"], args["via"], args["write_share"])
        results = self._deliver(hub, args, order, devices, plan)
        counts, bad = order_delivery.count(results), order_delivery.not_ok(results)
        self._display.display(f"{hub.host}: {order_delivery.in_words(counts)}")
        result = {
            "changed": bool(counts["ordered"] or counts["withdrawn"]),
            "counts": counts,
            "not_ok": bad,
            "via": plan.via,
            "eta": plan.seconds,
            "started_at": int(started),
            "seconds": round(time.time() - started, 1),
        }
        if order:
            result |= {"id": order.id, "serial": order.serial}
        if order and args["state"] == "info":
            result["order"] = order_of(order.data)
        if result["changed"]:
            result["diff"] = diff_of(args["phase"], results)
        return result

    def _deliver(self, hub, args, order, devices, plan):
        say, dry_run = self._display.display, self._task.check_mode
        module = args["module_id"] if args["front_end"] == "module" else None
        delivery = order_delivery.Delivery(hub, args["phase"], module, decider(args, order), dry_run, say)
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


def order_in(args):
    """The order of the task's file; None when any order of the phase is to be withdrawn."""
    if not args["envelope"]:
        return None
    if args["phase"] == "revert" and not args["undo"]:
        raise HubError("name the phase that the revert is of: undo", code="BadOptions")
    return order_file.read(args["envelope"], args["phase"], args["fleet"], args["keys"], args["undo"], args["digest"])


def decider(args, order):
    """What a twin needs, as a function of the twin."""
    if args["state"] == "withdrawn":
        return lambda twin: order_state.withdrawal_of(args["phase"], order, twin)
    if args["state"] == "info":
        return lambda twin: order_state.state_in(order, twin)
    return lambda twin: order_state.step_of(order, twin, args["again"])


def diff_of(phase, results):
    """A line for each of the first devices that change."""
    changing = sorted(one.device for one in results if one.state in (order_state.ORDERED, order_state.WITHDRAWN))
    words = {one.device: one.state for one in results}
    lines = [f"{device}: {phase} {words[device]}\n" for device in changing[: order_delivery.SHOWN_MOST]]
    more = len(changing) - len(lines)
    return {"before": "", "after": "".join(lines) + (f"and {more} more\n" if more > 0 else "")}
