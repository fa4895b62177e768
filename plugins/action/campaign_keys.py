# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom the devices of a fleet believe. Runs on the control node; see the module of the same name."""

from __future__ import annotations

import json
from pathlib import Path

from ansible_collections.rootwave.iot.plugins.module_utils.gateway.keys import from_bytes
from ansible_collections.rootwave.iot.plugins.plugin_utils import sign_request
from ansible_collections.rootwave.iot.plugins.plugin_utils.signing import SigningError
from ansible_collections.rootwave.iot.plugins.plugin_utils.signing_action import SigningAction


class ActionModule(SigningAction):
    """A file of keys is never changed once it is there: devices may have it, and the next version is another file."""

    SPEC = {
        "dest": {"type": "path", "required": True},
        "fleet": {"type": "str", "required": True},
        "threshold": {"type": "int", "required": True},
        "public_keys": {"type": "list", "elements": "path", "required": True, "no_log": False},
        "previous": {"type": "path"},
    }

    def ask(self, args):
        previous = sign_request.keys_of(args["previous"])
        if previous and previous.fleet != args["fleet"]:
            raise SigningError(f"{args['previous']} is of fleet {previous.fleet}; keys of one fleet never pass to another")
        document = {
            "schema": 1,
            "version": previous.version + 1 if previous else 1,
            "fleet": args["fleet"],
            "threshold": args["threshold"],
            "keys": [Path(path).read_text() for path in args["public_keys"]],
        }
        keys = from_bytes(json.dumps(document).encode(), args["dest"])
        text = json.dumps(keys.as_document(), indent=1, sort_keys=True) + "\n"
        found = sign_request.read_file(args["dest"])
        if found not in (None, text.encode()):
            raise SigningError(
                f"{args['dest']} has other keys; make the next version in another file, with previous={args['dest']}"
            )
        result = {
            "changed": self.put(args["dest"], text),
            "version": keys.version,
            "fleet": keys.fleet,
            "threshold": keys.threshold,
            "keys": [{"keyid": key.id, "file": path} for key, path in zip(keys.keys, args["public_keys"], strict=True)],
        }
        if result["changed"]:
            result["diff"] = {"before": "", "after": text}
        return result
