# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run by ``python -I`` with the agent's package: its own loop and session against a hub whose root this machine does not trust.

Arguments: package, agent.json, PEM file with the hub's roots (read anew for every session), a folder that the jobs are noted in.
What a job does is replaced: it ends the orders that are due as proved, or as they themselves say, without root, without a store.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

PACKAGE, CONFIG, ROOTS, JOBS = sys.argv[1:5]
sys.path.insert(0, PACKAGE)

from agent import config, orders, records  # noqa: E402


class Job:
    """A process like the agent's own, of this file."""

    def __init__(self, name, section):
        self.name, self.ended = name, False
        argv = [sys.executable, "-I", *sys.argv[:5], name]
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._process.stdin.write(json.dumps(section).encode())
        self._process.stdin.close()

    @property
    def failed(self):
        return self._process.returncode != 0

    def fileno(self):
        return self._process.stdout.fileno()

    def read(self):
        if not os.read(self.fileno(), 4096):
            self.wait()

    def wait(self):
        self.ended = True
        self._process.stdout.close()
        return self._process.wait()


def work(name):
    settings, section = config.load(CONFIG), json.load(sys.stdin)
    known = records.load(settings.state_dir)
    with open(os.path.join(JOBS, "log"), "a") as log:
        log.write(json.dumps({"job": name, "orders": [order.id for order in orders.due(section, known)]}) + "\n")
    waiting = orders.pending(known)
    if waiting and name == "commit" and os.path.exists(os.path.join(JOBS, "fail")):
        os.unlink(os.path.join(JOBS, "fail"))
        sys.exit(1)
    if waiting and (name != "settle" or time.time() >= waiting[1]["confirm_by"]):
        state = {"commit": "proved"}.get(name, "reverted")
        known[waiting[0]] = records.moved(waiting[1], state, name, confirm_by=None)
    elif not waiting and name == "orders":
        for order in orders.due(section, known):
            known[order.name] = records.new(order, "proved")
            if isinstance(order.document, dict) and order.document.get("leave") == "pending":
                known[order.name].update(state="running", change="000001", confirm_by=order.document["confirm_by"])
    records.save(settings.state_dir, known)


def main():
    from gateway.model import Trust
    from gateway.probe import context_for

    from agent import lean
    from agent.__main__ import MODULES, _stop_signals

    lean.compile_elsewhere(MODULES)
    from agent.loop import Agent
    from agent.session import Session

    def connect(settings):
        return Session(settings, lambda _config: context_for(Trust("lab", cafile=ROOTS)))

    Agent(config.load(CONFIG), connect, Job, _stop_signals()).run()


work(sys.argv[5]) if len(sys.argv) > 5 else main()
