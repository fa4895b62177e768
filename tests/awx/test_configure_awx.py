# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""configure_awx.yml against a strict double of AWX's API: made once, found unchanged, shrunk with its campaign, taken away."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from ansible_collections.rootwave.iot.plugins.plugin_utils.awx_workflow import nodes_of
from ansible_collections.rootwave.iot.plugins.plugin_utils.campaign import load

from lab import config
from tests.awx import collection
from tests.awx.double import TOKEN, Double
from tests.awx.store import NODES, Refused, Store

NAME = "baltimore-to-digicert-g2"
SECRETS = {
    "ROOTWAVE_SSH_KEY": "an ssh key",
    "ROOTWAVE_HUB_CONNECTION_STRING": "HostName=a secret",
    "ROOTWAVE_GATE_TOKEN": "a token",
}
PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")
PLAYBOOKS = [f"playbooks/{path.name}" for path in (config.ROOT / "playbooks").glob("*.yml")]


def store(**more) -> Store:
    collection.install()
    made = Store(collection.MODULES, **{"playbooks": PLAYBOOKS, **more})
    made.create("organizations", {"name": "Plant"})
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

    def run(self, *args: str, waves=("canary", "early"), secrets=SECRETS) -> subprocess.CompletedProcess:
        self.double.writes.clear()
        env = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "CONTROLLER_", "ROOTWAVE_"))}
        env |= {"CONTROLLER_HOST": self.double.url, "CONTROLLER_OAUTH_TOKEN": TOKEN, "ANSIBLE_NOCOLOR": "1", **secrets}
        env["ANSIBLE_COLLECTIONS_PATH"] = f"{config.ROOT / 'playbooks' / 'collections'}:{collection.ROOT}"
        asked = ["-e", "@inventories/example/awx.yml", "-e", f"rootwave_campaign={campaign(self.folder, list(waves))}", *args]
        argv = [PLAYBOOK, "playbooks/configure_awx.yml", *asked]
        return subprocess.run(argv, cwd=config.ROOT, env=env, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def configured(tmp_path_factory):
    """(Operator, what --check said, what the first run said) of an AWX that had nothing but an organization."""
    with Double(store()) as double:
        operator = Operator(tmp_path_factory.mktemp("awx"), double)
        checked = operator.run("--check")
        assert (checked.returncode, double.writes) == (0, []), checked.stdout + checked.stderr
        first = operator.run()
        assert first.returncode == 0, first.stdout + first.stderr
        yield operator, checked, first


def names(operator, endpoint, key="name"):
    return sorted(one[key] for one in operator.double.store.objects[endpoint].values())


def test_check_mode_tells_what_would_be_made(configured):
    _operator, checked, _first = configured
    for words in (f"job template {NAME} stage: would be made", f"workflow {NAME}: would be made", "approval approve-cutover"):
        assert words in checked.stdout, checked.stdout


def test_everything_is_there_once(configured):
    operator, _checked, _first = configured
    kinds = ("assess", "gate", "order", "report", "retire", "revert", "stage")
    assert names(operator, "job_templates") == [f"{NAME} {kind}" for kind in kinds]
    assert names(operator, "credentials") == [f"{NAME} gate", f"{NAME} gateways", f"{NAME} hub"]
    assert names(operator, "groups") == ["canary", "early"] and names(operator, "inventory_sources") == ["hub"]
    assert names(operator, "schedules") == [f"{NAME} assess"]
    (workflow,) = operator.double.store.objects["workflow_job_templates"].values()
    assert workflow["allow_simultaneous"] is False


def test_the_workflow_is_the_campaigns(configured):
    """Node by node and way by way, as the pure function says."""
    operator, _checked, _first = configured
    kept = operator.double.store
    by_id = {one["id"]: one for one in kept.objects[NODES].values()}
    expected = nodes_of(load(str(operator.folder / "campaign.yml")), NAME, "Plant", 259200)
    assert names(operator, NODES, "identifier") == sorted(node["identifier"] for node in expected)
    for node in expected:
        (found,) = [one for one in by_id.values() if one["identifier"] == node["identifier"]]
        runs = kept.find("unified_job_templates", found["unified_job_template"])
        assert runs["name"] == (node["name"] if node["kind"] == "approval" else f"{NAME} {node['template']}")
        assert (found.get("extra_data") or {}) == node["extra_data"]
        for way in ("success", "failure", "always"):
            ids = kept.associated.get((NODES, found["id"], f"{way}_nodes"), [])
            assert sorted(by_id[one]["identifier"] for one in ids) == sorted(node[way]), (node["identifier"], way)


def test_surveys_know_the_campaigns_waves(configured):
    operator, _checked, _first = configured
    kept = operator.double.store
    (stage,) = [one for one in kept.objects["job_templates"].values() if one["name"].endswith(" stage")]
    (question,) = kept.surveys["job_templates", stage["id"]]["spec"]
    assert (question["variable"], question["choices"], question["required"]) == ("rootwave_wave", ["canary", "early"], True)


def test_people_have_what_they_need_and_no_more(configured):
    operator, _checked, _first = configured
    kept = operator.double.store
    team = {one["id"]: one["name"] for one in kept.objects["teams"].values()}
    rights = {
        (team[one], kept.roles[role][0], kept.roles[role][2])
        for (role, _actors), granted in kept.granted.items()
        for one in granted
    }
    assert rights == {
        ("campaign operators", "job_templates", "execute"),
        ("campaign operators", "workflow_job_templates", "execute"),
        ("campaign approvers", "workflow_job_templates", "approval"),
    }


def test_no_secret_is_shown(configured):
    operator, checked, first = configured
    shown = checked.stdout + first.stdout + operator.run("-vvv").stdout
    assert not any(secret in shown for secret in SECRETS.values())


def test_a_second_run_changes_nothing(configured):
    """Neither by its own account nor by the double's."""
    operator, _checked, _first = configured
    again = operator.run()
    assert again.returncode == 0 and "changed=0 " in again.stdout, again.stdout
    assert operator.double.writes == []


def test_what_the_gate_wrote_into_an_approval_stays(configured):
    operator, _checked, _first = configured
    (one,) = [
        found for found in operator.double.store.objects["workflow_approval_templates"].values() if "cutover" in found["name"]
    ]
    one["description"] = "PASS: 8 total, 8 done"
    assert "changed=0 " in operator.run().stdout
    assert one["description"] == "PASS: 8 total, 8 done"


def test_nodes_of_a_wave_that_is_gone_go_and_the_rest_stays(configured):
    operator, _checked, _first = configured
    before = set(names(operator, NODES, "identifier"))
    assert operator.run(waves=["canary"]).returncode == 0
    gone = before - set(names(operator, NODES, "identifier"))
    assert gone == {name for name in before if name.endswith("-early")} | {"approve-stage-canary", "approve-retire-canary"}
    assert "changed=0 " in operator.run(waves=["canary"]).stdout


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


def test_all_of_it_is_taken_away(tmp_path):
    with Double(store()) as double:
        operator = Operator(tmp_path, double)
        assert operator.run().returncode == 0
        ended = operator.run("-e", "awx_campaign_state=absent")
        assert ended.returncode == 0, ended.stdout
        left = {kind: [one["name"] for one in kept.values()] for kind, kept in double.store.objects.items() if kept}
        assert "changed=0 " in operator.run("-e", "awx_campaign_state=absent").stdout
    assert set(left) <= {"organizations", "credential_types"}, left


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
        store().create(endpoint, data)


def test_the_double_finds_no_field_that_is_not_there():
    with pytest.raises(Refused, match="no field named 'colour'"):
        store().search("organizations", {"colour": "red"})
