# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who runs configure_awx.yml as docs/awx.md says it, and a double with an organization and nothing else."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import yaml

from lab import config
from tests.awx import collection
from tests.awx.double import TOKEN, Double
from tests.awx.store import Store

NAME = "baltimore-to-digicert-g2"
SECRETS = {
    "ROOTWAVE_SSH_KEY": "an ssh key",
    "ROOTWAVE_HUB_CONNECTION_STRING": "HostName=a secret",
    "ROOTWAVE_GATE_TOKEN": "a token",
}
PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")
# docs/awx.md gives it, plain, to look first and to take all away
COMMANDS = re.findall(r"^ansible-playbook .*", (config.ROOT / "docs" / "awx.md").read_text(), re.MULTILINE)
COMMAND = shlex.split(min(COMMANDS, key=len))
PLAYBOOKS = [f"playbooks/{path.name}" for path in (config.ROOT / "playbooks").glob("*.yml")]


def store(**more) -> Store:
    collection.install()
    made = Store(collection.MODULES, **{"playbooks": PLAYBOOKS, **more})
    made.create("users", {"username": "rootwave-gate"})
    return made


def campaign(folder: Path, waves) -> Path:
    document = yaml.safe_load((config.ROOT / "campaigns" / f"{NAME}.yml").read_text())
    anchors = document["anchors"]
    anchors["present"] = [one for one in anchors["present"] if "file" in one]  # the third one is fetched
    for one in [*anchors["present"], *anchors["absent"]]:
        one["file"] = str(config.ROOT / "campaigns" / one["file"])
    path = folder / "campaign.yml"
    path.write_text(yaml.safe_dump({**document, "waves": waves}))
    return path


class Operator:
    """Runs configure_awx.yml as docs/awx.md says it."""

    def __init__(self, folder: Path, double: Double):
        self.folder, self.double = folder, double

    def environ(self, secrets: dict) -> dict[str, str]:
        env = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "CONTROLLER_", "ROOTWAVE_"))}
        env |= {"CONTROLLER_HOST": self.double.url, "CONTROLLER_OAUTH_TOKEN": TOKEN, "ANSIBLE_NOCOLOR": "1", **secrets}
        env["ANSIBLE_COLLECTIONS_PATH"] = f"{config.ROOT / 'playbooks' / 'collections'}:{collection.ROOT}"
        return env

    def run(self, *args: str, waves=("canary", "early"), secrets=None, **environ: str) -> subprocess.CompletedProcess:
        """``environ`` is what else the shell has."""
        self.double.writes.clear()
        env = {**self.environ(SECRETS if secrets is None else secrets), **environ}
        argv = [PLAYBOOK, *COMMAND[1:], "-e", f"rootwave_campaign={campaign(self.folder, list(waves))}", *args]
        return subprocess.run(argv, cwd=config.ROOT, env=env, capture_output=True, text=True, check=False)

    def gate(self, identifier: str, name: str, description: str) -> subprocess.CompletedProcess:
        """What judge_wave.yml does with its result, on the table's variables."""
        tasks = [{"ansible.builtin.import_role": {"name": "rootwave.iot.wave_gate", "tasks_from": "approval.yml"}}]
        about = {"rootwave_workflow": NAME, "rootwave_organization": "Plant", "rootwave_approval_timeout": 86400}
        known = {"wave_gate_approval": {"identifier": identifier, "name": name}, "wave_gate_result": {"description": description}}
        play = {"name": "Gate", "hosts": "localhost", "gather_facts": False, "vars": {**about, **known}, "tasks": tasks}
        (self.folder / "gate.yml").write_text(yaml.safe_dump([play]))
        return subprocess.run(
            [PLAYBOOK, self.folder / "gate.yml"], env=self.environ(SECRETS), capture_output=True, text=True, check=False
        )


__all__ = ("COMMAND", "COMMANDS", "NAME", "PLAYBOOK", "SECRETS", "Operator", "store")
