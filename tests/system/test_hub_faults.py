# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a hub or a network can do wrong. Each: a message that names it, and gateways as they were.

That no next wave starts is test_waves' affair; the twin of all stage tests is test_good_waves there.
"""

from __future__ import annotations

import socket

import pytest

from lab import config, hub_client, network, tools
from tests.system.fleet import wait_until

WAVES = ["trio"]


def assert_refused(fleet, run, blocker, names=None):
    assert run.code != 0
    assert blocker in run.output
    for name in names or fleet.group("trio"):
        assert fleet.report(name)["outcome"] == "refused"
        assert blocker in {one["id"] for one in fleet.report(name)["blockers"]}


@pytest.mark.parametrize(
    "chain, fault, blocker",
    [
        ("expired", "none", "endpoint-tls-expired"),
        ("wrong-name", "none", "endpoint-tls-name"),
        ("leaf-only", "none", "endpoint-tls-untrusted"),
        ("v1", "hang", "endpoint-tls-protocol"),
        ("v1", "refuse-tcp", "endpoint-tcp"),
    ],
)
def test_hub_serves_badly(fleet, chain, fault, blocker):
    before = {name: fleet.trust_files(name) for name in fleet.group("trio")}
    hub_client.serve(fleet.lab, chain, fault)
    run = fleet.play("stage_campaign", fleet.campaign(WAVES, timeouts={"tls": 2}))
    assert_refused(fleet, run, blocker)
    assert {name: fleet.trust_files(name) for name in before} == before


def test_report_says_which_tls_was_spoken(fleet):
    """A pass that changes nothing still asks the hub: the second one meets another server than the first."""
    for fault, version in (("tls12-only", "TLSv1.2"), ("tls13-only", "TLSv1.3")):
        hub_client.serve(fleet.lab, "v1", fault)
        run = fleet.play("stage_campaign", fleet.campaign(WAVES))
        assert run.code == 0, run.output
        for name in fleet.group("trio"):
            assert {one["protocol"] for one in fleet.report(name)["probes"]} == {version}


def test_name_does_not_resolve(fleet):
    endpoints = [{"host": "nowhere.azure-devices.net", "port": 8883}]
    run = fleet.play("stage_campaign", fleet.campaign(WAVES), overrides={"all": {"rootwave_endpoints": endpoints}})
    assert_refused(fleet, run, "endpoint-dns")
    assert "nowhere.azure-devices.net does not resolve on this gateway" in run.output


def test_one_good_and_one_bad_address(fleet):
    hub_client.serve(fleet.lab, "expired", address=fleet.lab.spare_address)
    network.set_names(fleet.lab, {config.HUB: [fleet.lab.old_address, fleet.lab.spare_address]})
    run = fleet.play("stage_campaign", fleet.campaign(WAVES))
    assert_refused(fleet, run, "endpoint-tls-expired")
    assert f"at {fleet.lab.spare_address}" in run.output
    assert f"at {fleet.lab.old_address}" not in run.output


def test_no_endpoints(fleet):
    run = fleet.play("stage_campaign", fleet.campaign(WAVES), overrides={"all": {"rootwave_endpoints": []}})
    assert run.code != 0
    assert "no endpoints; without them nothing can be proved" in run.output
    assert fleet.outcomes(fleet.group("trio")) == {"untouched"}


def test_sovereign_cloud_is_left_alone(fleet):
    endpoints = [{"host": "hub.azure-devices.cn", "port": 8883}]
    run = fleet.play("stage_campaign", fleet.campaign(WAVES), overrides={"all": {"rootwave_endpoints": endpoints}})
    assert_refused(fleet, run, "sovereign-cloud")


@pytest.fixture
def staged(fleet):
    """One gateway of each system staged, the hub moved on to the new chain: ready to retire."""
    run = fleet.play("stage_campaign", fleet.campaign(WAVES))
    assert run.code == 0, run.output
    hub_client.serve(fleet.lab, "v2")
    return fleet


def test_retire_of_a_staged_wave(staged):
    """The twin of the refusals below."""
    run = staged.play("retire_campaign", staged.campaign(WAVES))
    assert run.code == 0, run.output
    assert staged.outcomes(staged.group("trio")) == {"done"}


@pytest.mark.parametrize(
    "chain, changes, blocker",
    [
        ("v1", {}, "endpoint-tls-untrusted"),
        ("dual", {}, "endpoint-tls-untrusted"),
        ("v2", {"safe_after": {"date": "2099-01-01", "source": "a test"}}, "safe-after"),
        ("v2", {"safe_after": None}, "safe-after"),
        ("v2", {"ca_files": ["/etc/app/ca.pem"]}, "finding"),
    ],
)
def test_retire_refused(staged, chain, changes, blocker):
    first = staged.group("trio")
    for name in first:
        staged.alter(name, "sh", "-c", "mkdir -p /etc/app; echo nothing > /etc/app/ca.pem")
    before = {name: staged.trust_files(name) for name in first}
    hub_client.serve(staged.lab, chain)
    run = staged.play("retire_campaign", staged.campaign(WAVES, **changes))
    assert_refused(staged, run, blocker)
    if chain == "dual":
        assert "offering ECDSA only" in run.output
    assert {name: staged.trust_files(name) for name in first} == before


def test_rsa_and_ecdsa_both_good(staged):
    hub_client.serve(staged.lab, "dual-good")
    run = staged.play("retire_campaign", staged.campaign(WAVES))
    assert run.code == 0, run.output


def test_retire_before_stage(fleet):
    hub_client.serve(fleet.lab, "v1")
    run = fleet.play("retire_campaign", fleet.campaign(WAVES))
    assert_refused(fleet, run, "not-staged")


def test_session_to_a_forgotten_endpoint(staged):
    """Another hub, which the campaign does not name, holds a session: retire would be blind to it. It says nothing and waits for
    nothing, so the session lasts however long the run takes; the port alone makes it a hub's."""
    name, spare = staged.group("trio")[0], staged.lab.spare_address
    talk = f"import socket, time; kept = socket.create_connection(('{spare}', 8883)); time.sleep(600)"
    established = ["ss", "-H", "--tcp", "--numeric", "state", "established", "src", f"{spare}:8883"]
    with socket.create_server((spare, 8883)):
        staged.alter(name, "systemd-run", "--unit=forgotten", "python3", "-c", talk)
        wait_until(lambda: tools.run(established).strip(), "the session to the other hub")
        run = staged.play("retire_campaign", staged.campaign(WAVES))
    assert_refused(staged, run, "unlisted-endpoint", [name])
    assert f"a live session to {spare}:8883 is none of the campaign's endpoints" in run.output
