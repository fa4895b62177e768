# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The prefixes of IoT Hub and DPS. Runs on the control node; see the module of the same name."""

from __future__ import annotations

import json
import os
from pathlib import Path

from ansible.plugins.action import ActionBase
from ansible_collections.rootwave.iot.plugins.plugin_utils import service_tags
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub.arm import Arm
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub.credentials import cloud_of
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub.errors import HubError
from ansible_collections.rootwave.iot.plugins.plugin_utils.service_tags import SIZE_MOST, ServiceTagError
from ansible_collections.rootwave.iot.plugins.plugin_utils.whole_file import replace_file

SPEC = {
    "src": {"type": "path"},
    "subscription_id": {"type": "str"},
    "location": {"type": "str", "default": "westeurope"},
    "cloud": {"type": "str", "choices": ["public", "usgov", "china"], "default": "public"},
    "regions": {"type": "list", "elements": "str", "default": []},
    "pairs": {"type": "bool", "default": True},
    "ipv6": {"type": "bool", "default": False},
    "dest": {"type": "path"},
    "max_loss_percent": {"type": "int", "default": 25},
    "timeout": {"type": "int", "default": 60},
}


class ActionModule(ActionBase):
    """The record in ``dest`` is what a later run compares with; it is replaced as a whole or not at all."""

    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        checks = {"mutually_exclusive": [["src", "subscription_id"]], "required_one_of": [["src", "subscription_id"]]}
        args = json.loads(json.dumps(self.validate_argument_spec(argument_spec=SPEC, **checks)[1]))
        try:
            return self._compare(args, document_of(args))
        except HubError as exc:
            return {"failed": True, "changed": False, **exc.as_result()}
        except (ServiceTagError, OSError) as exc:
            return {"failed": True, "changed": False, "msg": f"{args['src'] or 'service tags'}: {exc}"}

    def _compare(self, args, document):
        chosen = service_tags.select(document, args["cloud"], args["regions"], args["pairs"], args["ipv6"])
        before = record_of(args["dest"])
        drift = service_tags.compare(chosen, before, args["max_loss_percent"])
        after = service_tags.record(chosen)
        changed = bool(args["dest"]) and before != after
        if changed and not self._task.check_mode:
            replace_file(Path(args["dest"]), text_of(after))
        result = {
            "changed": changed,
            "ipv4": chosen.of_version(4),
            "ipv6": chosen.of_version(6),
            "regions": list(chosen.regions),
            "tag_change_number": chosen.tag_change_number,
            "file_change_number": chosen.file_change_number,
            **drift,
        }
        if changed:
            result["diff"] = {"before": text_of(before) if before else "", "after": text_of(after)}
        if chosen.unpaired:
            result["warnings"] = [
                f"no paired region is known for {', '.join(chosen.unpaired)}: after a failover its hubs may have addresses "
                "that are not in this list"
            ]
        return result


def document_of(args):
    """Raises HubError, ServiceTagError, OSError."""
    if args["src"]:
        if os.path.getsize(args["src"]) > SIZE_MOST:
            raise ServiceTagError(f"it is longer than {SIZE_MOST} bytes")
        return service_tags.read(Path(args["src"]).read_text(encoding="utf-8-sig", errors="replace"))
    return Arm(cloud_of(args["cloud"]), args["timeout"]).service_tags(args["subscription_id"], args["location"])


def record_of(dest):
    """What an earlier run kept, or None; a record that cannot be read is never taken for none."""
    if not dest or not os.path.exists(dest):
        return None
    try:
        record = json.loads(Path(dest).read_text())
        if isinstance(record["prefixes"], list) and record["tag"] == service_tags.TAG:
            return record
    except (ValueError, KeyError, TypeError):
        pass
    raise ServiceTagError(f"{dest} is no record of this module; move it away to start a new one")


def text_of(record):
    return json.dumps(record, indent=1, sort_keys=True) + "\n"
