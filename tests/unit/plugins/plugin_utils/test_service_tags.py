# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Service tags: which prefixes, and what is refused. The two real files are read as well where they are."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from ansible_collections.rootwave.iot.plugins.plugin_utils.service_tags import (
    ServiceTagError,
    compare,
    pair_table,
    read,
    record,
    select,
)

from lab.hub.cloud.arm_resources import SERVICE_TAGS

REAL = sorted((Path(__file__).resolve().parents[5] / "shared" / "data" / "service-tags").glob("ServiceTags_Public_*.json"))
EAST, WEST, NOWHERE = "192.0.2.0/27", "198.51.100.0/25", "203.0.113.5/32"


def changed(**changes) -> dict:
    document = copy.deepcopy(SERVICE_TAGS)
    document.update(changes)
    return document


def test_regions_pairs_and_what_has_no_region():
    assert select(SERVICE_TAGS, "public", []).prefixes == (EAST, WEST, NOWHERE)
    both = select(SERVICE_TAGS, "public", ["East US"])
    assert both.regions == ("eastus", "westus") and both.prefixes == (EAST, WEST, NOWHERE)
    assert select(SERVICE_TAGS, "public", ["eastus"], pairs=False).prefixes == (EAST, NOWHERE)
    assert select(SERVICE_TAGS, "public", ["westus"], pairs=False).prefixes == (WEST, NOWHERE)
    six = select(SERVICE_TAGS, "public", ["eastus"], pairs=False, ipv6=True)
    assert (six.of_version(4), six.of_version(6)) == ([EAST, NOWHERE], ["2001:db8:1::/48"])
    assert (six.tag_change_number, six.file_change_number) == (42, 100)


def test_a_region_without_a_pair_is_named():
    document = changed()
    document["values"][2]["properties"]["region"] = "westeurope"  # now eastus's pair is unknown to the tag
    assert select(document, "public", ["eastus"]).unpaired == ("eastus",)


@pytest.mark.parametrize("asked", ["germanywestcentral", "germanywc", "Germany West Central"])
def test_the_tags_own_names_of_regions(asked):
    document = changed()
    document["values"][1]["properties"]["region"], document["values"][2]["properties"]["region"] = "germanywc", "germanyn"
    both = select(document, "public", [asked])
    assert both.regions == ("germanynorth", "germanywestcentral") and both.prefixes == (EAST, WEST, NOWHERE)


def test_pairs_go_both_ways():
    table = pair_table()
    one_way = {one for one, other in table.items() if table.get(other) != one}
    assert table["eastus"] == "westus" and table["westus"] == "eastus"
    assert one_way == {"brazilsouth", "brazilsoutheast", "usgovvirginia", "westindia", "westus3"}


@pytest.mark.parametrize(
    "document, words",
    [
        (changed(cloud="AzureGovernment"), "is for cloud 'AzureGovernment'"),
        (changed(values=[]), "has no tag AzureIoTHub"),
        (changed(values=[{"name": "AzureIoTHub", "properties": {"changeNumber": 1, "addressPrefixes": []}}]), "no prefix"),
        (
            changed(values=[{"name": "AzureIoTHub", "properties": {"changeNumber": 1, "addressPrefixes": ["10.0.0.0/33"]}}]),
            "10.0.0.0",
        ),
        (
            changed(values=[{"name": "AzureIoTHub", "properties": {"changeNumber": 1, "addressPrefixes": ["2001:db8::/48"]}}]),
            "no prefix",
        ),
        (
            changed(values=[{"name": "AzureIoTHub", "properties": {"changeNumber": 1, "addressPrefixes": ["0.0.0.0/0"]}}]),
            "everybody",
        ),
        (changed(values=[{"name": "AzureIoTHub", "properties": {"changeNumber": 1}}]), "no list named addressPrefixes"),
        (changed(values=[{"name": "AzureIoTHub", "properties": ["a"]}]), "stands twice, or has no properties"),
        (changed(values=[{"name": "AzureIoTHub.WestUS"}, *SERVICE_TAGS["values"]]), "stands twice, or has no properties"),
        (changed(values=[*SERVICE_TAGS["values"], SERVICE_TAGS["values"][0]]), "stands twice, or has no properties"),
        (changed(changeNumber="many"), "is no number"),
    ],
)
def test_refused(document, words):
    with pytest.raises(ServiceTagError, match=words):
        select(document, "public", [])


def test_unknown_region():
    with pytest.raises(ServiceTagError, match="no region marsnorth; it has eastus, westus"):
        select(SERVICE_TAGS, "public", ["marsnorth"])


@pytest.mark.parametrize("text", [json.dumps(SERVICE_TAGS)[:500], "", "[]", '{"values": 1}', "[" * 100_000])
def test_unreadable(text):
    with pytest.raises(ServiceTagError):
        read(text)


def test_drift():
    before = record(select(SERVICE_TAGS, "public", []))
    newer = changed()
    properties = newer["values"][0]["properties"]
    properties["changeNumber"] = "43"
    properties["addressPrefixes"] = [EAST, WEST, "203.0.113.6/32"]
    now = select(newer, "public", [])
    assert compare(now, before, 40) == {"added": ["203.0.113.6/32"], "removed": [NOWHERE]}
    with pytest.raises(ServiceTagError, match="1 of the record's 3 prefixes are gone, more than max_loss_percent 30"):
        compare(now, before, 30)
    with pytest.raises(ServiceTagError, match="older than the record's 43"):
        compare(select(SERVICE_TAGS, "public", []), record(now), 100)
    with pytest.raises(ServiceTagError, match="is for cloud china"):
        compare(now, {**before, "cloud": "china"}, 100)
    assert compare(now, None, 0)["added"] == list(now.prefixes)


def test_other_prefixes_under_the_same_number():
    """But for another choice of the same tag."""
    whole = record(select(SERVICE_TAGS, "public", []))
    other = changed()
    other["values"][0]["properties"]["addressPrefixes"] = [EAST, WEST, NOWHERE, "203.0.0.0/16"]
    with pytest.raises(ServiceTagError, match="changeNumber 42 and other prefixes"):
        compare(select(other, "public", []), whole, 100)
    assert compare(select(SERVICE_TAGS, "public", ["eastus"], pairs=False), whole, 100)["removed"] == [WEST]
    assert compare(select(SERVICE_TAGS, "public", [], ipv6=True), whole, 0)["added"]


def test_another_files_number_is_no_change():
    before = record(select(SERVICE_TAGS, "public", []))
    assert record(select(changed(changeNumber="999"), "public", [])) == before


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.name)
def test_real_files(path):
    document = read(path.read_text())
    everything = select(document, "public", [], ipv6=True)
    tag = next(item for item in document["values"] if item["name"] == "AzureIoTHub")
    assert set(everything.prefixes) == set(tag["properties"]["addressPrefixes"]) and len(everything.of_version(4)) > 300
    west = select(document, "public", ["westeurope"])
    assert west.regions == ("northeurope", "westeurope") and not west.unpaired
    public = {region for region in pair_table() if not region.startswith(("china", "usgov", "usdod"))}
    assert all(select(document, "public", [region]).unpaired == () for region in public)
    assert set(west.prefixes) < set(everything.prefixes) and len(west.prefixes) < 60
