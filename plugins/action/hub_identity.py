# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make, change or remove an identity. Runs on the control node; see the module of the same name."""

from __future__ import annotations

from ansible_collections.rootwave.iot.plugins.plugin_utils.hub.action import HubAction
from ansible_collections.rootwave.iot.plugins.plugin_utils.identity_change import (
    Outcome,
    find,
    make,
    refuse_names,
    remove,
    shown,
    wanted_of,
)


class ActionModule(HubAction):
    SPEC = {
        "device_id": {"type": "str", "required": True},
        "module_id": {"type": "str"},
        "state": {"type": "str", "choices": ["present", "absent", "info"], "default": "present"},
        "authentication": {"type": "str", "choices": ["sas", "self_signed", "certificate_authority"], "default": "sas"},
        "thumbprints": {"type": "list", "elements": "str"},
        "status": {"type": "str", "choices": ["enabled", "disabled"], "default": "enabled"},
        "with_keys": {"type": "bool", "default": False, "no_log": False},
    }

    def ask(self, hub, args):
        refuse_names(args)
        who, dry_run = (args["device_id"], args["module_id"]), self._task.check_mode
        if args["state"] == "info":
            there = find(hub, *who)
            outcome = Outcome(False, None, None, there)
        elif args["state"] == "absent":
            outcome = remove(hub, *who, dry_run)
        else:
            outcome = make(hub, *who, wanted_of(args), dry_run)
        document = outcome.document
        result = {"changed": outcome.changed, "identity": shown(document) if document else None}
        if outcome.changed:
            result["diff"] = {"before": outcome.before or "", "after": outcome.after or ""}
        if args["with_keys"] and document:
            keys = document["authentication"].get("symmetricKey") or {}
            result["keys"] = [key for key in (keys.get("primaryKey"), keys.get("secondaryKey")) if key]
        return result
