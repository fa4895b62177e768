# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The three ways to run a playbook: from a plain clone, from an installed tarball, and as AWX does."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from lab.config import ROOT
from lab.fleet import client_key
from tests import tarball
from tests.system.fleet import ANSIBLE, environment

WAVES = ["trio"]


def run(argv, cwd: Path, **settings) -> str:
    done = subprocess.run(argv, cwd=cwd, env={**environment(), **settings}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def clone(tmp_path):
    subprocess.run(["git", "clone", "--quiet", ROOT, tmp_path / "clone"], check=True)
    return tmp_path / "clone"


def assert_assessed(fleet, output):
    for name in fleet.group("trio"):
        assert f"{name}    Debian" in output
    assert "Lab Baltimore CyberTrust Root" in output


def test_plain_clone_from_any_directory(fleet, clone):
    asked = ["-i", fleet.inventory(), "-e", f"rootwave_campaign={fleet.campaign(WAVES)}"]
    assert_assessed(fleet, run([ANSIBLE, clone / "playbooks" / "assess_fleet.yml", *asked], Path("/")))
    output = run([ANSIBLE, "playbooks/stage_campaign.yml", *asked], clone)
    assert fleet.outcomes(fleet.group("trio")) == {"done"}, output


def test_installed_tarball(fleet, tmp_path):
    tarball.install(tmp_path / "collections")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    asked = ["-i", fleet.inventory(), "-e", f"rootwave_campaign={fleet.campaign(WAVES)}"]
    settings = {"ANSIBLE_COLLECTIONS_PATH": str(tmp_path / "collections")}
    assert_assessed(fleet, run([ANSIBLE, "rootwave.iot.assess_fleet", *asked], elsewhere, **settings))
    output = run([ANSIBLE, "rootwave.iot.stage_campaign", *asked], elsewhere, **settings)
    assert fleet.outcomes(fleet.group("trio")) == {"done"}, output


@contextlib.contextmanager
def read_only(folder):
    """Modes do not bind root, a mount does."""
    subprocess.run(["mount", "--bind", folder, folder], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
        with pytest.raises(OSError, match="Read-only"):
            (folder / "new").touch()
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)  # masters of ssh still stand in there


def test_ansible_runner_as_awx_does(fleet, clone, tmp_path):
    """Project on a read-only mount, credentials by file and environment, no home directory."""
    private = tmp_path / "private"
    for folder in ("env", "inventory"):
        (private / folder).mkdir(parents=True)
    clone.rename(private / "project")
    inventory = yaml.safe_load(fleet.inventory().read_text())
    del inventory["fleet"]["vars"]["ansible_ssh_private_key_file"]
    (private / "inventory" / "hosts.yml").write_text(yaml.safe_dump(inventory))
    (private / "env" / "ssh_key").write_text(client_key(fleet.lab).read_text())
    (private / "env" / "extravars").write_text(yaml.safe_dump({"rootwave_campaign": str(fleet.campaign(WAVES))}))
    settings = {
        "HOME": "/nonexistent",
        "ANSIBLE_HOME": str(tmp_path / "ansible"),
        "PATH": f"{ANSIBLE.parent}:{os.environ['PATH']}",
    }
    runner = Path(sys.executable).with_name("ansible-runner")
    with read_only(private / "project"):
        for playbook in ("assess_fleet", "stage_campaign"):
            output = run([runner, "run", private, "--playbook", f"playbooks/{playbook}.yml"], tmp_path, **settings)
    assert fleet.outcomes(fleet.group("trio")) == {"done"}, output
    assert not Path(settings["HOME"]).exists()
