# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An allowlist that was signed: from the campaign's files over the signers' desk to a device, with nft's real answers there."""

from __future__ import annotations

import base64
import json

import pytest
import yaml
from ansible_collections.rootwave.iot.plugins.action import campaign_sign
from ansible_collections.rootwave.iot.plugins.filter.desired import desired
from ansible_collections.rootwave.iot.plugins.plugin_utils.campaign import load

from lab import config
from tests.system.test_rulesets import CORE, in_namespace
from tests.unit.plugins.action.test_campaign_sign import by, run
from tests.unit.plugins.plugin_utils.signing_people import ALICE, BOB, CAROL, MALLORY, keys_document

SET = {"path": "output", "backend": "nftables", "way": "named_set", "family": "inet", "table": "filter", "set4": "hubs"}
G2 = config.ROOT / "campaigns" / "anchors" / "digicert-global-root-g2.pem"
G2_SHA256 = "cb3ccbb76031e5e0138f8dd39a23f9de47ffc35e43c1144cea27d46a5ab1cb5f"
PREFIXES = [{"prefix": "20.50.0.0/24", "source": "AzureIoTHub.WestEurope, change 42"}]


@pytest.fixture
def campaign(tmp_path):
    """The campaign as its lookup gives it, with or without places of its own."""

    def write(places):
        (tmp_path / "new.yml").write_text(yaml.safe_dump({"schema": 1, "prefixes": PREFIXES}))
        document = {
            "name": "signed",
            "description": "For the signers.",
            "clouds": ["public"],
            "anchors": {"present": [{"name": "g2", "sha256": G2_SHA256, "file": str(G2)}], "absent": []},
            "endpoints": [{"host": "hub.example", "port": 8883, "role": "hub"}],
            "waves": ["all"],
            "policy": {},
            "allowlist": {"new": "new.yml", **({"places": places} if places else {})},
        }
        (tmp_path / "campaign.yml").write_text(yaml.safe_dump(document))
        return load(str(tmp_path / "campaign.yml"))

    return write


def signed(folder, asked, *people):
    """The signed file's bytes, and those of the keys that a device has."""
    known = json.dumps(keys_document(ALICE, BOB, CAROL))
    (folder / "keys.json").write_text(known)
    args = {"dest": str(folder / "stage.dsse.json"), "fleet": "plant", "phase": "stage", "serial": 1, "campaign": asked}
    args["keys_file"] = str(folder / "keys.json")
    made = run(campaign_sign, state="created", valid_for=30, keys=by(people[0]), **args)
    assert made["changed"], made
    shown = made["diff"]["after"]
    for person in people[1:]:
        assert run(campaign_sign, state="signed", keys=by(person), **args)["changed"]
    return (folder / "stage.dsse.json").read_bytes(), known.encode(), shown


def on_device(data, known, rights):
    texts = [base64.b64encode(one).decode() for one in (data, known)]
    done = in_namespace("bookworm", "python3", "/project/tests/system/on_gateway_signed.py", CORE, *texts, rights=rights)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_from_the_campaign_to_the_device(campaign, tmp_path):
    """The device has the very document that the push way sends. An agent's sandbox has no CAP_NET_ADMIN; with it, nft answers."""
    asked = campaign([SET])
    data, known, shown = signed(tmp_path, asked, ALICE, BOB)
    assert "new 20.50.0.0/24 (AzureIoTHub.WestEurope, change 42)" in shown and '"set4": "hubs"' in shown, shown
    without = on_device(data, known, "--cap-drop=NET_ADMIN")
    assert without["desired"] == desired(asked, "stage")
    assert without["desired"]["allowlist"]["new"] == PREFIXES and without["desired"]["allowlist"]["places"] == [SET]
    assert (without["outcome"], without["blockers"][0]) == ("refused", "allowlist-tool"), without["blockers"]
    able = on_device(data, known, "--cap-add=NET_ADMIN")
    assert able["blockers"][0] == "allowlist-missing-set" and "allowlist-tool" not in able["blockers"], able["blockers"]


def test_a_device_without_a_place_is_refused(campaign, tmp_path):
    data, known, shown = signed(tmp_path, campaign([]), ALICE, BOB)
    assert "place: none of the campaign's own" in shown
    assert on_device(data, known, "--cap-add=NET_ADMIN")["blockers"][0] == "allowlist-place"


def test_an_allowlist_that_was_touched_is_not_believed(campaign, tmp_path):
    """Signed by two, and one prefix is another one; or signed by one alone."""
    data, known, _shown = signed(tmp_path, campaign([SET]), ALICE, BOB)
    envelope = json.loads(data)
    payload = base64.b64decode(envelope["payload"]).replace(b"20.50.0.0/24", b"20.51.0.0/24")
    touched = json.dumps({**envelope, "payload": base64.b64encode(payload).decode()}).encode()
    assert payload != base64.b64decode(envelope["payload"])
    assert "refused" in on_device(touched, known, "--cap-add=NET_ADMIN")
    assert "refused" in on_device(data, json.dumps(keys_document(ALICE, CAROL, MALLORY)).encode(), "--cap-add=NET_ADMIN")
