# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where prefixes come from, and the words that say so. The two real files are read as well where they are."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest
from ansible_collections.rootwave.iot.plugins.plugin_utils import address_sources, service_tags
from ansible_collections.rootwave.iot.plugins.plugin_utils.prefixes import PUBLIC, PrefixError, must_be_usable, union

from .azure_tags import DOCUMENT, NORTH, NOWHERE, SIX, WEST

REAL = sorted((Path(__file__).resolve().parents[5] / "shared" / "data" / "service-tags").glob("ServiceTags_Public_*.json"))


def shown(named):
    return [(str(network), source) for network, source in named]


def tagged(tags, document=None, **options):
    document = document or DOCUMENT
    chosen = service_tags.select(document, "public", address_sources.regions_of(tags), **options)
    return address_sources.of_tags(document, chosen)


def test_each_prefix_by_the_tag_that_has_it():
    whole, west, north = "AzureIoTHub, change 42", "AzureIoTHub.WestEurope, change 7", "AzureIoTHub.NorthEurope, change 5"
    assert shown(tagged(["AzureIoTHub.WestEurope"])) == [(WEST, west), (NORTH, north), (NOWHERE, whole)]
    assert shown(tagged(["AzureIoTHub.westeurope"], pairs=False, ipv6=True)) == [(WEST, west), (NOWHERE, whole), (SIX, west)]
    assert shown(tagged(["AzureIoTHub"])) == [(WEST, whole), (NORTH, whole), (NOWHERE, whole)]
    assert shown(tagged(["AzureIoTHub.WestEurope", "AzureIoTHub"])) == shown(tagged(["AzureIoTHub"]))
    with pytest.raises(PrefixError, match="'AzureStorage' is not AzureIoTHub"):
        address_sources.regions_of(["AzureStorage"])


def test_a_result_of_the_sibling():
    result = {"ipv4": [WEST, NOWHERE], "ipv6": [SIX], "regions": ["northeurope", "westeurope"], "tag_change_number": 42}
    source = "AzureIoTHub (northeurope, westeurope), change 42"
    assert shown(address_sources.of_result(result, ipv6=False)) == [(WEST, source), (NOWHERE, source)]
    assert shown(address_sources.of_result({**result, "regions": []}, ipv6=True))[2] == (SIX, "AzureIoTHub, change 42")
    for broken in ({}, {**result, "ipv4": None}, {**result, "tag_change_number": "x"}, {"failed": True}):
        with pytest.raises(PrefixError, match="neither a file nor a result"):
            list(address_sources.of_result(broken, ipv6=True))


def test_names_to_resolve():
    assert address_sources.hosts_of(["Hub-A.azure-devices.net.", "hub-a.azure-devices.net"], []) == ["hub-a.azure-devices.net"]
    kinds = ["classic", "device", "service"]
    assert address_sources.hosts_of(["hub-a.device.azure-devices.net", "global.azure-devices-provisioning.net"], kinds) == [
        "hub-a.azure-devices.net",
        "hub-a.device.azure-devices.net",
        "hub-a.service.azure-devices.net",
        "global.azure-devices-provisioning.net",
    ]
    for address in ("20.1.2.3", "2603::1", "[2603::1]", "fe80::1%eth0"):
        with pytest.raises(PrefixError, match="is an address, not a name; give it in extra"):
            address_sources.hosts_of([address], [])


def test_answers():
    answers = {"hub-a.azure-devices.net": ["20.1.2.3", "2603:1030::1"]}
    source = "DNS hub-a.azure-devices.net 2026-11-23"
    assert shown(address_sources.of_answers(answers, "2026-11-23", ipv6=False)) == [("20.1.2.3/32", source)]
    assert shown(address_sources.of_answers(answers, "2026-11-23", ipv6=True))[1] == ("2603:1030::1/128", source)
    with pytest.raises(PrefixError, match="six.example has no address here but IPv6 ones; ipv6: true takes them"):
        list(address_sources.of_answers({"six.example": ["2603:1030::1"]}, "2026-11-23", ipv6=False))
    with pytest.raises(PrefixError, match="none.example has no address here$"):
        list(address_sources.of_answers({"none.example": []}, "2026-11-23", ipv6=True))


def test_private_endpoints():
    rows = [{"name": "pe-1", "addresses": ["10.1.0.4", "10.1.0.5"], "state": "Approved"}]
    assert shown(address_sources.of_private_endpoints(rows, ipv6=False)) == [
        ("10.1.0.4/32", "private endpoint pe-1"),
        ("10.1.0.5/32", "private endpoint pe-1"),
    ]
    with pytest.raises(PrefixError, match="private_endpoints.1: pe-2 has no addresses; hub_info's missing_evidence"):
        list(address_sources.of_private_endpoints([*rows, {"name": "pe-2", "addresses": []}], ipv6=False))


@pytest.mark.parametrize(
    "row, words",
    [
        ({"prefix": "20.1.2.1/24", "source": "mine"}, "extra.0: 20.1.2.1/24 has host bits set"),
        ({"prefix": "20.1.2.0/24", "source": " "}, "extra.0: source: one line"),
        ({"prefix": "2603:1030::/47", "source": "mine"}, "extra.0: 2603:1030::/47 is IPv6; ipv6: true takes it"),
    ],
)
def test_bad_extra(row, words):
    with pytest.raises(PrefixError, match=words):
        list(address_sources.of_extra([row], ipv6=False))


def test_what_dns_alone_names_is_outside_the_tags():
    answers = {"hub-a.azure-devices.net": ["20.1.2.3", "20.3.3.3"]}
    named = [*tagged(["AzureIoTHub.WestEurope"]), *address_sources.of_answers(answers, "2026-11-23", ipv6=False)]
    assert [str(one.network) for one in address_sources.outside_tags(union(named))] == ["20.3.3.3/32"]


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.name)
def test_real_files(path):
    document = service_tags.read(path.read_text())
    everything = union(tagged(["AzureIoTHub"], document, ipv6=True))
    number = next(item for item in document["values"] if item["name"] == "AzureIoTHub")["properties"]["changeNumber"]
    assert {one.source for one in everything} == {f"AzureIoTHub, change {number}"} and 300 < len(everything) < 600
    for one in everything:
        must_be_usable(one.network, (PUBLIC,))
    west = list(tagged(["AzureIoTHub.WestEurope"], document))
    assert {"AzureIoTHub.WestEurope", "AzureIoTHub.NorthEurope"} < {source.partition(",")[0] for _network, source in west}
    fewer = list(ipaddress.collapse_addresses(network for network, _source in west))
    assert list(ipaddress.collapse_addresses(one.network for one in union(west))) == fewer
