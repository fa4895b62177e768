# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What deploy_agent is given, in check mode on this machine: nothing is installed. Really: tests/system/test_agent_around.py."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.agent.signing import Signer
from tests.unit.test_rules import ROOT

PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")


@pytest.fixture
def desk(tmp_path):
    """Where somebody stands who deploys: keys and a package, each named from here."""
    (tmp_path / "signed").mkdir()
    (tmp_path / "signed" / "keys-1.json").write_text(json.dumps(Signer("plant-north").document))
    (tmp_path / "rootwave-agent.pyz").write_bytes(b"")
    return tmp_path


def deploy(desk, **changes):
    variables = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "ansible_become": False,
        "trust_agent_front_end": "inbox",  # no identity at a hub
        "trust_agent_hub": "my-hub.azure-devices.net",
        "trust_agent_fleet": "plant-north",
        "trust_agent_keys_file": "signed/keys-1.json",
        "trust_agent_package": "rootwave-agent.pyz",
        **changes,
    }
    argv = [PLAYBOOK, ROOT / "playbooks" / "deploy_agent.yml", "-i", "device,", "--check", "-e", json.dumps(variables)]
    done = subprocess.run(list(map(str, argv)), cwd=desk, check=False, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout + done.stderr


def test_files_are_named_from_where_you_are(desk):
    code, said = deploy(desk)
    assert code == 0 and "item=/var/lib/rootwave/keys.json" in said, said


@pytest.mark.parametrize("wrong", [{"trust_agent_keys_file": "keys-1.json"}, {"trust_agent_fleet": "plant-south"}])
def test_keys_that_are_not_there_or_another_fleets_stop_it_before_anything_is_installed(desk, wrong):
    code, said = deploy(desk, **wrong)
    fleet = wrong.get("trust_agent_fleet", "plant-north")
    assert code != 0 and f"is no file of the keys of fleet {fleet}" in said and "Make the folders" not in said, said
