# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules about signed files, from their arguments to the files: the offline flow of docs/signing.md, and what it refuses."""

from __future__ import annotations

import json
import os
from types import SimpleNamespace

import pytest
from ansible_collections.rootwave.iot.plugins.action import campaign_info, campaign_keys, campaign_sign
from ansible_collections.rootwave.iot.plugins.module_utils.gateway import keys as key_files
from ansible_collections.rootwave.iot.plugins.module_utils.gateway import order

from tests.unit.plugins.plugin_utils.signing_people import ALICE, BOB, CAROL, MALLORY, campaign, keys_document, openssl


def run(action, check_mode=False, **args):
    task = SimpleNamespace(args=args, check_mode=check_mode, async_val=0, diff=True)
    connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir="unused"))
    result = action.ActionModule(task, connection, None, None, None, None).run(task_vars={})
    assert "PRIVATE" not in json.dumps(result)
    return result


def by(*people):
    return [{"private_key": person.private} for person in people]


@pytest.fixture
def desk(tmp_path):
    """Where the files are; keys.json with two of Alice, Bob and Carol."""
    (tmp_path / "keys-1.json").write_text(json.dumps(keys_document(ALICE, BOB, CAROL)))
    return tmp_path


@pytest.fixture
def asked(desk):
    return {
        "dest": str(desk / "7-stage.dsse.json"),
        "campaign": campaign(),
        "fleet": "plant",
        "phase": "stage",
        "serial": 7,
        "keys_file": str(desk / "keys-1.json"),
    }


def create(asked, **changes):
    """What is None is not given."""
    args = {"state": "created", "valid_for": 30, "keys": by(ALICE), **asked, **changes}
    return run(campaign_sign, **{name: value for name, value in args.items() if value is not None})


def device(desk, path):
    return order.verify_phase(path.read_bytes(), key_files.from_bytes((desk / "keys-1.json").read_bytes()))


def test_two_people_one_after_the_other(desk, asked):
    first = create(asked)
    assert first["changed"] and not first["signed"]["ready"]
    assert first["diff"]["before"] == "" and "phase: stage\n" in first["diff"]["after"] and ALICE.id in first["diff"]["after"]
    payload = first["signed"]["payload_sha256"]
    second = run(campaign_sign, state="signed", keys=by(BOB), **asked)
    assert second["changed"] and second["signed"]["ready"] and second["signed"]["payload_sha256"] == payload
    assert BOB.id not in second["diff"]["before"] and BOB.id in second["diff"]["after"]
    phase = device(desk, desk / "7-stage.dsse.json")
    assert phase.signers == (ALICE.id, BOB.id) and phase.expires - phase.not_before == 30 * 86400
    assert sorted(os.listdir(desk)) == ["7-stage.dsse.json", "keys-1.json"]


def test_again_changes_nothing(desk, asked):
    create(asked)
    before = (desk / "7-stage.dsse.json").read_bytes()
    for again in (create(asked), run(campaign_sign, state="signed", keys=by(ALICE), **asked)):
        assert not again["changed"] and "diff" not in again
    assert (desk / "7-stage.dsse.json").read_bytes() == before


def test_check_mode_says_the_same_and_writes_nothing(desk, asked):
    dry = create(asked, check_mode=True)
    assert dry["changed"] and not (desk / "7-stage.dsse.json").exists()
    create(asked)
    before = (desk / "7-stage.dsse.json").read_bytes()
    dry = run(campaign_sign, check_mode=True, state="signed", keys=by(BOB), **asked)
    assert dry["changed"] and dry["signed"]["ready"] and BOB.id in dry["diff"]["after"]
    assert (desk / "7-stage.dsse.json").read_bytes() == before


def test_a_tool_that_is_not_known_here(desk, asked):
    """The bytes go out as a file, the signature comes back as a file."""
    create(asked, to_sign=str(desk / "bytes"))
    (desk / "sig").write_bytes(openssl("dgst", "-sha256", "-sign", CAROL.private, str(desk / "bytes")))
    elsewhere = [{"signature": str(desk / "sig"), "public_key": CAROL.public}]
    assert run(campaign_sign, state="signed", keys=elsewhere, **asked)["signed"]["ready"]
    assert device(desk, desk / "7-stage.dsse.json").signers == (ALICE.id, CAROL.id)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"serial": 8}, "serial differ", id="another serial"),
        pytest.param({"fleet": "other"}, "fleet differ", id="another fleet"),
        pytest.param({"phase": "retire"}, "phase, desired differ", id="another phase"),
        pytest.param({"campaign": campaign(digest="e" * 64)}, "digest, desired differ", id="another campaign"),
        pytest.param({"campaign": campaign(absent=[])}, "desired differ", id="another content with the same digest"),
        pytest.param({"valid_for": 31}, "expires differ", id="another end"),
        pytest.param({"keys": by(MALLORY)}, "no device would count", id="a key that no device knows"),
        pytest.param({"serial": None}, "serial must be given", id="no serial"),
    ],
)
def test_who_signs_something_else_is_stopped(desk, asked, changes, words):
    create(asked)
    before = (desk / "7-stage.dsse.json").read_bytes()
    for state in ("signed", "created"):
        result = create(asked, **{"state": state, "keys": by(BOB), "valid_for": None, **changes})
        assert result["failed"] and words in result["msg"]
    assert (desk / "7-stage.dsse.json").read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"valid_for": None}, "valid_for (days) or expires", id="no end"),
        pytest.param({"valid_for": None, "expires": "2001-01-01"}, "which is past", id="end in the past"),
        pytest.param({"valid_for": None, "expires": "soon"}, "is not a time", id="end that is no time"),
        pytest.param({"not_before": "2999-01-01", "valid_for": None, "expires": "2998-01-01"}, "expires after", id="end first"),
        pytest.param({"serial": 0}, "serial starts at 1", id="serial 0"),
        pytest.param({"phase": "revert"}, "name the phase that is to be taken back", id="revert of nothing"),
        pytest.param({"undo": "stage"}, "undo", id="stage with undo"),
        pytest.param({"campaign": campaign(endpoints=[])}, "no endpoints", id="nothing to prove it by"),
        pytest.param({"keys_file": "/nonexistent"}, "/nonexistent: No such file", id="no keys file"),
        pytest.param({"campaign": None}, "needs campaign, or new_keys", id="nothing to sign"),
        pytest.param({"dest": "/nonexistent/x"}, "No such file", id="no folder"),
    ],
)
def test_what_is_never_made(desk, asked, changes, words):
    result = create(asked, **changes)
    assert result["failed"] and words in result["msg"]
    assert os.listdir(desk) == ["keys-1.json"]


def test_signing_what_is_not_there(asked):
    result = run(campaign_sign, state="signed", keys=by(BOB), **asked)
    assert result["failed"] and "whoever signs first says state=created" in result["msg"]


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[" * 20000, b"x" * 40000, b'{"payload":"e30=","payloadType":"x","signatures":[]}']
)
def test_a_file_that_is_something_else_is_left_alone(desk, asked, data):
    (desk / "7-stage.dsse.json").write_bytes(data)
    for result in (create(asked), run(campaign_info, src=asked["dest"])):
        assert result["failed"] and asked["dest"] in result["msg"]
    assert (desk / "7-stage.dsse.json").read_bytes() == data


def test_endpoints_beside_the_campaign(desk, asked):
    create(asked, endpoints=[{"host": "dps.example", "port": 8883, "role": "dps"}], keys=by(ALICE, BOB))
    assert [one["host"] for one in device(desk, desk / "7-stage.dsse.json").desired["endpoints"]] == [
        "hub.example",
        "dps.example",
    ]


def test_info_says_what_can_be_said(desk, asked):
    create(asked, not_before="2027-01-02T03:04:05Z")
    known = run(campaign_info, src=asked["dest"], keys_file=asked["keys_file"])
    assert not known["changed"]
    signed = known["signed"]
    assert (signed["kind"], signed["serial"], signed["not_before"]) == ("phase", 7, "2027-01-02T03:04:05Z")
    assert signed["expires"] == "2027-02-01T03:04:05Z"
    assert signed["signatures"] == [{"keyid": ALICE.id, "valid": True}]
    assert signed["thresholds"] == [{"keys_version": 1, "needed": 2, "signed_by": [ALICE.id], "met": False}]
    assert signed["envelope_bytes"] == os.path.getsize(asked["dest"]) and signed["fits"] and signed["chunks"] == 2
    unknown = run(campaign_info, src=asked["dest"])["signed"]
    assert unknown["signatures"] == [{"keyid": ALICE.id, "valid": None}] and not unknown["ready"]


def test_a_file_of_another_fleet_is_not_ready(desk, asked):
    create(asked, keys=by(ALICE, BOB))
    (desk / "other.json").write_text(json.dumps(keys_document(ALICE, BOB, CAROL, fleet="other")))
    assert not run(campaign_info, src=asked["dest"], keys_file=str(desk / "other.json"))["signed"]["ready"]


# keys


def keys_of(desk, name, *people, **changes):
    public = [person.public for person in people]
    return run(campaign_keys, **{"dest": str(desk / name), "fleet": "plant", "threshold": 2, "public_keys": public, **changes})


def test_from_the_first_keys_to_the_second(tmp_path):
    """A rotation from end to end: Carol goes, Mallory comes, and a device takes it."""
    first = keys_of(tmp_path, "keys-1.json", ALICE, BOB, CAROL)
    assert first["changed"] and first["version"] == 1 and [one["keyid"] for one in first["keys"]] == [ALICE.id, BOB.id, CAROL.id]
    assert not keys_of(tmp_path, "keys-1.json", ALICE, BOB, CAROL)["changed"]
    previous = str(tmp_path / "keys-1.json")
    assert keys_of(tmp_path, "keys-2.json", ALICE, BOB, MALLORY, previous=previous)["version"] == 2
    args = {"dest": str(tmp_path / "keys-2.dsse.json"), "new_keys": str(tmp_path / "keys-2.json"), "keys_file": previous}
    assert not run(campaign_sign, state="created", keys=by(ALICE), **args)["signed"]["ready"]
    assert not run(campaign_sign, state="signed", keys=by(MALLORY), **args)["signed"]["ready"]
    done = run(campaign_sign, state="signed", keys=by(BOB), **args)["signed"]
    assert done["ready"] and (done["kind"], done["version"], done["needed"]) == ("keys", 2, 2)
    document = order.verify_keys(
        (tmp_path / "keys-2.dsse.json").read_bytes(), key_files.from_bytes((tmp_path / "keys-1.json").read_bytes())
    )
    assert document == json.loads((tmp_path / "keys-2.json").read_text())


def test_a_file_of_keys_is_never_changed(tmp_path):
    keys_of(tmp_path, "keys-1.json", ALICE, BOB, CAROL)
    before = (tmp_path / "keys-1.json").read_bytes()
    result = keys_of(tmp_path, "keys-1.json", ALICE, BOB, MALLORY)
    assert result["failed"] and "next version in another file" in result["msg"]
    assert (tmp_path / "keys-1.json").read_bytes() == before


@pytest.mark.parametrize(
    ("people", "changes", "words"),
    [
        pytest.param([ALICE, ALICE], {}, "one key stands twice", id="a key twice"),
        pytest.param([ALICE], {}, "threshold must be from 1 to 1", id="threshold above the keys"),
        pytest.param([ALICE, BOB], {"fleet": "a b"}, "not a name", id="fleet with a space"),
        pytest.param([ALICE, BOB], {"public_keys": [ALICE.private]}, "PUBLIC KEY", id="a private key"),
        pytest.param([ALICE, BOB], {"public_keys": ["/nonexistent"]}, "No such file", id="no such file"),
    ],
)
def test_keys_that_are_never_made(tmp_path, people, changes, words):
    result = keys_of(tmp_path, "keys-1.json", *people, **changes)
    assert result["failed"] and words in result["msg"]
    assert os.listdir(tmp_path) == []


def test_keys_of_one_fleet_never_pass_to_another(tmp_path):
    keys_of(tmp_path, "keys-1.json", ALICE, BOB)
    result = keys_of(tmp_path, "keys-2.json", ALICE, BOB, fleet="other", previous=str(tmp_path / "keys-1.json"))
    assert result["failed"] and "never pass to another" in result["msg"]


def test_check_mode_makes_no_keys(tmp_path):
    assert keys_of(tmp_path, "keys-1.json", ALICE, BOB, check_mode=True)["changed"]
    assert os.listdir(tmp_path) == []
