# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Set the tag that says which wave a device is in. Runs on the control node; see the module of the same name."""

from __future__ import annotations

from collections import Counter

from ansible_collections.rootwave.iot.plugins.plugin_utils import wave_tags
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub.action import HubAction

SHOWN_MOST = 50


class ActionModule(HubAction):
    SPEC = {
        "percentages": {
            "type": "list",
            "elements": "dict",
            "options": {"wave": {"type": "str", "required": True}, "percent": {"type": "float", "required": True}},
        },
        "salt": {"type": "str"},
        "lists": {"type": "dict"},
        "device_ids": {"type": "list", "elements": "str"},
        "where": {"type": "str"},
        "only_unassigned": {"type": "bool", "default": True},
    }
    CHECKS = {
        "mutually_exclusive": [["percentages", "lists"], ["device_ids", "where"], ["lists", "device_ids"], ["lists", "where"]],
        "required_one_of": [["percentages", "lists"]],
        "required_by": {"percentages": ["salt"]},
    }

    def ask(self, hub, args):
        say = self._display.display
        if args["lists"]:
            wave_of = wave_tags.by_lists(args["lists"])
            devices = [device for listed in args["lists"].values() for device in listed]
        else:
            wave_of = wave_tags.by_percent(args["percentages"], args["salt"])
            devices = args["device_ids"]
        settled = []
        if devices is None:
            known = wave_tags.known(hub, args["where"], say)
            # what the index says to be right already is not read again
            settled = [wave_tags.Assigned(one, wave_tags.SAME, wave, wave) for one, wave in known.items() if wave == wave_of(one)]
            devices = [one for one, wave in known.items() if wave != wave_of(one)]
        devices = list(dict.fromkeys(devices))
        eta = max(hub.eta("write", len(devices)), hub.eta("read", len(devices)))
        say(f"{hub.host}: waves of {len(devices)} devices: at most {eta:.0f} s by the hub's quota")

        def tell(found):
            say(f"{hub.host}: {len(found)} of {len(devices)} devices")

        found = settled + wave_tags.assign(hub, devices, wave_of, args["only_unassigned"], self._task.check_mode, tell)
        return result_of(found)


def result_of(found):
    """The module's."""
    changed = sorted(one for one in found if one.state == wave_tags.ASSIGNED)
    failed = sorted(one for one in found if one.state == wave_tags.FAILED)
    states = Counter(one.state for one in found)
    result = {
        "changed": bool(changed),
        "waves": dict(sorted(Counter(one.wave for one in found if one.wave is not None).items())),
        "counts": {state: states[state] for state in wave_tags.STATES},
        "not_ok": [{"device_id": one.device, "reason": one.reason} for one in failed[:SHOWN_MOST]],
    }
    if changed:
        shown = changed[:SHOWN_MOST]
        more = f"and {len(changed) - SHOWN_MOST} more\n" if len(changed) > SHOWN_MOST else ""
        result["diff"] = {
            "before": "".join(f"{one.device}: {one.before or 'no wave'}\n" for one in shown) + more,
            "after": "".join(f"{one.device}: {one.wave}\n" for one in shown) + more,
        }
    if failed:
        words = (
            f"{len(failed)} of {len(found)} devices have no wave yet, first {failed[0].device}: {failed[0].reason}; run it again"
        )
        result |= {"failed": True, "msg": words}
    return result
