# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A gateway of the lab with the agent on it, installed by install.sh from the tarball, and its module twin at the lab's hub."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import subprocess
import time
from pathlib import Path
from unittest import mock

from ansible_collections.rootwave.iot.plugins.filter.desired import desired
from ansible_collections.rootwave.iot.plugins.plugin_utils.campaign import load
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub.connect import connect
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub.errors import HubNotFound

from agent import build
from lab import config, containers, hub_config, pki
from lab.environment import environment
from tests.system.fleet import wait_until
from tests.unit.agent.signing import Signer

MODULE = "rootwave"
SETTINGS = {"retry_least": 0.5, "retry_most": 5.0, "keep_alive": 60}  # a test does not wait as long as a device may
STATE = "/var/lib/rootwave"
# seconds; on cgroups of version 1 systemd may miss the end of a killed service and waits for TimeoutStopSec
PATIENCE = 150.0


class Device:
    """``changes`` are fields of agent.json."""

    def __init__(self, lab: config.Lab, name: str, tarball: Path, signer: Signer, container: str = "", **changes) -> None:
        self.lab, self.name, self.signer = lab, name, signer
        self.container = container or f"{lab.network}-{name}"
        self.key = base64.b64encode(os.urandom(32)).decode()
        self.hub = LabHub(lab)
        self.settings = {"fleet": signer.fleet, "hub": config.HUB, "device": name, "key_file": "/etc/rootwave/agent.key"}
        self.settings |= {**SETTINGS, **changes}
        self._tarball = tarball
        self._serial = 0

    # at the device

    def execute(self, *argv: str, stdin: bytes = b"") -> subprocess.CompletedProcess:
        return containers.execute(self.lab, self.container, argv, stdin)

    def run(self, *argv: str, stdin: bytes = b"") -> str:
        done = self.execute(*argv, stdin=stdin)
        assert done.returncode == 0, f"{argv}: {done.stdout.decode()}{done.stderr.decode()}"
        return done.stdout.decode()

    def put(self, path: str, text: str | bytes, mode: str = "644") -> None:
        data = text.encode() if isinstance(text, str) else text
        self.run("sh", "-c", f"mkdir -p $(dirname {path}) && cat > {path} && chmod {mode} {path}", stdin=data)

    def json(self, path: str):
        done = self.execute("cat", path)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def install(self, *options: str) -> None:
        """The module identity, then what an image build or an administrator does; ``options`` are install.sh's."""
        with contextlib.suppress(HubNotFound):  # of an earlier test
            self.hub.delete_identity(self.name, module=MODULE)
        authentication = {"type": "sas", "symmetricKey": {"primaryKey": self.key, "secondaryKey": self.key}}
        self.hub.put_identity(self.name, {"authentication": authentication}, module=MODULE)
        self.put("/root/agent.tar.gz", self._tarball.read_bytes())
        self.put("/root/keys.json", json.dumps(self.signer.document))
        self.put("/root/agent.json", json.dumps(self.settings))
        self.put("/etc/rootwave/agent.key", self.key, "600")
        self.run("tar", "-C", "/root", "-xf", "/root/agent.tar.gz")
        self.run("/root/rootwave-agent/install.sh", *options, "/root/keys.json", "/root/agent.json")

    def status(self) -> dict:
        return self.json(f"{STATE}/agent-status.json") or {}

    def wait_connected(self) -> None:
        wait_until(lambda: self.status().get("connected"), f"{self.name} connected")

    def pending(self) -> list[str]:
        return self.execute("ls", f"{STATE}/pending").stdout.decode().split()

    def main_pid(self) -> str:
        return self.run("systemctl", "show", "--property=MainPID", "--value", "rootwave-agent").strip()

    def journal(self) -> str:
        return self.execute("journalctl", "--no-pager", "--output=cat", "-u", "rootwave-agent").stdout.decode()

    # at the hub

    def order(self, document: dict, **changes) -> dict:
        """Sign one phase and send it; the order."""
        self._serial += 1
        made = self.signer.phase(document, changes.pop("serial", self._serial), **changes)
        self.send({document["phase"]: made})
        return made

    def send(self, section: dict) -> None:
        self.hub.patch_twin(self.name, {"properties": {"desired": {"rootwave": section}}}, module=MODULE)

    def answer(self) -> dict:
        return self.hub.get_twin(self.name, MODULE)["properties"]["reported"].get("rootwave", {})

    def wait_for(self, phase: str, *states: str, order: dict | None = None) -> dict:
        """The device's answer about a phase once it is in one of these states (and about this order)."""

        def reached():
            said = self.answer().get(phase, {})
            mine = order is None or (said.get("id"), said.get("go")) == (order["id"], order["go"])
            return mine and said.get("state") in states

        deadline = time.monotonic() + PATIENCE
        while not reached():
            assert time.monotonic() < deadline, f"not {phase} {states}: {self.answer()}\n{self.journal()[-3000:]}"
            time.sleep(0.05)
        return self.answer()[phase]


def documents(lab: config.Lab):
    """phase -> the desired document of this lab's campaign, cut to one root in and one out: two orders must fit into a twin."""
    campaign = load(str(lab.state_dir / "campaign.yml"))
    campaign["present"] = [anchor for anchor in campaign["present"] if anchor["name"] == "lab-g2"]
    campaign["absent"] = [anchor for anchor in campaign["absent"] if anchor["name"] == "lab-baltimore"]
    campaign["policy"] = {**campaign["policy"], "confirm_within": 60}
    return _documents(campaign, [{"host": config.HUB, "port": 443, "role": "hub"}])


def documents_of(campaign: Path, endpoints: list[dict]):
    """phase -> the desired document of a campaign's file."""
    return _documents(load(str(campaign)), endpoints)


def _documents(campaign: dict, endpoints: list[dict]):
    def of(phase: str, undo: str | None = None, **more) -> dict:
        return {**desired(campaign, phase, endpoints, undo), **more}

    return of


def connection_string(lab: config.Lab) -> str:
    return hub_config.connection_string(json.loads((lab.state_dir / "hub.json").read_text()))


class LabHub:
    """The collection's own client. Its requests see the lab's environment, the tests that come after do not."""

    def __init__(self, lab: config.Lab) -> None:
        settings = json.loads((lab.state_dir / "hub.json").read_text())
        self._around = environment(settings, pki.roots_file(lab.state_dir))
        options = {"sku": "S1", "units": 20, "timeout": 30, "time_budget": 60, "implementation": "pipeline"}
        with self._inside():
            self._client = connect({**options, "connection_string": connection_string(lab)})

    def _inside(self):
        return mock.patch.dict(os.environ, self._around)

    def delete_identity(self, name: str, **which) -> None:
        with self._inside():
            self._client.delete_identity(name, **which)

    def put_identity(self, name: str, identity: dict, **which) -> None:
        with self._inside():
            self._client.put_identity(name, identity, **which)

    def patch_twin(self, name: str, patch: dict, **which) -> None:
        with self._inside():
            self._client.patch_twin(name, patch, **which)

    def get_twin(self, name: str, module: str = "") -> dict:
        with self._inside():
            return self._client.get_twin(name, module)


def make_tarball(folder: Path) -> Path:
    key = folder / "image.key"
    subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(key)], check=True)
    return build.tarball(folder, key)
