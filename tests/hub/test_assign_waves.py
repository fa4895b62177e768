# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module assign_waves in real ansible runs; what it did is read by the vendor's SDK."""

from __future__ import annotations

import uuid

import pytest
from azure.iot.hub import IoTHubRegistryManager
from azure.iot.hub.models import Twin

from tests.hub.ansible_run import module

HALVES = [{"wave": "canary", "percent": 50}, {"wave": "broad", "percent": 50}]


@pytest.fixture
def registry(azure):
    return IoTHubRegistryManager.from_connection_string(azure.connection_string)


@pytest.fixture
def site(azure):
    """Twenty devices with tags of their own."""
    name = f"site-{uuid.uuid4().hex[:8]}"
    azure.seed({f"{name}-{number}": {"tags": {"site": name, "rootwave": {"note": number}}} for number in range(20)})
    return name


@pytest.fixture
def assign(azure, site):
    def run(*flags, **arguments):
        how = {} if "lists" in arguments else {"where": f"tags.site = '{site}'", "salt": "plant-a", "percentages": HALVES}
        known = {"connection_string": azure.connection_string, "sku": "S3", "units": 4}
        return module(azure, "assign_waves", {**known, **how, **arguments}, *flags)

    return run


def waves(registry, site):
    found = {f"{site}-{number}": registry.get_twin(f"{site}-{number}").tags for number in range(20)}
    assert [tags["site"] for tags in found.values()] == [site] * 20
    assert [tags["rootwave"]["note"] for tags in found.values()] == list(range(20))
    return {name: tags["rootwave"].get("wave") for name, tags in found.items()}


def test_four_times(assign, registry, site):
    checked = assign("--check", "--diff")
    assert checked.result["changed"] and checked.result["counts"]["assigned"] == 20, checked.output
    assert set(waves(registry, site).values()) == {None}
    done = assign()
    found = waves(registry, site)
    assert done.result["waves"] == {name: list(found.values()).count(name) for name in ("broad", "canary")}
    assert set(found.values()) == {"canary", "broad"}
    versions = [registry.get_twin(name).version for name in found]
    assert not assign("--check").result["changed"]
    again = assign()
    assert not again.result["changed"] and again.result["counts"]["same"] == 20
    assert [registry.get_twin(name).version for name in found] == versions


def test_nobody_changes_waves_because_another_one_appears(azure, assign, registry, site):
    assign()
    before = waves(registry, site)
    azure.seed({f"{site}-new-{number}": {"tags": {"site": site}} for number in range(5)})
    ran = assign(only_unassigned=False)
    assert ran.result["counts"]["assigned"] == 5 and waves(registry, site) == before


@pytest.mark.parametrize("only_unassigned, kept", [(True, True), (False, False)])
def test_other_percentages_later(assign, registry, site, only_unassigned, kept):
    assign()
    before = waves(registry, site)
    ran = assign(percentages=[{"wave": "other", "percent": 100}], only_unassigned=only_unassigned)
    assert ran.result["changed"] is not kept
    assert (waves(registry, site) == before) is kept


def test_lists_and_one_that_is_not_there(assign, registry, site):
    ran = assign(lists={"canary": [f"{site}-0", "nobody"], "broad": [f"{site}-1"]})
    assert ran.code != 0 and ran.result["not_ok"] == [{"device_id": "nobody", "reason": "the hub does not know it"}]
    found = waves(registry, site)
    assert (found[f"{site}-0"], found[f"{site}-1"], found[f"{site}-2"]) == ("canary", "broad", None)


def test_another_writer_in_between(azure, assign, registry, site):
    registry.update_twin(f"{site}-3", Twin(tags={"theirs": 1}))
    azure.fault("status", status=412, method="PATCH", path=f"^/twins/{site}-3", count=1)
    assert assign().code == 0
    tags = registry.get_twin(f"{site}-3").tags
    assert tags["theirs"] == 1 and tags["rootwave"]["wave"] in ("canary", "broad")


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"percentages": [{"wave": "canary", "percent": 99}]}, "the percentages are 99 together, not 100"),
        ({"percentages": HALVES[:1] * 2}, "name each wave once"),
        ({"lists": {"a": ["d"], "b": ["d"]}}, "d is in two lists, a and b"),
    ],
)
def test_no_division(assign, registry, site, arguments, words):
    ran = assign(**arguments)
    assert ran.code != 0 and words in ran.result["msg"]
    assert set(waves(registry, site).values()) == {None}
