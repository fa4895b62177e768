# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. What the action plugins about signed files share: arguments in, errors out, files as a whole."""

from __future__ import annotations

import json
from pathlib import Path

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.errors import Refused

from .sign_request import read_file
from .signing import SigningError
from .whole_file import replace_file


class SigningAction(ActionBase):
    """``ask(args)`` answers with the module's result; what it raises becomes the module's failure, here and nowhere else."""

    _requires_connection = False
    SPEC: dict = {}
    CHECKS: dict = {}

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        # through JSON, because what templating gives is tagged and json.dumps of it is not that of plain text
        args = json.loads(json.dumps(self.validate_argument_spec(argument_spec=self.SPEC, **self.CHECKS)[1]))
        try:
            return self.ask(args)
        except (SigningError, Refused, AnsibleError) as exc:
            return {"failed": True, "changed": False, "msg": str(exc)}
        except OSError as exc:
            return {"failed": True, "changed": False, "msg": f"{exc.filename or 'a file'}: {exc.strerror or exc}"}

    def ask(self, args: dict) -> dict:
        raise NotImplementedError

    def put(self, path: str, text: str) -> bool:
        """Have a file hold this text; whether it did not. Check mode only looks."""
        if read_file(path) == text.encode():
            return False
        if not self._task.check_mode:
            replace_file(Path(path), text)
        return True


__all__ = ("SigningAction",)
