# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory plugin as ansible-inventory runs it, against the lab's hub."""

from __future__ import annotations

import json
import sys
import uuid
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from azure.iot.hub import IoTHubRegistryManager

from lab import hub_config
from lab.hub_config import HUB, HUB_WEST
from tests.hub.ansible_run import run

INVENTORY = Path(sys.executable).with_name("ansible-inventory")


class Listed(NamedTuple):
    code: int
    hosts: dict
    groups: dict
    output: str  # without its line breaks: versions of Ansible differ in them
    text: str  # as it was printed


@pytest.fixture
def fleet():
    """What only this test's devices have, so that the others' are not listed."""
    return f"fleet-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def earlier(fleet, tmp_path) -> Path:
    """A source with the first device, in groups that the hub's devices come into as well."""
    gateways = {"gateway-1": {"rootwave_device_id": f"{fleet}-000", "rootwave_tags": {"mine": True}}, "gateway-2": {}}
    sites = {"vars": {"kept": 1}, "children": {"oslo": {"hosts": gateways}}}
    path = tmp_path / "hosts.yml"
    path.write_text(yaml.safe_dump({"all": {"children": {"sites": sites, "off": {"hosts": {"gateway-2": {"x": [1]}}}}}}))
    return path


@pytest.fixture
def listed(azure, fleet, tmp_path):
    def load(*earlier, environment=(), flags=(), **options) -> Listed:
        path = tmp_path / "a.hub.yml"
        path.write_text(yaml.safe_dump({"plugin": "rootwave.iot.hub", **default(azure, fleet), **options}))
        sources = [argument for source in (*earlier, path) for argument in ("-i", source)]
        strict = {"ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true", **dict(environment)}
        done = run([INVENTORY, "--list", *flags, *sources], {**azure.environment, **strict})
        found = json.loads(done.stdout, object_hook=plain) if done.returncode == 0 else {}
        hosts = found.pop("_meta", {}).get("hostvars", {})
        groups = {name: sorted(group["hosts"]) for name, group in found.items() if "hosts" in group}
        return Listed(done.returncode, hosts, groups, " ".join(done.stderr.split()), done.stdout)

    return load


def plain(document: dict):
    """Without the mark of a text that is never a template."""
    return document.get("__ansible_unsafe", document)


def default(azure, fleet) -> dict:
    return {"connection_string": azure.connection_string, "units": 20, "where": f"tags.fleet = '{fleet}'", "strict": True}


def seed(azure, fleet, devices: dict) -> None:
    azure.seed({name: {**more, "tags": {"fleet": fleet, **more.get("tags", {})}} for name, more in devices.items()})


def test_hosts_groups_variables(azure, listed, fleet):
    reported = {"rootwave": {"phase": "stage"}, "firmware": {"version": "1.2"}, "secret": "stays"}
    wave = {"rootwave": {"wave": "canary"}, "site": "oslo", "net": {"address": "192.0.2.7"}, "unused": "x"}
    seed(azure, fleet, {f"{fleet}-a": {"tags": wave, "reported": reported}, f"{fleet}-b": {}})
    found = listed(
        strict=False,
        keyed_groups=[
            {"key": "rootwave_twin_wave", "prefix": "wave"},
            {"key": "rootwave_tags.site | default('')", "prefix": "site"},
        ],
        groups={"off": "rootwave_connection_state == 'Disconnected'"},
        compose={"firmware": "rootwave_reported.firmware.version | default('unknown')"},
        address_tag="net.address",
    )
    assert found.code == 0, found.output
    first, second = found.hosts[f"{fleet}-a"], found.hosts[f"{fleet}-b"]
    assert found.groups == {"wave_canary": [f"{fleet}-a"], "site_oslo": [f"{fleet}-a"], "off": [f"{fleet}-a", f"{fleet}-b"]}
    assert (first["firmware"], second["firmware"]) == ("1.2", "unknown")
    assert (first["ansible_host"], first["rootwave_last_report"]) == ("192.0.2.7", {"phase": "stage"})
    assert first["rootwave_hub"] == azure.host and second["rootwave_twin_wave"] is None and "ansible_host" not in second
    # only what is asked for travels
    assert first["rootwave_tags"] == {"net": {"address": "192.0.2.7"}, "site": "oslo"}
    assert first["rootwave_reported"] == {"firmware": {"version": "1.2"}}
    assert listed(projections=["tags.unused"]).hosts[f"{fleet}-a"]["rootwave_tags"] == {"unused": "x"}


def test_all_pages(azure, listed, fleet):
    seed(azure, fleet, {f"{fleet}-{number}": {} for number in range(250)})
    assert len(listed().hosts) == 250


def test_modules_and_edge(azure, listed, fleet):
    registry = IoTHubRegistryManager.from_connection_string(azure.connection_string)
    seed(azure, fleet, {f"{fleet}-plain": {}})
    registry.create_device_with_sas(f"{fleet}-edge", "", "", "enabled", True)
    registry.create_module_with_sas(f"{fleet}-edge", "rootwave", "", "", "")
    edge = listed(kind="edge", where=f"STARTSWITH(deviceId, '{fleet}')")
    assert list(edge.hosts) == [f"{fleet}-edge"], edge.output
    modules = listed(kind="modules", where=f"STARTSWITH(deviceId, '{fleet}') AND moduleId = 'rootwave'")
    assert modules.hosts[f"{fleet}-edge.rootwave"]["rootwave_module_id"] == "rootwave"


def test_joins_a_host_of_an_earlier_source(azure, listed, fleet, tmp_path):
    seed(azure, fleet, {f"{fleet}-1": {"tags": {"net": "192.0.2.9"}}, f"{fleet}-2": {"tags": {"net": "192.0.2.10"}}})
    gateway = {"ansible_host": "10.0.0.1", "rootwave_device_id": f"{fleet}-1", "site": "oslo"}
    earlier = tmp_path / "hosts.yml"
    earlier.write_text(yaml.safe_dump({"all": {"hosts": {"gateway-1": gateway}}}))
    found = listed(earlier, address_tag="net", groups={"northern": "site | default('') == 'oslo'"})
    assert set(found.hosts) == {"gateway-1", f"{fleet}-2"}, found.output
    assert found.hosts["gateway-1"]["ansible_host"] == "10.0.0.1" and found.groups["northern"] == ["gateway-1"]
    assert found.hosts[f"{fleet}-2"]["ansible_host"] == "192.0.2.10"
    earlier.write_text(yaml.safe_dump({"all": {"hosts": {"gateway-1": gateway, "gateway-2": gateway}}}))
    assert "both have rootwave_device_id" in listed(earlier).output


def test_twins_are_not_trusted(azure, listed, fleet):
    """No template of a twin is rendered, no name or address is an option for ssh."""
    tags = {"net": "-oProxyCommand=true", "site": "{{ lookup('pipe', 'touch /nowhere/x') }}"}
    seed(azure, fleet, {f"{fleet}:odd#": {"tags": tags}})
    found = listed(address_tag="net", compose={"site": "rootwave_tags.site"})
    host = found.hosts[f"{fleet}_odd_"]
    assert host["rootwave_device_id"] == f"{fleet}:odd#" and "ansible_host" not in host and "is no address" in found.output
    assert host["site"] == tags["site"] and f'"__ansible_unsafe": {json.dumps(tags["site"])}' in found.text


def test_two_twins_with_one_host_name(azure, listed, fleet):
    seed(azure, fleet, {f"{fleet}:a": {}, f"{fleet}#a": {}})
    assert "would be the host of" in listed().output
    IoTHubRegistryManager.from_connection_string(azure.connection_string).delete_device(f"{fleet}#a")
    assert list(listed().hosts) == [f"{fleet}_a"]


def test_shortfall(azure, listed, fleet):
    """The index is behind the registry: an error by default, nothing half loaded."""
    seed(azure, fleet, {f"{fleet}-1": {}})
    azure.fault("index-lag", seconds=60)
    assert len(listed().hosts) == 1  # from the next call on, queries are late
    IoTHubRegistryManager.from_connection_string(azure.connection_string).create_device_with_sas(f"{fleet}-2", "", "", "enabled")
    refused = listed(where=None)
    assert refused.code != 0 and "query index is late" in refused.output and "on_shortfall" in refused.output
    warned = listed(where=None, on_shortfall="warn")
    assert warned.code == 0 and f"{fleet}-1" in warned.hosts and "query index is late" in warned.output


def test_shrinks_while_it_is_paged(azure, listed, fleet):
    seed(azure, fleet, {f"{fleet}-{number:03}": {} for number in range(150)})
    azure.fault("registry-shrinks", key=f"{fleet}-000", after=1, count=1)  # the first query only counts
    refused = listed()
    assert refused.code != 0 and "changed meanwhile" in refused.output, refused.output


def test_500_in_the_middle_of_the_pages(azure, listed, fleet):
    seed(azure, fleet, {f"{fleet}-{number}": {} for number in range(150)})
    azure.fault("status", status=500, path="^/devices/query", after=2, count=1)
    assert len(listed().hosts) == 150
    azure.fault("status", status=500, path="^/devices/query", after=2)
    refused = listed(time_budget=3)
    assert refused.code != 0 and "500" in refused.output


def test_continuation_expired(azure, listed, fleet):
    seed(azure, fleet, {f"{fleet}-{number}": {} for number in range(150)})
    azure.fault("continuation-expired", count=1)
    again = listed()
    assert len(again.hosts) == 150 and "starting again" in again.output
    azure.fault("continuation-expired")
    assert "continuation token is expired" in listed().output


LAST_FAILS = "1 // (0 if rootwave_device_id.endswith('-149') else 1) == 1"


@pytest.mark.parametrize(
    "fault, options, devices, words",
    [
        ({"name": "status", "status": 500, "path": "^/devices/query", "after": 2}, {"time_budget": 1}, (), "500"),  # last page
        ({"name": "registry-shrinks", "key": "-149", "after": 1, "count": 1}, {}, (), "changed meanwhile"),
        ({"name": "continuation-expired"}, {}, (), "continuation token is expired"),
        ({}, {"compose": {"last": LAST_FAILS}}, (), "Could not set last"),
        ({}, {"groups": {"off": LAST_FAILS}}, (), "-149 to group off"),
        ({}, {}, (":149", "_149"), "would be the host of"),
    ],
)
def test_a_failed_load_leaves_what_was_there(azure, listed, fleet, earlier, fault, options, devices, words):
    """All that ansible-inventory prints is compared; then the cause is gone, and the same load changes that."""
    ids = [*(f"-{number:03}" for number in range(150)), *devices]
    seed(azure, fleet, {fleet + one: {"tags": {"site": "north"}} for one in ids})
    fill = {
        "keyed_groups": [{"key": "rootwave_tags.site", "prefix": "site", "parent_group": "sites"}],
        "groups": {"off": "rootwave_connection_state == 'Disconnected'"},
        "environment": {"ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "false"},
        "flags": ["--export"],
    }
    before = run([INVENTORY, "--list", "--export", "-i", earlier], azure.environment).stdout
    if fault:
        azure.fault(**{**fault, **({"key": fleet + fault["key"]} if "key" in fault else {})})
    failed = listed(earlier, **{**fill, **options})
    assert failed.code == 0 and words in failed.output, failed.output
    assert failed.text == before
    azure.clear()
    mended = listed(earlier, **fill, where=f"tags.fleet = '{fleet}' AND NOT STARTSWITH(deviceId, '{fleet}_')")
    assert mended.groups["off"][-1] == "gateway-2" and "gateway-1" in mended.groups["site_north"], mended.output
    assert mended.hosts["gateway-1"]["rootwave_tags"] == {"site": "north"} and f"{fleet}-148" in mended.hosts


def test_cache(azure, listed, fleet, tmp_path):
    seed(azure, fleet, {f"{fleet}-1": {"tags": {"site": "oslo"}}})
    cached = {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(tmp_path / "cache")}
    first = listed(**cached, projections=["tags.site"])
    seed(azure, fleet, {f"{fleet}-2": {}})
    assert listed(**cached, projections=["tags.site"]).hosts == first.hosts
    assert len(listed(**cached).hosts) == 2  # another question is another entry
    kept = "".join(path.read_text() for path in (tmp_path / "cache").iterdir())
    assert "SharedAccessKey" not in kept and "oslo" in kept


def test_a_cache_is_of_one_hub(azure, listed, fleet, tmp_path):
    """A credential that names the hub, as AWX's, may be another one the next time."""
    azure.seed({f"{fleet}-1": {"tags": {"fleet": fleet}}})
    azure.seed({f"{fleet}-2": {"tags": {"fleet": fleet}}}, hub=HUB_WEST)
    kept = {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(tmp_path / "cache")}
    for _each in range(2):
        for hub, name in ((HUB, f"{fleet}-1"), (HUB_WEST, f"{fleet}-2")):
            whose = {"ROOTWAVE_HUB_CONNECTION_STRING": hub_config.connection_string(azure.config, hub)}
            assert list(listed(**kept, connection_string=None, hub=None, environment=whose).hosts) == [name]


def test_eta_before_a_long_load(azure, listed, fleet):
    seed(azure, fleet, {f"{fleet}-{number}": {} for number in range(350)})
    assert "4 a page" not in listed(sku="S3").output
    assert "350 devices, 100 a page: at least" in listed(units=1).output


@pytest.mark.parametrize(
    "options, words",
    [
        ({"where": "tags.x LIKE 'y'"}, "400"),
        ({"connection_string": "HostName=x"}, "SharedAccessKeyName"),
        ({"projections": ["deviceId"]}, "neither tags nor properties.reported"),
        ({"compose": {"x": "rootwave_tags.nothing.here"}}, "Could not set x"),
        ({"hub": "no-such-hub.azure-devices.net", "connection_string": None}, "proxy refuses this name"),
    ],
)
def test_bad_options(azure, listed, fleet, options, words):
    seed(azure, fleet, {f"{fleet}-1": {}})
    refused = listed(**options)
    assert refused.code != 0 and words in refused.output, refused.output
    assert azure.connection_string.rpartition("SharedAccessKey=")[2] not in refused.output
