# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What configure_awx.yml refuses before it writes anything, what AWX refuses of it."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from lab import config
from tests.awx.double import Double
from tests.awx.operator import NAME, PLAYBOOK, SECRETS, Operator, store
from tests.awx.store import Refused


@pytest.mark.parametrize(
    "more, waves, words",
    [
        ("awx_campaign_slices=0", ["canary"], "it must be at least 1"),
        ("awx_campaign_slices=5", [{"group": "canary", "expect": 4}, "early"], "as the smallest wave expects gateways (4)"),
        ("awx_campaign_approval_timeout=0", ["canary"], "must be from 1 to the campaign's evidence_max_age (86400)"),
        ("awx_campaign_approval_timeout=86401", ["canary"], "for what is approved later is refused"),
        ('{"awx_campaign_wave_rules": {"carnary": "true"}}', ["canary"], "has carnary; the campaign's waves are canary"),
    ],
)
@pytest.mark.parametrize("mode", [[], ["--check"]])
def test_what_could_not_go_through_is_refused(tmp_path, more, waves, words, mode):
    with Double(store()) as double:
        ended = Operator(tmp_path, double).run("-e", more, *mode, waves=waves)
        assert ended.returncode != 0 and words in " ".join(ended.stdout.split()), ended.stdout
        assert double.writes == []


OURS = str(config.ROOT / "playbooks" / "collections")


@pytest.mark.parametrize(
    "args, environ, words",
    [
        ([], {"ANSIBLE_COLLECTIONS_PATH": OURS}, "'awx.awx.controller_api' was not found"),
        ([], {"CONTROLLER_OAUTH_TOKEN": "another"}, "Invalid"),
        ([], {"CONTROLLER_HOST": "http://127.0.0.1:9"}, "refused"),
    ],
)
def test_awx_cannot_be_asked(tmp_path, args, environ, words):
    with Double(store()) as double:
        ended = Operator(tmp_path, double).run(*args, **environ)
        said = " ".join(ended.stdout.split())
        assert ended.returncode != 0 and words in said and "It takes the collection awx.awx" in said, said
        assert double.writes == []


def test_a_project_without_the_collection(tmp_path):
    """Neither the project nor the image has it: no play begins, and docs/awx.md knows the words."""
    shutil.copytree(config.ROOT / "playbooks", tmp_path / "playbooks", ignore=shutil.ignore_patterns("collections"))
    asked = ["-i", "localhost,", "-e", "rootwave_phase=stage", "-e", "rootwave_wave=canary", "-e", "rootwave_campaign=none.yml"]
    env = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(tmp_path)}
    argv = [PLAYBOOK, tmp_path / "playbooks" / "run_wave.yml", *asked]
    ended = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    words = "the role 'rootwave.iot.wave_gate' was not found"
    assert ended.returncode != 0 and words in ended.stderr and "PLAY" not in ended.stdout, ended.stderr
    assert words in (config.ROOT / "docs" / "awx.md").read_text()


@pytest.mark.parametrize("secret", ["ROOTWAVE_SSH_KEY", "ROOTWAVE_GATE_TOKEN"])
def test_a_secret_that_is_not_given(tmp_path, secret):
    with Double(store()) as double:
        ended = Operator(tmp_path, double).run(secrets={key: value for key, value in SECRETS.items() if key != secret})
    assert ended.returncode != 0 and f"'{secret}' is not set" in ended.stdout and not double.store.objects["credentials"], (
        ended.stdout
    )


@pytest.mark.parametrize(
    "more, words", [({"syncs": False}, f"Project Update - {NAME}, failed"), ({"playbooks": []}, "Playbook not found for project")]
)
def test_a_project_that_is_not_what_it_should_be(tmp_path, more, words):
    with Double(store(**more)) as double:
        ended = Operator(tmp_path, double).run()
    assert ended.returncode != 0 and words in ended.stdout, ended.stdout
    assert not double.store.objects["workflow_job_templates"]


@pytest.mark.parametrize(
    "endpoint, data, words",
    [
        ("organizations", {"name": "Other", "colour": "red"}, "this field is not known"),
        ("organizations", {"name": "Plant"}, "already exists"),
        ("organizations", {}, "This field is required"),
        ("projects", {"name": "one", "organization": 999}, "object does not exist"),
        ("inventories", {"name": 7, "organization": 1}, "is of another type"),
        ("job_templates", {"name": "one", "project": 999, "playbook": "x.yml"}, "object does not exist"),
    ],
)
def test_the_double_is_strict(endpoint, data, words):
    with pytest.raises(Refused, match=words):
        made = store()
        made.create("organizations", {"name": "Plant"})
        made.create(endpoint, data)


@pytest.mark.parametrize(
    "endpoint, field", [("organizations", "colour"), ("projects", "organization__colour"), ("projects", "playbook__name")]
)
def test_the_double_finds_no_field_that_is_not_there(endpoint, field):
    with pytest.raises(Refused, match=f"no field named '.*{field.rpartition('__')[2]}'"):
        store().search(endpoint, {field: "red"})
