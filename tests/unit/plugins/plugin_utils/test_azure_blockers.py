# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The interlock's part that no gateway can see, as a table: what Azure shows, and the one blocker that it makes."""

from __future__ import annotations

import copy

import pytest
from ansible_collections.rootwave.iot.plugins.plugin_utils import azure_blockers, estate

HUB, DPS = "my-hub.azure-devices.net", "global.azure-devices-provisioning.net"
NEW, OLD = "g2", "baltimore"


def served(host=HUB, port=8883, address="192.0.2.1", verified_by=(NEW,), reached=True):
    chain = [{"issuer": "CN=Some Root"}]
    one = {"host": host, "port": port, "role": "hub", "address": address, "reached": reached, "chain": chain}
    return {**one, "detail": "" if reached else "no TLS connection", "verified_by": list(verified_by) if reached else []}


def azure(**changes):
    """One hub and one provisioning service, both served well and both listed."""
    hub = {"host": HUB, "affected": True, "known_from": ["subscription"], "host_names": {"classic": HUB}}
    good = {
        "hubs": [hub],
        "provisioning_services": [{"device_host": DPS, "affected": True}],
        "served": [served(), served(DPS)],
        "central_applications": [],
        "registrations": [],
    } | copy.deepcopy(changes)
    good["differing"] = estate.differing(good["served"])
    return {**good, "missing_evidence": estate.missing_evidence(good)}


def ids(found, listed=(HUB, DPS), accepted=()):
    return [one.id for one in azure_blockers.blockers(found, listed, [NEW], accepted)]


def test_nothing_speaks_against_it():
    assert ids(azure()) == []


@pytest.mark.parametrize("listed", [(DPS,), ()])
def test_a_hub_that_no_gateway_names(listed):
    assert f"unlisted-endpoint:{HUB}" in ids(azure(), listed)


DEVICE_NAME = "my-hub.device.azure-devices.net"


def test_any_of_a_hubs_names_is_that_hub_but_the_name_in_use_must_be_looked_at():
    assert ids(azure(), ("MY-HUB.azure-devices.net", DPS)) == []
    assert ids(azure(), (DEVICE_NAME, DPS)) == [f"served-chain:{DEVICE_NAME}"]
    assert ids(azure(served=[served(DEVICE_NAME), served(), served(DPS)]), (DEVICE_NAME, DPS)) == []


def test_a_hub_of_another_cloud_need_not_be_named():
    name = "my-hub.azure-devices.us"
    gov = {"host": name, "affected": False, "known_from": ["subscription"], "host_names": {"classic": name}}
    hubs = [*azure()["hubs"], gov]
    assert ids(azure(hubs=hubs)) == []
    assert ids(azure(hubs=[hubs[0], {**gov, "affected": True}])) == [f"unlisted-endpoint:{name}", f"served-chain:{name}"]


def test_a_chain_that_only_the_old_root_verifies():
    assert ids(azure(served=[served(verified_by=[OLD]), served(DPS)])) == [f"old-root:{HUB}:8883"]
    assert ids(azure(served=[served(verified_by=[OLD, NEW]), served(DPS)])) == []


def test_front_ends_that_do_not_agree():
    both = [served(verified_by=[NEW]), served(address="192.0.2.2", verified_by=[NEW, OLD]), served(DPS)]
    assert ids(azure(served=both)) == [f"chains-differ:{HUB}:8883"]
    assert ids(azure(served=[both[0], {**both[1], "verified_by": [NEW]}, served(DPS)])) == []


def test_what_could_not_be_seen():
    assert ids(azure(served=[served(reached=False), served(DPS)])) == [f"served-chain:{HUB}:8883"]
    assert ids(azure(central_applications=[{"name": "app"}])) == ["hidden-hubs:app"]
    told = {"application": "app", "registration_id": "one", "status": "assigned", "assigned_hub": HUB}
    assert ids(azure(central_applications=[{"name": "app"}], registrations=[told])) == []
    untold = {**told, "status": "unassigned", "assigned_hub": None}
    assert ids(azure(central_applications=[{"name": "app"}], registrations=[untold])) == ["hidden-hubs:app", "registration:one"]


def test_nothing_looked_at():
    assert ids(azure(served=[])) == [f"served-chain:{HUB}", f"served-chain:{DPS}"]


def test_behind_a_proxy():
    assert ids(azure(served=[served(address=None), served(DPS)])) == [f"front-ends:{HUB}:8883"]


def test_accepted_by_id_and_not_otherwise():
    old = azure(served=[served(verified_by=[OLD]), served(DPS)])
    assert ids(old, accepted=[f"old-root:{HUB}:8883"]) == []
    assert ids(old, accepted=["old-root:other:8883", "old-root"]) == [f"old-root:{HUB}:8883"]


def test_a_hub_that_nobody_uses_is_accepted_once():
    unused = azure(served=[served(verified_by=[OLD]), served(DPS)])
    assert ids(unused, listed=(DPS,)) == [f"unlisted-endpoint:{HUB}", f"old-root:{HUB}:8883"]
    assert ids(unused, listed=(DPS,), accepted=[f"unlisted-endpoint:{HUB}"]) == []


def test_a_campaign_about_no_roots_does_not_ask_which_one_verifies():
    old = azure(served=[served(verified_by=[]), served(DPS)])
    assert azure_blockers.blockers(old, (HUB, DPS), None, ()) == []
    assert [one.id for one in azure_blockers.blockers(old, (HUB, DPS), [], ())][0] == f"old-root:{HUB}:8883"
    assert [one.id for one in azure_blockers.blockers(old, (DPS,), None, ())] == [f"unlisted-endpoint:{HUB}"]
