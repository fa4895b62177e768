# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker's world: a gateway in a folder, keys, and the twin's section that it works on."""

from __future__ import annotations

import json
import os

from gateway import files

from agent import config, records
from agent.worker import Worker
from tests.unit.agent.signing import Signer
from tests.unit.plugins.module_utils.gateway.certificates import G2_SHA256
from tests.unit.plugins.module_utils.gateway.debian_gateway import NEW, OLD, Gateway


class Device:
    """A worker's world; ``do`` runs one job as the agent would and returns the records."""

    def __init__(self, folder):
        self.gateway = Gateway(folder / "gateway")
        os.makedirs(self.gateway.state_dir)
        self.signer = Signer()
        self.config = config.Config("test", "hub.example", "gw", state_dir=self.gateway.state_dir)
        self.install(self.signer)
        self.section: dict = {}
        self.told = 0

    def install(self, signer):
        path = self.config.path("keys.json")
        files.write_json(path, signer.document, mode=0o644)

    def order(self, phase, serial, payload=None, **changes):
        """Put an order about a one-endpoint campaign into the twin's section."""
        self.section[phase] = self.signer.phase(document(phase, **changes), serial, **(payload or {}))

    def do(self, job="orders"):
        worker_ = Worker(self.config, self._tell, self.gateway)
        worker_.run(job, json.loads(json.dumps(self.section)))
        return records.load(self.config.state_dir)

    def _tell(self):
        self.told += 1

    def ratchet(self):
        return files.read_json(self.config.path("ratchet.json"))


def document(phase, **changes):
    made = {"schema": 1, "campaign": "test", "digest": "0" * 64, "phase": phase, "undo": None, "present": [NEW], "absent": [OLD]}
    made |= {"endpoints": [{"host": "hub.example", "port": 443}], "confirm_within": 60}
    return {**made, "safe_after": {"date": "2024-09-30", "source": "https://example.com"}, **changes}


def staged(device):
    device.order("stage", 1)
    assert device.do()["stage"]["state"] == "proved"
    device.gateway.needs = G2_SHA256
