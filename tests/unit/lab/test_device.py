# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections import Counter

import pytest

from lab import config, device, inventory, signers
from lab.tools import LabError


def test_forty_devices_are_of_all_kinds():
    lab = config.plan("lab", dict(config.GROUPS), devices=40)
    assert Counter(one.group for one in lab.devices) == device.DEVICE_GROUPS
    assert {(one.front_end, one.authentication) for one in lab.devices} == {
        (front_end, authentication) for front_end in ("module", "inbox") for authentication in ("sas", "x509")
    }
    assert {one.port for one in lab.devices} == {443, 8883}
    assert {one.suite for one in lab.devices} == set(device.SUITES)
    assert [one.name for one in lab.devices if one.late] == ["dev-40"]
    assert len({one.address for one in lab.hosts}) == len(lab.hosts)


@pytest.mark.parametrize("total", [7, 8, 13, 100])
def test_other_numbers_have_every_group(total):
    lab = config.plan("lab", {"canary": 1}, devices=total)
    assert len(lab.devices) == total and {one.group for one in lab.devices} == set(device.DEVICE_GROUPS)


@pytest.mark.parametrize("total", [1, 6, 200])
def test_too_few_or_too_many(total):
    with pytest.raises(LabError):
        config.plan("lab", {"canary": 1}, devices=total)


def test_nobody_knows_a_way_in():
    """In the inventory devices have a name at the hub, and no address."""
    lab = config.plan("lab", {"canary": 1}, devices=7)
    groups = {**inventory.devices_of(lab)["devices"]["children"], **inventory.devices_of(lab)["inbox"]["children"]}
    hosts = {name: variables for group in groups.values() for name, variables in group["hosts"].items()}
    assert hosts == {one.name: {"rootwave_device_id": one.name} for one in lab.devices}
    assert set(inventory.twins_of(lab)["orders"]) == set(signers.SERIALS)
