# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hub_addresses makes of answers of a resolver; names in tests really resolve to loopback only, which is refused."""

from __future__ import annotations

import json
import socket

import pytest
from ansible_collections.rootwave.iot.plugins.action import hub_addresses
from ansible_collections.rootwave.iot.plugins.plugin_utils.prefixes import PrefixError

from tests.unit.plugins.plugin_utils.azure_tags import DOCUMENT

ANSWERS = {
    "hub-a.azure-devices.net": [(socket.AF_INET, ("20.1.2.3", 443)), (socket.AF_INET6, ("2603:1030::1", 443, 0, 0))],
    "hub-a.device.azure-devices.net": [(socket.AF_INET, ("20.3.3.3", 443))],
    "inside.example": [(socket.AF_INET, ("10.1.0.4", 443))],
}
NOTHING = {
    name: option.get("default", False if option["type"] == "bool" else None) for name, option in hub_addresses.SPEC.items()
}


@pytest.fixture
def found(monkeypatch):
    def resolve(host, _port, _timeout):
        if host not in ANSWERS:
            raise OSError("Name or service not known")
        return ANSWERS[host]

    monkeypatch.setattr(hub_addresses, "resolve", resolve)
    return lambda **args: hub_addresses.found({**NOTHING, **args})


def test_tags_and_answers_together(found, tmp_path):
    (tmp_path / "tags.json").write_text(json.dumps(DOCUMENT))
    entries, warnings = found(
        service_tags=str(tmp_path / "tags.json"),
        tags=["AzureIoTHub.WestEurope"],
        endpoints=["hub-a.azure-devices.net"],
        host_names=["classic", "device"],
    )
    [first, second, third, fourth] = [(str(one.network), one.source) for one in entries]
    assert first[0] == "20.1.2.0/25" and first[1].startswith("AzureIoTHub.WestEurope, change 7; DNS hub-a.azure-devices.net 20")
    assert second == ("20.1.2.128/25", "AzureIoTHub.NorthEurope, change 5")
    assert third[0] == "20.3.3.3/32" and fourth == ("20.9.9.8/30", "AzureIoTHub, change 42")
    assert len(warnings) == 1 and warnings[0].startswith("20.3.3.3/32 (DNS hub-a.device.azure-devices.net 20")


def test_both_families(found):
    entries, warnings = found(endpoints=["hub-a.azure-devices.net"], ipv6=True)
    assert [str(one.network) for one in entries] == ["20.1.2.3/32", "2603:1030::1/128"] and not warnings


def test_every_name_that_does_not_resolve_is_named(found):
    with pytest.raises(PrefixError, match=r"no.example \(Name or service not known\), nor.example \(Name or service"):
        found(endpoints=["no.example", "hub-a.azure-devices.net", "nor.example"])


def test_split_dns_is_not_taken_for_the_other_side(found):
    with pytest.raises(PrefixError, match=r"^DNS inside.example \S+: 10.1.0.4/32 is private; private: true"):
        found(endpoints=["inside.example"])
    with pytest.raises(PrefixError, match=r"^DNS hub-a.azure-devices.net \S+: 20.1.2.3/32 is public; with private: true"):
        found(endpoints=["inside.example", "hub-a.azure-devices.net"], private=True)
    assert [str(one.network) for one in found(endpoints=["inside.example"], private=True)[0]] == ["10.1.0.4/32"]


def test_as_many_as_are_taken_and_no_more(found):
    rows = [{"prefix": f"20.{index >> 8}.{index & 255}.0/25", "source": "mine"} for index in range(4097)]
    assert len(found(extra=rows[:4096])[0]) == 4096
    with pytest.raises(PrefixError, match="these are 4097 prefixes, at most 4096"):
        found(extra=rows)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"service_tags": "tags.json", "tags": []}, "tags: an empty list"),
        ({"service_tags": ""}, "service_tags: empty"),
        ({"service_tags": {}}, "service_tags: empty"),
        ({"service_tags": {"ipv4": [], "ipv6": [], "regions": 5, "tag_change_number": 1}}, "neither a file nor a result"),
        ({"private_endpoints": [{"name": "x", "addresses": ["fd00::1"]}]}, "x has no address here but IPv6 ones"),
    ],
)
def test_what_is_empty_is_not_taken_for_all_or_nothing(found, tmp_path, monkeypatch, args, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tags.json").write_text(json.dumps(DOCUMENT))
    with pytest.raises(PrefixError, match=message):
        found(endpoints=["hub-a.azure-devices.net"], **args)


def test_a_private_endpoint_that_is_not_approved_carries_nothing(found):
    rows = [{"name": state, "state": state, "addresses": None} for state in ("Rejected", "Pending", "Disconnected")]
    approved = {"name": "mine", "state": "Approved", "addresses": ["10.1.0.9"]}
    entries, _warnings = found(private_endpoints=[*rows, approved], private=True)
    assert [(str(one.network), one.source) for one in entries] == [("10.1.0.9/32", "private endpoint mine")]
