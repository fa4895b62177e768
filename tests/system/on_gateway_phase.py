# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a gateway: one phase of a campaign by the core itself, or the end of its pending change. Prints the report.

Argument: a folder with the core. Standard input: {"document": {...}, "dry_run", "kill_at", "hold_at"} or {"commit": id, "state"}.
A run that is held waits for somebody to write into /core/go.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time

sys.path.insert(0, sys.argv[1])

from gateway import processes
from gateway.commit import end_change
from gateway.desired import from_document
from gateway.errors import TrustError
from gateway.host import LocalHost
from gateway.reconcile import reconcile

RAN = []


def main():
    asked = json.load(sys.stdin)
    real = processes.subprocess.Popen

    def noted(argv, *args, **kwargs):
        RAN.append(argv)
        return real(argv, *args, **kwargs)

    processes.subprocess.Popen = noted

    def on_step(name):
        if name == asked.get("kill_at"):
            os.kill(os.getpid(), signal.SIGKILL)
        if name == asked.get("hold_at"):
            os.mkfifo("/core/go")
            with open("/core/go") as gate:
                gate.read()

    try:
        if "commit" in asked:
            answer = end_change(LocalHost(), asked["commit"], asked.get("state", "committed"))
        else:
            answer = reconcile(LocalHost(), from_document(asked["document"]), time.time(), asked.get("dry_run", False), on_step)
    except TrustError as exc:
        answer = {"outcome": "failed", "error": str(exc)}
    print(json.dumps(dict(answer, ran=RAN)))


main()
