# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. What the hub's modules share; they run on the control node, as action plugins."""

from __future__ import annotations

import json
import os

from ansible.plugins.action import ActionBase

from .connect import ARGUMENTS, connect
from .errors import HubError

CONNECTION_STRING = "ROOTWAVE_HUB_CONNECTION_STRING"


class HubAction(ActionBase):
    """``SPEC`` are a module's own arguments, ``ask`` is what it does; a HubError becomes its failure."""

    SPEC: dict = {}
    CHECKS: dict = {}
    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        args = self.validate_argument_spec(argument_spec={**ARGUMENTS, **self.SPEC}, **self.CHECKS)[1]
        args = json.loads(json.dumps(args))  # azure-iot-hub takes no subclasses of str, which Ansible's values are since 2.19
        if not args["hub"] and not args["connection_string"]:
            args["connection_string"] = os.environ.get(CONNECTION_STRING)
        try:
            return self.ask(connect(args), args)
        except HubError as exc:
            return {"failed": True, "changed": False, **exc.as_result()}

    def ask(self, hub, args: dict) -> dict:
        """The module's result; raises HubError."""
        raise NotImplementedError


__all__ = ("HubAction",)
