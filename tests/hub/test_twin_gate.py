# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole campaigns through twins: real playbooks, the lab's hub, light devices. Gates judge what the devices report."""

from __future__ import annotations

import hashlib
import json
import ssl
import time
import uuid
from pathlib import Path

import pytest
import yaml
from azure.iot.hub import IoTHubConfigurationManager, IoTHubRegistryManager

from lab import pki
from lab.config import ROOT
from tests.hub.test_service_sdk import wait_for
from tests.hub.twin_fleet import MODULE, TwinFleet

REFUSES = {"state": "refused", "reason": "endpoint-dns: the hub's name does not resolve"}


@pytest.fixture
def registry(azure):
    return IoTHubRegistryManager.from_connection_string(azure.connection_string)


@pytest.fixture
def fleet(azure, tmp_path):
    return TwinFleet(azure, tmp_path)


@pytest.fixture
def waves(fleet):
    """Two waves of three devices each, seeded; {wave: names}."""
    tag = uuid.uuid4().hex[:6]
    named = {wave: [f"{wave}-{tag}-{number}" for number in range(3)] for wave in ("canary", "broad")}
    fleet.seed(named["canary"] + named["broad"])
    return named


def twin_waves(fleet, *flags, **policy):
    fleet.write_campaign([{"group": name, "via": "twin", "expect": 3} for name in ("canary", "broad")], **policy)
    return str(fleet.sign())


def ordered(registry, name, module=MODULE):
    twin = registry.get_module_twin(name, module) if module else registry.get_twin(name)
    return (twin.properties.desired.get("rootwave") or {}).get("stage")


def stage(fleet, waves, path, *flags, **more):
    return fleet.play("stage_campaign", fleet.inventory(waves, orders={"stage": path}, **more), *flags)


def test_all_waves_pass_and_a_second_run_changes_nothing(fleet, waves, registry):
    path = twin_waves(fleet)
    with fleet.start(waves["canary"] + waves["broad"]):
        first = stage(fleet, waves, path)
        assert first.code == 0, first.output
        assert (
            first.output.count("gate: pass: 3 total, 3 done; connections: not looked at, rootwave_twins has no connections") == 2
        )
        assert all(ordered(registry, name) for name in waves["canary"] + waves["broad"])
        again = stage(fleet, waves, path)
    assert again.code == 0 and "changed=1" not in again.output, again.output
    assert again.output.count("3 proved") == 2


@pytest.mark.parametrize(
    "answer, words",
    [
        (REFUSES, "fail: 3 total, 2 done, 1 refused"),
        ({"state": "reverted", "reason": "no new session"}, "fail: 3 total, 2 done, 1 failed"),
        ({"state": "failed", "reason": "disk full"}, "fail: 3 total, 2 done, 1 failed"),
        (None, "inconclusive: 3 total, 2 done, 1 silent"),
        ({"state": "running"}, "inconclusive: 3 total, 2 done, 1 silent"),
        ({"state": "\x1b[31mproved{{ 1/0 }}"}, "inconclusive: 3 total, 2 done, 1 silent"),
    ],
)
def test_one_bad_device_keeps_the_next_wave_untouched(fleet, waves, registry, answer, words):
    path = twin_waves(fleet, phase_timeout=20)
    with fleet.start(waves["canary"] + waves["broad"], {waves["canary"][1]: answer}):
        ran = stage(fleet, waves, path)
    assert ran.code != 0 and f"gate after wave canary: {words}" in ran.output, ran.output
    assert "resume with: ansible-playbook" in ran.output and "\x1b" not in ran.output
    assert not any(ordered(registry, name) for name in waves["broad"])


def test_the_last_wave_has_a_gate_too(fleet, waves):
    """Also where no keys.json is named, so that signatures are for the devices alone to look at."""
    path = twin_waves(fleet)
    with fleet.start(waves["canary"] + waves["broad"], {waves["broad"][0]: REFUSES}):
        ran = stage(fleet, waves, path, keys=None)
    assert ran.code != 0 and "gate after wave broad: fail: 3 total, 2 done, 1 refused" in ran.output, ran.output
    assert "endpoint-dns: the hub's name does not resolve" in ran.output


def test_resumed_after_the_cause_is_mended(fleet, waves):
    """Refused once; ordered again the same device proves it, and only it is written."""
    path = twin_waves(fleet)
    with fleet.start(waves["canary"] + waves["broad"], {waves["canary"][0]: REFUSES}):
        assert stage(fleet, waves, path).code != 0
    with fleet.start(waves["canary"] + waves["broad"]):
        assert "1 refused" in stage(fleet, waves, path).output
        ran = stage(fleet, waves, path, "-e", "rootwave_again=true")
    assert ran.code == 0, ran.output
    assert "2 proved, 1 ordered" in ran.output


def test_an_ssh_wave_that_fails_keeps_twins_untouched(fleet, waves, registry):
    """A mixed campaign; nobody listens where the SSH gateway should be."""
    fleet.write_campaign(["gateways", {"group": "broad", "via": "twin"}])
    path = str(fleet.sign())
    variables = {"gw-1": {"ansible_host": "127.0.0.1", "ansible_port": 9}}
    inventory = fleet.inventory({"gateways": ["gw-1"], "broad": waves["broad"]}, variables, orders={"stage": path})
    with fleet.start(waves["broad"]):
        ran = fleet.play("stage_campaign", inventory)
    assert ran.code != 0 and "gate after wave gateways: fail: 1 total, 1 unreachable" in ran.output, ran.output
    assert not any(ordered(registry, name) for name in waves["broad"])


@pytest.mark.parametrize("answer, reached", [({}, True), (REFUSES, False)])
def test_a_twin_wave_stands_before_an_ssh_wave(fleet, waves, answer, reached):
    fleet.write_campaign([{"group": "canary", "via": "twin"}, "gateways"])
    path = str(fleet.sign())
    variables = {"gw-1": {"ansible_host": "127.0.0.1", "ansible_port": 9}}
    inventory = fleet.inventory({"canary": waves["canary"], "gateways": ["gw-1"]}, variables, orders={"stage": path})
    with fleet.start(waves["canary"], {waves["canary"][0]: answer}):
        ran = fleet.play("stage_campaign", inventory)
    assert ran.code != 0 and ("UNREACHABLE!" in ran.output) == reached, ran.output
    assert ("gate after wave gateways: fail" in ran.output) == reached


def test_no_wave_starts_with_an_order_for_another_campaign(fleet, waves, registry):
    path = twin_waves(fleet)
    text = fleet.campaign_path.read_text()
    fleet.campaign_path.write_text(text.replace("port: 8883", "port: 443"))
    with fleet.start(waves["canary"]):
        ran = stage(fleet, waves, path)
    assert ran.code != 0 and "its campaign's digest is" in ran.output, ran.output
    assert not any(ordered(registry, name) for name in waves["canary"])


def test_no_wave_starts_without_an_order(fleet, waves):
    twin_waves(fleet)
    ran = fleet.play("stage_campaign", fleet.inventory(waves))
    assert ran.code != 0 and "set rootwave_twins: hub, fleet, and orders.stage" in ran.output, ran.output


@pytest.mark.parametrize("flags", [("--skip-tags", "always"), ("--start-at-task", "Refuse to go on without a gate")])
@pytest.mark.parametrize("playbook", ["stage_campaign", "order_campaign"])
def test_no_way_round_the_gate(fleet, waves, registry, playbook, flags):
    path = twin_waves(fleet)
    inventory = fleet.inventory(waves, orders={"stage": path})
    ran = fleet.play(playbook, inventory, "-e", "rootwave_phase=stage", *flags)
    assert ran.code != 0, ran.output
    assert not any(ordered(registry, name) for name in waves["canary"])


def test_check_mode_orders_nothing(fleet, waves, registry):
    path = twin_waves(fleet)
    ran = stage(fleet, waves, path, "--check", "--diff")
    assert ran.code == 0 and "not judged (check mode)" in ran.output, ran.output
    assert f"{waves['broad'][0]}: stage ordered" in ran.output
    assert not any(ordered(registry, name) for name in waves["canary"] + waves["broad"])


def test_the_soak_is_counted_from_the_commit(fleet, waves):
    path = twin_waves(fleet, soak=3600, gate_timeout=60)
    with fleet.start(waves["canary"]):
        ran = stage(fleet, waves, path)
    assert ran.code != 0 and "of the soak of 3600 s are missing" in ran.output, ran.output


def test_a_clock_in_the_past_does_not_shorten_the_soak(fleet, waves):
    """Committed hours ago, it says, but the order was sent just now."""
    path = twin_waves(fleet, soak=1800, gate_timeout=60)
    past = {"state": "proved", "committed_at": int(time.time()) - 7200, "at": int(time.time()) - 7200}
    with fleet.start(waves["canary"], dict.fromkeys(waves["canary"], past)):
        ran = stage(fleet, waves, path)
    assert ran.code != 0 and "of the soak of 1800 s are missing" in ran.output, ran.output


def test_the_connection_string_is_shown_nowhere(azure, fleet, waves):
    """By no task, no gate, no role's argument specification, the loudest way, whether it goes well or not."""
    key = azure.connection_string.rpartition("SharedAccessKey=")[2]
    path = twin_waves(fleet, phase_timeout=20)
    for more, words in (({"connections": {}}, "Nothing was ordered"), ({}, "3 ordered"), ({"fleet": None}, "set rootwave_twins")):
        inventory = fleet.inventory(waves, orders={"stage": path}, **more)
        ran = fleet.play("order_campaign", inventory, "-e", "rootwave_phase=stage", "-vvvv", "--diff")
        assert words in ran.output and key not in ran.output


def test_a_limit_cannot_leave_a_wave_out(fleet, waves, registry):
    path = twin_waves(fleet)
    ran = stage(fleet, waves, path, "--limit", "broad")
    assert ran.code != 0 and "the play covers 1 of 2 gateways" in ran.output, ran.output
    assert not any(ordered(registry, name) for name in waves["broad"])


def test_beyond_the_bound_the_index_only_helps(azure, fleet, waves):
    """The query index is an hour late: it knows of nobody, so every device is read by its id, and the wave passes."""
    path = twin_waves(fleet)
    azure.fault("index-lag", seconds=3600)
    with fleet.start(waves["canary"] + waves["broad"]):
        ran = stage(fleet, waves, path, fresh_reads_most=0)
    assert ran.code == 0 and ran.output.count("3 total, 3 done") == 2, ran.output


def test_inbox_devices_and_run_wave(fleet, registry):
    """Orders in device twins; the second wave alone is refused until the first one has passed by its own reports."""
    tag = uuid.uuid4().hex[:6]
    named = {wave: [f"in-{wave}-{tag}-{number}" for number in range(3)] for wave in ("canary", "broad")}
    fleet.seed(named["canary"] + named["broad"], inbox=True)
    path = twin_waves(fleet)
    inventory = fleet.inventory(named, orders={"stage": path}, front_end="inbox")
    asked = ("run_wave", inventory, "-e", "rootwave_phase=stage", "-e")
    with fleet.start(named["canary"] + named["broad"], inbox=True):
        early = fleet.play(*asked, "rootwave_wave=broad")
        assert early.code != 0 and "inconclusive: 3 total, 3 silent" in early.output, early.output
        assert not any(ordered(registry, name, None) for name in named["broad"])
        for wave in named:
            ran = fleet.play(*asked, f"rootwave_wave={wave}")
            assert ran.code == 0, ran.output


def test_late_comers_of_a_retirement_get_the_stage_too(fleet, waves, registry):
    """Of two configurations the hub applies one, and who has not staged cannot retire."""
    stage = twin_waves(fleet, phase_timeout=20)
    orders = {"stage": stage, "retire": str(fleet.sign("retire", serial=2))}
    late = f"late-{uuid.uuid4().hex[:6]}"
    condition = f"FROM devices.modules WHERE moduleId = '{MODULE}' AND tags.site = '{late}'"
    inventory = fleet.inventory(waves, orders=orders)
    with fleet.start(waves["canary"] + waves["broad"]):
        for phase in orders:
            variables = {"rootwave_phase": phase, "rootwave_late_condition": condition}
            ran = fleet.play("order_campaign", inventory, "-e", json.dumps(variables))
            assert ran.code == 0, ran.output
    fleet.seed([late], tags={"site": late})
    with fleet.start([late]):
        answers = wait_for(
            lambda: registry.get_module_twin(late, MODULE).properties.reported.get("rootwave") or {},
            lambda found: found.get("retire", {}).get("state") == "proved",
        )
    assert answers["stage"]["state"] == "proved"


def test_a_retirement_goes_back_though_three_orders_are_too_large_for_a_twin(fleet, waves, registry):
    """With four roots, as Azure's campaign has; what goes back is taken out of the twin first, and the stage outlives it."""
    twin_waves(fleet)
    campaign = yaml.safe_load(fleet.campaign_path.read_text())
    fourth, third = fleet.folder / "fourth.pem", ROOT / "campaigns" / "anchors" / "microsoft-rsa-root-ca-2017.pem"
    fourth.write_text(pki.make_root("Fourth root").pem)
    for path in (third, fourth):
        sha256 = hashlib.sha256(ssl.PEM_cert_to_DER_cert(path.read_text())).hexdigest()
        campaign["anchors"]["present"].append({"name": path.stem, "sha256": sha256, "file": str(path)})
    fleet.campaign_path.write_text(yaml.safe_dump(campaign))
    undo = {"stage": None, "retire": None, "revert": "retire"}
    orders = {phase: str(fleet.sign(phase, serial, undo[phase])) for serial, phase in enumerate(undo, 1)}
    inventory, everybody = fleet.inventory(waves, orders=orders), waves["canary"] + waves["broad"]
    with fleet.start(everybody):
        for phase in ("stage", "retire"):
            ran = fleet.play(f"{phase}_campaign", inventory)
            assert ran.code == 0, ran.output
        looked = fleet.order(everybody, phase="revert", path=Path(orders["revert"]), undo="retire")
        assert looked.result["counts"]["too_large"] == 6, looked.output
        back = fleet.play("revert_campaign", inventory, "-e", "rootwave_undo=retire")
        assert back.code == 0 and back.output.count("gate: pass: 3 total, 3 done") == 2, back.output
        assert "not_ok" not in back.output
        again = fleet.play("revert_campaign", inventory, "-e", "rootwave_undo=retire")
        assert again.code == 0 and "changed=1" not in again.output, again.output
        for name in everybody:
            desired = registry.get_module_twin(name, MODULE).properties.desired["rootwave"]
            assert set(desired) == {"stage", "revert"}
        assert "6 proved" in fleet.order(everybody, state="info").output
        retired = fleet.play("retire_campaign", inventory)
    assert retired.code != 0 and "sign the phase again" in retired.output, retired.output


def test_late_comers_get_the_order_by_a_configuration(azure, fleet, waves, registry):
    """It never gets another condition, and while it is there nothing is ordered again: the hub would write over that."""
    path = twin_waves(fleet, phase_timeout=20)
    late = f"late-{uuid.uuid4().hex[:6]}"
    condition = f"FROM devices.modules WHERE moduleId = '{MODULE}' AND tags.site = '{late}'"
    flags = ("-e", "rootwave_phase=stage", "-e", f'{{"rootwave_late_condition": "{condition}"}}')
    inventory = fleet.inventory(waves, orders={"stage": path})
    with fleet.start(waves["canary"] + waves["broad"]):
        ran = fleet.play("order_campaign", inventory, *flags)
    assert ran.code == 0, ran.output
    fleet.seed([late], tags={"site": late})
    assert wait_for(lambda: ordered(registry, late), bool)["go"] == 1
    narrower = fleet.play("order_campaign", inventory, *flags[:3], flags[3].replace("site =", "place ="))
    assert narrower.code != 0 and "has another target condition" in narrower.output, narrower.output
    fleet.seed(["x-" + late])
    again = ("order_campaign", fleet.inventory({"canary": ["x-" + late]}, orders={"stage": path}), *flags[:2])
    fleet.write_campaign([{"group": "canary", "via": "twin"}], phase_timeout=20)
    refused = fleet.play(*again, "-e", "rootwave_again=true")
    name = f"rootwave-stage-1-{hashlib.sha256(Path(path).read_bytes()).hexdigest()[:12]}"
    assert refused.code != 0 and f"Nothing was ordered again: configuration {name}" in refused.output, refused.output
    assert ordered(registry, "x-" + late) is None
    IoTHubConfigurationManager.from_connection_string(azure.connection_string).delete_configuration(name)
    fleet.play(*again, "-e", "rootwave_again=true")
    assert ordered(registry, "x-" + late)["go"] == 1
