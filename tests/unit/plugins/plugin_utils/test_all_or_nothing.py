# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible's own inventory, before and after a source that failed."""

from __future__ import annotations

import pytest
from ansible.inventory.data import InventoryData
from ansible_collections.rootwave.iot.plugins.plugin_utils.all_or_nothing import all_or_nothing


class Failed(Exception):
    pass


@pytest.fixture
def inventory():
    """What an earlier source has left: gateway-1 in sites/oslo, gateway-2 in wave_canary."""
    inventory = InventoryData()
    for group in ("sites", "oslo", "wave_canary"):
        inventory.add_group(group)
    for host, group in (("gateway-1", "oslo"), ("gateway-2", "wave_canary")):
        inventory.add_host(host, group)
    inventory.add_child("sites", "oslo")
    inventory.set_variable("gateway-1", "net", {"address": "10.0.0.1"})
    inventory.set_variable("oslo", "city", "Oslo")
    inventory.reconcile_inventory()
    inventory.get_groups_dict()  # fills every cache
    return inventory


def all_of(inventory) -> dict:
    """Which objects, in which order, with what; by their public methods where they have some."""
    return {
        "hosts": [(id(host), name, repr(host.vars), names(host.groups)) for name, host in inventory.hosts.items()],
        "groups": [(id(group), name, *of_group(group)) for name, group in inventory.groups.items()],
        "groups_dict": dict(inventory.get_groups_dict()),
        "localhost": inventory.localhost,
    }


def of_group(group) -> tuple:
    relatives = [names(some) for some in (group.hosts, group.child_groups, group.parent_groups, group.get_hosts())]
    return (*relatives, sorted(group.host_names), repr(group.vars), group.depth, group.priority)


def names(some) -> list[str]:
    return [one.name for one in some]


def fill(inventory) -> None:
    """Everything that a source may do to what is there."""
    inventory.add_host("device-1", "wave_canary")
    inventory.add_host("localhost")
    inventory.add_group("fleet")
    inventory.add_child("all", "fleet")
    inventory.add_child("fleet", "sites")  # moves all that is below it
    inventory.add_child("fleet", "device-1")
    inventory.add_child("wave_canary", "gateway-1")
    inventory.groups["oslo"].remove_host(inventory.hosts["gateway-1"])
    inventory.set_variable("gateway-1", "net", {"mask": 24})
    inventory.set_variable("gateway-2", "rootwave_hub", "a-hub")
    inventory.set_variable("oslo", "city", "Kristiania")
    inventory.set_variable("wave_canary", "ansible_group_priority", 10)
    inventory.hosts["gateway-2"].vars.update(more=1)
    inventory.get_groups_dict()


def test_all_is_undone(inventory):
    before = all_of(inventory)
    with pytest.raises(Failed), all_or_nothing(inventory):
        fill(inventory)
        raise Failed
    assert all_of(inventory) == before


def test_all_stays(inventory):
    """The other way round: every part of the comparison above has seen a change."""
    before = all_of(inventory)
    with all_or_nothing(inventory):
        fill(inventory)
    after = all_of(inventory)
    assert [part for part in before if before[part] == after[part]] == []
    assert {"device-1", "localhost"} <= set(inventory.hosts)
    changed = [row[1] for row in before["groups"] if row not in after["groups"]]
    assert changed == ["all", "sites", "oslo", "wave_canary"]


def test_interrupted(inventory):
    before = all_of(inventory)
    with pytest.raises(KeyboardInterrupt), all_or_nothing(inventory):
        fill(inventory)
        raise KeyboardInterrupt
    assert all_of(inventory) == before


def test_usable_afterwards(inventory):
    """A second try does what the first would have done."""
    with pytest.raises(Failed), all_or_nothing(inventory):
        fill(inventory)
        raise Failed
    with all_or_nothing(inventory):
        fill(inventory)
    inventory.reconcile_inventory()
    assert inventory.get_groups_dict()["fleet"] == ["device-1"]
    assert names(inventory.groups["wave_canary"].get_hosts()) == ["gateway-2", "device-1", "gateway-1"]
