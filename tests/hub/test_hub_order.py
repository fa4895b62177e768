# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module hub_order in real ansible runs; what it did is read by the vendor's SDK, and carried out by light devices."""

from __future__ import annotations

import base64
import hashlib
import json
import uuid

import pytest
from azure.iot.hub import IoTHubRegistryManager
from azure.iot.hub.models import Twin, TwinProperties

from tests.hub.test_service_sdk import wait_for
from tests.hub.twin_fleet import MODULE, TwinFleet

REFUSES = {"state": "refused", "reason": "clock: it is 1970"}


@pytest.fixture
def registry(azure):
    return IoTHubRegistryManager.from_connection_string(azure.connection_string)


@pytest.fixture
def fleet(azure, tmp_path):
    made = TwinFleet(azure, tmp_path, keys=2, threshold=2)
    made.sign(signers=2)
    return made


@pytest.fixture
def names(fleet):
    tag = uuid.uuid4().hex[:6]
    found = [f"order-{tag}-{number}" for number in range(4)]
    fleet.seed(found)
    return found


@pytest.fixture
def inbox(fleet):
    tag = uuid.uuid4().hex[:6]
    found = [f"inbox-{tag}-{number}" for number in range(4)]
    fleet.seed(found, inbox=True)
    return found


def desired(registry, name, module=MODULE):
    twin = registry.get_module_twin(name, module) if module else registry.get_twin(name)
    return {key: value for key, value in twin.properties.desired.items() if not key.startswith("$")}


def state(registry, name, module=MODULE, order="stage"):
    twin = registry.get_module_twin(name, module) if module else registry.get_twin(name)
    return ((twin.properties.reported or {}).get("rootwave") or {}).get(order, {}).get("state")


def versions(registry, names):
    return [registry.get_module_twin(name, MODULE).version for name in names]


def replace(registry, name, **properties):
    twin = registry.get_module_twin(name, MODULE)
    registry.update_module_twin(name, MODULE, Twin(properties=TwinProperties(desired=properties)), twin.etag)


def test_the_order_is_the_envelope_and_a_second_run_sends_nothing(fleet, names, registry):
    checked = fleet.order(names, "--check")
    assert checked.result["changed"] and desired(registry, names[0]) == {}, checked.output
    done = fleet.order(names)
    assert done.result["counts"]["ordered"] == 4 and "at least 1 s by the hub's quota" in done.output
    order = desired(registry, names[0])["rootwave"]["stage"]
    text = "".join(order[f"c{number}"] for number in range(order["n"]))
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    assert data == (fleet.folder / "stage-1.dsse.json").read_bytes() and order["go"] == 1
    assert order["id"] == hashlib.sha256(data).hexdigest() == done.result["id"]
    assert set(order) == {"id", "n", "go", *(f"c{number}" for number in range(order["n"]))}
    before = versions(registry, names)
    again = fleet.order(names)
    assert not again.result["changed"] and again.result["counts"]["waiting"] == 4
    assert versions(registry, names) == before


def test_resumed_only_what_is_missing_is_written(fleet, names, registry):
    assert fleet.order(names[:2]).result["counts"]["ordered"] == 2
    before = versions(registry, names[:2])
    ran = fleet.order(names)
    assert ran.result["counts"]["ordered"] == 2 and ran.result["counts"]["waiting"] == 2
    assert versions(registry, names[:2]) == before


def test_one_failure_does_not_stop_the_others(azure, fleet, names, registry):
    azure.fault("status", status=400, method="PATCH", path=f"^/twins/{names[1]}")
    ran = fleet.order([*names, "nobody"])
    assert ran.code == 0 and ran.result["counts"]["ordered"] == 3, ran.output
    assert [(one["device_id"], one["state"]) for one in ran.result["not_ok"]] == [("nobody", "missing"), (names[1], "error")]


def test_done_devices_are_skipped_and_failed_ones_ordered_again_only_when_asked(fleet, names, registry):
    with fleet.start(names, {names[0]: REFUSES}):
        fleet.order(names)
        wait_for(lambda: {state(registry, name) for name in names}, lambda found: found == {"proved", "refused"})
    before = versions(registry, names)
    looked = fleet.order(names)
    assert looked.result["counts"]["proved"] == 3 and looked.result["counts"]["refused"] == 1
    assert looked.result["not_ok"] == [{"device_id": names[0], "state": "refused", "reason": REFUSES["reason"]}]
    assert not looked.result["changed"] and versions(registry, names) == before
    again = fleet.order(names, again=True)
    assert again.result["counts"]["ordered"] == 1 and desired(registry, names[0])["rootwave"]["stage"]["go"] == 2
    assert versions(registry, names[1:]) == before[1:]
    with fleet.start(names):
        wait_for(lambda: state(registry, names[0]), lambda found: found == "proved")
    assert fleet.order(names, state="info").result["counts"]["proved"] == 4


def test_a_tampered_order_is_refused_by_its_device(fleet, names, registry):
    """Somebody with a hub key changes one twin: that device refuses, and ordering again mends it."""
    fleet.order(names)
    order = desired(registry, names[0])["rootwave"]["stage"]
    changed = order["c0"][:99] + ("A" if order["c0"][99] != "A" else "B") + order["c0"][100:]
    replace(registry, names[0], rootwave={"stage": {"c0": changed}})
    with fleet.start(names):
        wait_for(lambda: {state(registry, name) for name in names}, lambda found: found == {"proved", "refused"})
        ran = fleet.order(names)
        assert ran.result["counts"]["refused"] == 1 and ran.result["not_ok"][0]["device_id"] == names[0]
        assert "damaged: the order's chunks are not the envelope" in ran.result["not_ok"][0]["reason"]
        assert fleet.order(names, again=True).result["counts"]["ordered"] == 1
        wait_for(lambda: state(registry, names[0]), lambda found: found == "proved")


def test_devices_refuse_what_too_few_signed(fleet, names, registry):
    path = fleet.sign(serial=2, signers=1)
    with fleet.start(names):
        fleet.order(names, path=path)
        wait_for(lambda: {state(registry, name) for name in names}, lambda found: found == {"refused"})


def test_foreign_properties_stay_and_a_full_twin_is_named(fleet, names, registry):
    full = {f"k{number}": "x" * 4000 for number in range(7)}
    replace(registry, names[0], **full, rootwave={"other": 1})
    replace(registry, names[1], theirs={"deep": [1, 2]}, rootwave={"retire": {"id": "keep"}})
    ran = fleet.order(names)
    assert ran.code == 0 and ran.result["counts"]["too_large"] == 1 and ran.result["counts"]["ordered"] == 3, ran.output
    assert ran.result["not_ok"][0]["device_id"] == names[0] and "the hub takes 32768" in ran.result["not_ok"][0]["reason"]
    assert desired(registry, names[0]) == {**full, "rootwave": {"other": 1}}
    kept = desired(registry, names[1])
    assert kept["theirs"] == {"deep": [1, 2]} and kept["rootwave"]["retire"] == {"id": "keep"} and "stage" in kept["rootwave"]


def test_the_chunks_of_a_longer_order_do_not_stay(fleet, names, registry):
    replace(registry, names[0], rootwave={"stage": {"id": "a" * 64, "n": 9, "c8": "old", "go": 3}})
    fleet.order(names[:1])
    order = desired(registry, names[0])["rootwave"]["stage"]
    assert "c8" not in order and order["go"] == 1


def test_another_writer_in_between(azure, fleet, names, registry):
    replace(registry, names[2], theirs=1)
    azure.fault("status", status=412, method="PATCH", path=f"^/twins/{names[2]}", count=1)
    assert fleet.order(names).result["counts"]["ordered"] == 4
    assert desired(registry, names[2])["theirs"] == 1
    azure.fault("status", status=412, method="PATCH", path=f"^/twins/{names[2]}")
    fleet.sign(serial=2, signers=2)
    lost = fleet.order(names, path=fleet.folder / "stage-2.dsse.json")
    assert lost.result["counts"]["error"] == 1 and lost.result["counts"]["ordered"] == 3


def test_a_storm_of_429_is_waited_out(azure, fleet, names):
    azure.fault("status", status=429, method="PATCH", path="^/twins/order-", count=6)
    ran = fleet.order(names)
    assert ran.code == 0 and ran.result["counts"]["ordered"] == 4, ran.output


def test_429_for_ever_is_an_error_and_no_hang(azure, fleet, names):
    azure.fault("status", status=429, method="PATCH", path=f"^/twins/{names[0]}")
    ran = fleet.order(names, time_budget=5)
    assert ran.result["counts"]["error"] >= 1 and "ThrottlingException" in ran.result["not_ok"][0]["reason"]


def test_inbox_devices_by_job(fleet, inbox, registry):
    registry.update_twin(inbox[0], Twin(properties=TwinProperties(desired={"theirs": 1})), "*")
    fleet.order(inbox[3:], front_end="inbox")
    version = registry.get_twin(inbox[3]).version
    with fleet.start(inbox, inbox=True):
        ran = fleet.order(inbox, front_end="inbox", via="job")
        assert ran.result["via"] == "job" and ran.result["counts"]["ordered"] == 3, ran.output
        wait_for(lambda: {state(registry, name, None) for name in inbox}, lambda found: found == {"proved"})
    assert desired(registry, inbox[0], None)["theirs"] == 1
    assert registry.get_twin(inbox[3]).version == version + 2  # its two reports
    assert not fleet.order(inbox, front_end="inbox", via="job").result["changed"]


def test_a_device_that_is_not_there_is_in_no_job(fleet, inbox):
    ran = fleet.order([*inbox, "nobody"], front_end="inbox", via="job")
    assert ran.result["counts"]["ordered"] == 4 and ran.result["counts"]["missing"] == 1


def test_module_twins_never_go_by_job(fleet, names, registry):
    ran = fleet.order(names, via="job")
    assert ran.code != 0 and "jobs address device twins only" in ran.result["msg"]
    assert fleet.order(names).result["via"] == "direct"


def test_withdrawn(fleet, names, registry):
    fleet.order(names)
    replace(registry, names[0], rootwave={"stage": {"id": "b" * 64}})
    mine = fleet.order(names, state="withdrawn")
    assert mine.result["counts"]["withdrawn"] == 3 and "stage" in desired(registry, names[0])["rootwave"], mine.output
    options = {key: value for key, value in fleet.options(device_ids=names, state="withdrawn").items() if key != "envelope"}
    assert fleet.run("hub_order", options).result["counts"]["withdrawn"] == 1
    assert not any(desired(registry, name).get("rootwave") for name in names)
    assert not fleet.run("hub_order", options).result["changed"]


@pytest.mark.parametrize(
    "change, words",
    [
        ({"phase": "retire"}, "its phase is stage, the task says retire"),
        ({"fleet": "plant-b"}, "its fleet is plant-a, the task says plant-b"),
        ({"digest": "0" * 64}, "its campaign's digest is"),
        ({"path": "/nonexistent.dsse.json"}, "No such file"),
    ],
)
def test_what_is_something_else_is_never_sent(fleet, names, registry, change, words):
    ran = fleet.order(names, **{"path": fleet.folder / "stage-1.dsse.json", **change})
    assert ran.code != 0 and words in ran.result["msg"], ran.output
    assert desired(registry, names[0]) == {}


@pytest.mark.parametrize("signers, sent", [(1, False), (2, True)])
def test_the_threshold_where_keys_are_given(fleet, names, registry, signers, sent):
    ran = fleet.order(names, path=fleet.sign(serial=2, signers=signers), keys=str(fleet.keys_path))
    assert (ran.code == 0) is sent and bool(desired(registry, names[0])) is sent, ran.output


def test_damaged_and_expired(fleet, names, registry):
    damaged = fleet.folder / "damaged.dsse.json"
    damaged.write_text(json.dumps({"payload": "e30=", "payloadType": "application/vnd.rootwave.phase+json", "signatures": []}))
    assert fleet.order(names, path=damaged).code != 0
    late = fleet.sign(serial=3, signers=2, issued=1, not_before=1, expires=1000)
    ran = fleet.order(names, path=late)
    assert ran.code != 0 and "the order expired" in ran.result["msg"] and desired(registry, names[0]) == {}


def test_new_keys_are_what_devices_believe_from_then_on(fleet, names, registry):
    """By gateway.order.verify_keys here, with keys.json, and as on a device there. The old keys sign nothing any more."""
    old = fleet.sign(serial=2, signers=2)
    keys = {"phase": "keys", "path": fleet.next_keys(old=2, new=2)}
    with fleet.start(names):
        sent = fleet.order(names, **keys, **{"keys": str(fleet.keys_path)})
        assert sent.result["counts"]["ordered"] == 4 and set(desired(registry, names[0])["rootwave"]) == {"keys"}, sent.output
        wait_for(lambda: {state(registry, name, order="keys_order") for name in names}, lambda found: found == {"proved"})
        again = fleet.order(names, **keys)
        assert not again.result["changed"] and again.result["counts"]["proved"] == 4
        fleet.order(names[:2], path=old)
        fleet.order(names[2:], path=fleet.sign(serial=3, signers=2))
        wait_for(lambda: [state(registry, name) for name in names], lambda found: found == ["refused"] * 2 + ["proved"] * 2)


@pytest.mark.parametrize("old, new, version", [(1, 2, 2), (2, 1, 2), (2, 2, 3), (2, 2, 1)])
def test_new_keys_that_no_device_takes(fleet, names, registry, old, new, version):
    """Too few old or new keys, a version left out or not higher: nothing is sent where keys.json tells, else it is refused."""
    keys = {"phase": "keys", "path": fleet.next_keys(version, old, new)}
    told = fleet.order(names, **keys, **{"keys": str(fleet.keys_path)})
    assert told.code != 0 and desired(registry, names[0]) == {}, told.output
    with fleet.start(names):
        fleet.order(names, **keys)
        wait_for(lambda: {state(registry, name, order="keys_order") for name in names}, lambda found: found == {"refused"})
        refused = fleet.order(names, **keys)
    assert refused.result["counts"]["refused"] == 4 and not refused.result["changed"]


def test_keys_where_a_phase_is_asked_for(fleet, names, registry):
    for phase, path in (("stage", fleet.next_keys(old=2, new=2)), ("keys", fleet.folder / "stage-1.dsse.json")):
        ran = fleet.order(names, phase=phase, path=path)
        assert ran.code != 0 and "it holds 'application/vnd.rootwave." in ran.result["msg"], ran.output
    assert desired(registry, names[0]) == {}


def test_the_connection_string_is_shown_nowhere(azure, fleet, names):
    key = azure.connection_string.rpartition("SharedAccessKey=")[2]
    ran = fleet.order(names, "-vvvv", "--diff")
    assert ran.result and key not in ran.output
