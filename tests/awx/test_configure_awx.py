# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""configure_awx.yml against a strict double of AWX's API: made once, found unchanged, shrunk with its campaign, taken away."""

from __future__ import annotations

import json
import re
import shlex
import subprocess

import pytest
import yaml
from ansible_collections.rootwave.iot.plugins.plugin_utils.awx_workflow import nodes_of
from ansible_collections.rootwave.iot.plugins.plugin_utils.campaign import load

from tests.awx.double import Double
from tests.awx.operator import COMMAND, COMMANDS, NAME, PLAYBOOK, SECRETS, Operator, store
from tests.awx.store import NODES
from tests.awx_table import launch, templates


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


def test_the_commands_of_the_docs():
    """What the tests run is what docs/awx.md says: three commands, of which two are the first one and a word more."""
    assert [shlex.split(one)[len(COMMAND) :] for one in COMMANDS] == [["--check"], [], ["-e", "awx_campaign_state=absent"]]
    assert all(shlex.split(one)[: len(COMMAND)] == COMMAND for one in COMMANDS)


def test_check_mode_tells_what_would_be_made(configured):
    _operator, checked, _first = configured
    told = (
        "organization Plant: would be made",
        f"job template {NAME} stage: would be made",
        f"workflow {NAME}: would be made",
        "approval approve-cutover",
        f"team campaign approvers: approval of {NAME}",
        f"user rootwave-gate: admin of {NAME}",
    )
    assert [words for words in told if words not in checked.stdout] == [], checked.stdout
    assert "would be taken away" not in checked.stdout


def test_everything_is_there_once(configured):
    operator, _checked, _first = configured
    kinds = ("assess", "gate", "help", "order", "report", "retire", "revert", "stage")
    assert names(operator, "job_templates") == [f"{NAME} {kind}" for kind in kinds]
    assert names(operator, "credentials") == [f"{NAME} gate", f"{NAME} gateways", f"{NAME} hub"]
    assert names(operator, "groups") == ["canary", "early"] and names(operator, "inventories") == [NAME, f"{NAME} waves"]
    assert names(operator, "inventory_sources") == [f"Auto-created source for: {NAME} waves", f"{NAME} hub"]
    assert names(operator, "schedules") == [f"{NAME} assess"]
    (workflow,) = operator.double.store.objects["workflow_job_templates"].values()
    assert workflow["allow_simultaneous"] is False


def test_the_workflow_is_the_campaigns(configured):
    """Node by node and way by way, as the pure function says."""
    operator, _checked, _first = configured
    kept = operator.double.store
    by_id = {one["id"]: one for one in kept.objects[NODES].values()}
    expected = nodes_of(load(str(operator.folder / "campaign.yml")), f"{NAME} hub")
    assert names(operator, NODES, "identifier") == sorted(node["identifier"] for node in expected)
    for node in expected:
        (found,) = [one for one in by_id.values() if one["identifier"] == node["identifier"]]
        runs = kept.find("unified_job_templates", found["unified_job_template"])
        expected_name = {"approval": node["name"], "source": node["template"], "job": f"{NAME} {node['template']}"}
        assert runs["name"] == expected_name[node["kind"]]
        assert (found.get("extra_data") or {}) == node["extra_data"]
        for way in ("success", "failure", "always"):
            ids = kept.associated.get((NODES, found["id"], f"{way}_nodes"), [])
            assert sorted(by_id[one]["identifier"] for one in ids) == sorted(node[way]), (node["identifier"], way)


def test_launches_of_the_tests_give_what_templates_have(configured):
    """tests/awx_table.py and AWX: the same playbook and variables but the survey's, and the gate's approvals."""
    operator, _checked, _first = configured
    made = {one["name"].removeprefix(f"{NAME} "): one for one in operator.double.store.objects["job_templates"].values()}
    answers = {"wave": "canary", "phase": "stage", "undo": "stage"}
    path = "/runner/project/campaigns/baltimore-to-digicert-g2.yml"
    for name, known in templates().items():
        asked = {question: answers[question] for question in known["asks"]}
        playbook, extra = launch(name, path, ["canary"], asked, workflow=NAME)
        surveyed = {f"rootwave_{question}" for question in asked}
        gates = {"rootwave_approvals", "rootwave_organization", "rootwave_approval_timeout"} if name == "gate" else set()
        given = json.loads(made[name]["extra_vars"])
        assert gates <= set(given) and made[name]["playbook"] == playbook
        assert {key: value for key, value in given.items() if key not in gates} == {
            key: value for key, value in extra.items() if key not in surveyed
        }


def test_the_gates_token_goes_to_nobody_unverified(configured):
    """AWX sets CONTROLLER_VERIFY_SSL from this input, to false where it is missing."""
    operator, _checked, _first = configured
    (gate,) = [one for one in operator.double.store.objects["credentials"].values() if one["name"] == f"{NAME} gate"]
    assert gate["inputs"]["verify_ssl"] is True


def test_surveys_know_the_campaigns_waves(configured):
    operator, _checked, _first = configured
    kept = operator.double.store
    (stage,) = [one for one in kept.objects["job_templates"].values() if one["name"].endswith(" stage")]
    (question,) = kept.surveys["job_templates", stage["id"]]["spec"]
    assert (question["variable"], question["choices"], question["required"]) == ("rootwave_wave", ["canary", "early"], True)


def test_jobs_take_the_inventory_by_wave(configured):
    """Its groups are read as AWX reads them, by the plugin of Ansible itself: by the group's name, or by the hub's tag."""
    operator, _checked, _first = configured
    kept = operator.double.store
    (waves,) = [one for one in kept.objects["inventories"].values() if one.get("kind") == "constructed"]
    (base,) = [one for one in kept.objects["inventories"].values() if one.get("kind") != "constructed"]
    assert kept.associated["inventories", waves["id"], "input_inventories"] == [base["id"]]
    assert {one["inventory"] for one in kept.objects["job_templates"].values()} == {waves["id"]}
    (source,) = [one for one in kept.objects["inventory_sources"].values() if one["inventory"] == waves["id"]]
    hosts = {"gw-1": {}, "gw-2": {"rootwave_twin_wave": "early"}, "gw-3": {"rootwave_twin_wave": "late"}}
    document = {"all": {"hosts": hosts, "children": {"canary": {"hosts": {"gw-1": {}}}}}}
    (operator.folder / "hosts.yml").write_text(yaml.safe_dump(document))
    (operator.folder / "constructed.yml").write_text(source["source_vars"])
    argv = [PLAYBOOK.with_name("ansible-inventory"), "--list", "-i", "hosts.yml", "-i", "constructed.yml"]
    done = subprocess.run(argv, cwd=operator.folder, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert (found["canary"]["hosts"], found["early"]["hosts"]) == (["gw-1"], ["gw-2"]), done.stderr


def test_people_have_what_they_need_and_no_more(configured):
    operator, _checked, _first = configured
    kept = operator.double.store
    team = {one["id"]: one["name"] for one in kept.objects["teams"].values()}
    rights = {
        (team[one], kept.roles[role][0], kept.roles[role][2])
        for (role, actors), granted in kept.granted.items()
        for one in granted
        if actors == "teams"
    }
    assert rights == {
        ("campaign operators", "job_templates", "execute"),
        ("campaign operators", "workflow_job_templates", "execute"),
        ("campaign approvers", "workflow_job_templates", "approval"),
    }
    run = [
        kept.roles[role][1] for (role, actors), granted in kept.granted.items() if granted and kept.roles[role][2] == "execute"
    ]
    of_templates = {kept.objects["job_templates"][one]["name"] for one in run if one in kept.objects["job_templates"]}
    assert of_templates == {f"{NAME} {kind}" for kind in ("assess", "report", "revert")}
    assert not any(one["ask_variables_on_launch"] for one in kept.objects["job_templates"].values())
    (user,) = kept.objects["users"].values()
    changes = [
        kept.roles[role] for (role, actors), granted in kept.granted.items() if actors == "users" and user["id"] in granted
    ]
    assert [(kind, role) for kind, _identity, role in changes] == [("workflow_job_templates", "admin")]


def test_a_second_run_changes_nothing_and_no_run_shows_a_secret(configured):
    """Neither by its own account nor by the double's; what the gate wrote into an approval stays."""
    operator, checked, first = configured
    (one,) = [
        found for found in operator.double.store.objects["workflow_approval_templates"].values() if "cutover" in found["name"]
    ]
    one["description"] = "PASS: 8 total, 8 done"
    again = operator.run("-vvv")
    assert again.returncode == 0 and "changed=0 " in again.stdout, again.stdout
    assert operator.double.writes == []
    assert one["description"] == "PASS: 8 total, 8 done"
    shown = checked.stdout + first.stdout + again.stdout
    assert not any(secret in shown for secret in SECRETS.values())


def test_nodes_of_a_wave_that_is_gone_go_and_the_rest_stays(configured):
    operator, _checked, _first = configured
    before = set(names(operator, NODES, "identifier"))
    checked = operator.run("--check", waves=["canary"])
    assert (checked.returncode, operator.double.writes) == (0, []), checked.stdout
    assert operator.run(waves=["canary"]).returncode == 0
    gone = before - set(names(operator, NODES, "identifier"))
    assert set(re.findall(r'node (\S+): would be taken away"', checked.stdout)) == gone, checked.stdout
    assert gone == {name for name in before if name.endswith("-early")} | {"approve-stage-canary", "approve-retire-canary"}


def test_all_of_it_is_taken_away(configured):
    operator, _checked, _first = configured
    checked = operator.run("-e", "awx_campaign_state=absent", "--check")
    assert (checked.returncode, operator.double.writes) == (0, []), checked.stdout
    assert f"project {NAME}: would be taken away" in checked.stdout
    assert not re.search("(organization|team|credential type) .*: would be taken away", checked.stdout), checked.stdout
    ended = operator.run("-e", "awx_campaign_state=absent")
    assert ended.returncode == 0, ended.stdout
    left = {kind for kind, kept in operator.double.store.objects.items() if kept}
    assert left <= {"organizations", "credential_types", "teams", "users"}, left
    assert "changed=0 " in operator.run("-e", "awx_campaign_state=absent").stdout
