# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The execution environment runs a campaign as AWX would: a container, an id that nobody knows, a project nobody can write to."""

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.rootwave.iot.plugins.plugin_utils import packages

from lab import openssl
from tests import execution_environment as ee
from tests.system import ee_image
from tests.system.allowlist_site import trio
from tests.system.awx_job import UID, Job
from tests.system.fleet import Fleet

NAME = "ee" + os.environ.get("PYTEST_XDIST_WORKER", "")
WAVES = ["trio"]
CLONE = "/runner/project/playbooks/collections/ansible_collections/rootwave/iot/"


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    yield from trio(NAME, tmp_path_factory.mktemp("inventory"))


@pytest.fixture(scope="module")
def image(lab, tmp_path_factory):
    """Made of a context that the unit tests find complete."""
    context = ee_image.context(tmp_path_factory.mktemp("ee"))
    assert ee.problems(context) == []
    return ee_image.build(lab, context)


@pytest.fixture
def job(fleet, tmp_path):
    made = Job(fleet.lab, tmp_path / "private", fleet.campaign(WAVES))
    yield made
    made.remove()


def assert_staged(fleet: Fleet, roots):
    assert fleet.outcomes(fleet.gateways) == {"done"}
    for name, gateway in fleet.gateways.items():
        assert openssl.trusts_in_every_form(fleet.lab, gateway, roots["lab-g2"].pem), name


def assert_nothing_changed(fleet: Fleet, before: dict[str, str]):
    assert fleet.outcomes(fleet.gateways) == {"untouched"}
    assert {name: fleet.trust_files(name) for name in fleet.gateways} == before


def test_stage_as_awx_does(fleet, roots, image, job):
    for gateway in fleet.gateways.values():
        assert not openssl.trusts(fleet.lab, gateway, roots["lab-g2"].pem)
    ended = job.run(image, "stage_campaign")
    assert (ended.code, ended.status) == (0, "successful"), ended.output
    assert ended.stats["changed"] == dict.fromkeys(fleet.gateways, 1)
    assert (ended.stats["failures"], ended.stats["dark"]) == ({}, {})
    assert "gate: pass: 3 total, 3 done" in ended.output
    assert_staged(fleet, roots)
    assert (job.private / "artifacts" / "1").stat().st_uid == UID
    # the image has the collection too; what ran is the clone's
    assert ended.task_files and all(path.startswith(CLONE) for path in ended.task_files)

    again = job.run(image, "stage_campaign")
    assert (again.code, again.status, again.stats["changed"]) == (0, "successful", {}), again.output


def test_what_a_job_can_reach_and_write(image, job):
    """What the other tests rest on: a network that leads nowhere, a project and an image that stay as they are."""
    shown = job.execute(image, ["ip", "-json", "route"])
    assert [route["dst"] for route in json.loads(shown.stdout)] == [job.lab.address(0) + "/24"]
    for place, words in {"/runner/project/playbooks/new": "Read-only", "/usr/new": "Read-only", "/etc/new": "Read-only"}.items():
        done = job.execute(image, ["touch", place])
        assert done.returncode != 0 and words in done.stderr.decode()
    assert job.execute(image, ["sh", "-c", "touch ~/new && id --user"]).stdout.split() == [str(UID).encode()]


def test_inventory_sources_find_the_collection(image, job):
    """There AWX names the inventory's own folder as the one of playbooks, so the image must have the collection."""
    asked = ["ansible-doc", "--playbook-dir", "/runner/project/inventories/example", "--type", "inventory", "--json"]
    done = job.execute(image, [*asked, "rootwave.iot.hub"])
    assert json.loads(done.stdout)["rootwave.iot.hub"]["doc"]["name"] == "hub", done.stderr.decode()


def test_streamed_to_a_container_group(fleet, roots, image, job, tmp_path):
    """The links of a clone survive ansible-runner's archive, and the campaign runs from it."""
    ended = job.stream(image, "stage_campaign", tmp_path / "streamed")
    assert (ended.code, ended.status) == (0, "successful"), ended.output
    assert ended.stats["changed"] == dict.fromkeys(fleet.gateways, 1)
    assert_staged(fleet, roots)


def test_a_package_is_missing_in_the_image(fleet, lab, image, job):
    before = {name: fleet.trust_files(name) for name in fleet.gateways}
    ended = job.run(ee_image.without(lab, image, "jsonschema"), "stage_campaign")
    assert (ended.status, ended.stats) == ("failed", {}), ended.output
    said = [line for line in ended.output.splitlines() if "ERROR" in line]
    assert len(said) == 1, ended.output
    assert "jsonschema cannot be imported by /usr/bin/python3" in said[0]
    assert f"pip install jsonschema; {packages.WHERE}" in said[0]
    assert "Traceback" not in ended.output
    assert_nothing_changed(fleet, before)
