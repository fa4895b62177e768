# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is signed, by whom, until when. Runs on the control node; see the module of the same name."""

from __future__ import annotations

from ansible_collections.rootwave.iot.plugins.plugin_utils import sign_request, signing
from ansible_collections.rootwave.iot.plugins.plugin_utils.signed_facts import facts_of
from ansible_collections.rootwave.iot.plugins.plugin_utils.signing_action import SigningAction


class ActionModule(SigningAction):
    """Reads only."""

    SPEC = {
        "src": {"type": "path", "required": True},
        "keys_file": {"type": "path", "no_log": False},
    }

    def ask(self, args):
        keys = sign_request.keys_of(args["keys_file"])
        data = sign_request.read_file(args["src"])
        if data is None:
            raise signing.SigningError(f"{args['src']} does not exist")
        return {"changed": False, "signed": facts_of(signing.read(data, args["src"]), data, keys)}
