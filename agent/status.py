# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""``/var/lib/rootwave/agent-status.json``: what a human or a playbook on the device finds when the hub cannot tell.

Written when something changed, not at every attempt: a device without its hub for a month must not wear out its flash.
"""

from __future__ import annotations

import os
import time

from gateway import files

from .log import say
from .version import VERSION


class Status:
    def __init__(self, config, boot):
        self._path = config.path("agent-status.json")
        self._facts = {"agent": VERSION, "boot": boot, "hub": config.hub, "identity": config.device + "/" + config.module}
        self._last = None

    def connected(self):
        self._tell(True, "", "connected to {}".format(self._facts["hub"]))

    def lost(self, reason):
        self._tell(False, reason, f"not connected: {reason}")

    def _tell(self, connected, reason, line):
        if (connected, reason) == self._last:
            return
        say(line)
        document = dict(self._facts, connected=connected, reason=reason, since=int(time.time()), pid=os.getpid())
        try:
            files.write_json(self._path, document, mode=0o644)
        except OSError as exc:
            say(f"cannot write {self._path}: {exc.strerror}")
            return
        self._last = (connected, reason)


__all__ = ("Status",)
