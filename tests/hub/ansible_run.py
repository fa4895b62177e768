# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real ``ansible`` runs against the lab's hub, as an operator would start them."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from lab.config import ROOT

PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")
CALLBACKS = {"ANSIBLE_CALLBACK_PLUGINS": str(Path(__file__).parent / "callbacks"), "ANSIBLE_CALLBACKS_ENABLED": "kept"}


@dataclass
class Ran:
    code: int
    result: dict
    output: str


def module(hub, name: str, arguments: dict, *flags: str) -> Ran:
    """One module of the collection on localhost; ``result`` is what it returned, failed or not, diff and warnings included."""
    with TemporaryDirectory(prefix="rw-hub-") as folder:
        kept, play = Path(folder, "result.json"), Path(folder, "play.json")
        play.write_text(
            json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [{f"rootwave.iot.{name}": arguments}]}])
        )
        done = run([PLAYBOOK, play, *flags], {**hub.environment, **CALLBACKS, "ROOTWAVE_KEPT": str(kept)})
        return Ran(done.returncode, json.loads(kept.read_text()) if kept.exists() else {}, done.stdout + done.stderr)


def run(argv: list, environment: dict) -> subprocess.CompletedProcess:
    settings = {
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "playbooks" / "collections"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
    }
    return subprocess.run(
        list(map(str, argv)), check=False, capture_output=True, text=True, env={**environment, **settings}, timeout=300
    )
