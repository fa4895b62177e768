# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sign a phase of a campaign, or new keys. Runs on the control node; see the module of the same name."""

from __future__ import annotations

import time

from ansible_collections.rootwave.iot.plugins.plugin_utils import sign_request, signing
from ansible_collections.rootwave.iot.plugins.plugin_utils.signed_facts import facts_of, lines_of
from ansible_collections.rootwave.iot.plugins.plugin_utils.signing_action import SigningAction

ONE_OF = ["private_key", "uri", "signature"]
KEY = {
    "private_key": {"type": "path", "no_log": False},
    "uri": {"type": "str"},
    "signature": {"type": "path"},
    "public_key": {"type": "path"},
    "passphrase_file": {"type": "path", "no_log": False},
    "passphrase_env": {"type": "str", "no_log": False},
}


class ActionModule(SigningAction):
    """A signed file is only ever replaced by the same payload with more signatures."""

    SPEC = {
        "state": {"type": "str", "choices": ["created", "signed"], "required": True},
        "dest": {"type": "path", "required": True},
        "campaign": {"type": "dict"},
        "endpoints": {"type": "list", "elements": "dict", "default": []},
        "fleet": {"type": "str"},
        "phase": {"type": "str", "choices": ["stage", "retire", "revert"]},
        "undo": {"type": "str", "choices": ["stage", "retire"]},
        "serial": {"type": "int"},
        "not_before": {"type": "str"},
        "expires": {"type": "str"},
        "valid_for": {"type": "int"},
        "new_keys": {"type": "path", "no_log": False},
        "keys_file": {"type": "path", "no_log": False},
        "keys": {
            "type": "list",
            "elements": "dict",
            "no_log": False,
            "default": [],
            "options": KEY,
            "required_one_of": [ONE_OF],
            "mutually_exclusive": [ONE_OF, ["passphrase_file", "passphrase_env"]],
        },
        "to_sign": {"type": "path"},
    }
    CHECKS = {"mutually_exclusive": [["campaign", "new_keys"], ["expires", "valid_for"]]}

    def ask(self, args):
        keys = sign_request.keys_of(args["keys_file"])
        found = sign_request.read_file(args["dest"])
        before = None if found is None else signing.read(found, args["dest"])
        after = sign_request.signed(sign_request.asked(args, before, time.time()), args, keys)
        text = found.decode() if before == after else signing.text_of(after)
        facts = facts_of(after, text.encode(), keys)
        changed = self.put(args["dest"], text)
        if args["to_sign"]:
            changed |= self.put(args["to_sign"], signing.to_sign(after).decode())
        result = {"changed": changed, "signed": facts}
        if before != after:
            result["diff"] = {
                "before": "" if before is None else lines_of(facts_of(before, found, keys)),
                "after": lines_of(facts),
            }
        return result
