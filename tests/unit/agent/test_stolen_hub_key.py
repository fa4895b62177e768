# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who can write every twin, and has every envelope that ever stood in one: delays, repeats, withholds, and nothing else.

Signatures are pyca/cryptography's and judged by the openssl command, as on a device.
"""

from __future__ import annotations

import base64
import json
import time

import pytest
from gateway.strict_json import INTEGER_MOST

from agent import orders, records
from tests.unit.agent import signing
from tests.unit.agent.device import Device, document, staged
from tests.unit.agent.signing import KEYS, PHASE, Signer
from tests.unit.plugins.module_utils.gateway.debian_gateway import run


@pytest.fixture
def device(tmp_path):
    return Device(tmp_path)


def retired(device):
    staged(device)
    device.order("retire", 2)
    device.do()
    assert device.do("commit")["retire"]["state"] == "proved"


def bytes_of(order):
    text = "".join(order[f"c{index}"] for index in range(order["n"]))
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def unsigned(order):
    """The same payload, its signatures taken off."""
    return signing.order(json.dumps({**json.loads(bytes_of(order)), "signatures": []}).encode())


def payload_changed(order, **changes):
    """The signatures as they are, over a payload that somebody changed."""
    envelope = json.loads(bytes_of(order))
    payload = {**json.loads(base64.b64decode(envelope["payload"])), **changes}
    return signing.order(json.dumps({**envelope, "payload": base64.b64encode(json.dumps(payload).encode()).decode()}).encode())


def test_repeats_change_nothing(device):
    """A signed phase is run again for each go; what is done already is found done."""
    staged(device)
    before, ratchet = device.gateway.snapshot(), device.ratchet()
    for go in (2, 7, INTEGER_MOST):
        device.section["stage"]["go"] = go
        assert device.do()["stage"]["state"] == "proved"
        assert (device.gateway.snapshot(), device.ratchet()) == (before, ratchet)


def test_a_phase_alone_is_refused_and_what_was_withheld_goes_on_later(device):
    """Retire without its stage; then both, and the device does them in order."""
    device.gateway.served = {"rehearsal": "ok"}
    device.order("retire", 2)
    retire = device.section["retire"]
    before = device.gateway.snapshot()
    assert "not-staged" in device.do()["retire"]["reason"] and device.gateway.snapshot() == before
    device.gateway.served = {}
    device.order("stage", 1)
    device.section["retire"] = {**retire, "go": 2}
    assert device.do()["stage"]["state"] == "proved"


@pytest.mark.parametrize("change", [unsigned, lambda order: payload_changed(order, serial=9)], ids=["unsigned", "later serial"])
def test_a_committed_phase_is_not_taken_back_without_a_signature(device, change):
    retired(device)
    before = device.gateway.snapshot()
    device.order("revert", 3, undo="retire")
    signed, device.section["revert"] = device.section["revert"], change(device.section["revert"])
    record = device.do()["revert"]
    assert (record["state"], record["reason"].split(":")[0]) == ("refused", "unsigned")
    assert device.gateway.snapshot() == before and device.ratchet()["serial"] == 2
    device.section["revert"] = signed
    assert device.do()["revert"]["state"] == "proved" and device.gateway.snapshot() != before


def test_withdrawing_does_not_take_back_what_was_committed(device):
    """Null in the twin reverts what is pending; when nothing is, nothing is done."""
    retired(device)
    before = device.gateway.snapshot()
    device.section = {}
    assert orders.next_job(device.section, records.load(device.config.state_dir), None, time.time()) is None
    for job in ("revert", "settle", "orders"):
        assert device.do(job)["retire"]["state"] == "proved"
    assert device.gateway.snapshot() == before


def test_everything_from_before_is_refused(device):
    """Each envelope that ever stood in a twin, after the next one was carried out, under any go."""
    staged(device)
    old = [device.section["stage"], device.signer.phase(document("stage"), 2)]
    device.section["stage"] = device.signer.phase(document("stage"), 3)
    assert device.do()["stage"]["state"] == "proved"
    for order in old:
        for go in (1, 2, 99):
            device.section["stage"] = {**order, "go": go}
            record = device.do()["stage"]
            assert (record["state"], record["reason"].split(":")[0]) == ("refused", "serial")
    assert device.ratchet()["serial"] == 3


def test_a_revert_sent_ahead_shuts_out_what_is_older_and_no_more(device):
    """A signed revert that it once read goes to a device that did nothing yet. People sign again with a higher serial."""
    device.order("revert", 3, undo="stage")
    before = device.gateway.snapshot()
    assert device.do()["revert"]["state"] == "proved" and device.gateway.snapshot() == before
    device.order("stage", 1)
    assert device.do()["stage"]["reason"].startswith("serial")
    device.order("stage", 4)
    assert device.do()["stage"]["state"] == "proved"


def test_old_keys_do_not_come_back(device):
    """Version 2 and 3 were signed; a device at 3 takes neither again, and nothing that is signed by who left."""
    first, chain = device.signer, [device.signer, Signer(version=2), Signer(version=3)]
    sent = [
        signing.order(signing.envelope(KEYS, new.document, old.keys + new.keys))
        for old, new in zip(chain, chain[1:], strict=False)
    ]
    for order in sent:
        device.section["keys"] = order
        assert device.do()["keys"]["state"] == "proved"
    for order in sent:
        device.section["keys"] = {**order, "go": 2}
        assert device.do()["keys"]["state"] == "refused"
    assert records.keys_version(device.config.state_dir) == 3
    device.section["stage"] = first.phase(document("stage"), 1)
    assert device.do()["stage"]["reason"].startswith("unsigned")
    device.section["stage"] = chain[2].phase(document("stage"), 1)
    assert device.do()["stage"]["state"] == "proved"


@pytest.mark.parametrize("endpoint, state", [(443, "proved"), (8883, "refused")], ids=["named by the campaign", "its own hub"])
def test_a_signed_phase_cannot_leave_out_the_devices_own_hub(device, endpoint, state):
    """Also the threshold of keys: a campaign that names 443 alone, and the device's own hub on 8883 that would be lost."""
    staged(device)
    before = device.gateway.snapshot()
    device.gateway.served = {} if endpoint == 443 else {(8883, offer): "tls-untrusted" for offer in ("default", "rsa", "ecdsa")}
    device.order("retire", 2)
    device.do()
    record = device.do("commit")["retire"]
    assert record["state"] == state and (device.gateway.snapshot() == before) is (state == "refused")


def test_what_ssh_can_do_and_a_twin_cannot(device):
    """Push trust is SSH trust: root's own run asks no signature, and who is root says whom the agent believes."""
    stranger = Signer()
    device.section["stage"] = stranger.phase(document("stage"), 1)
    assert device.do()["stage"]["reason"].startswith("unsigned")
    before = device.gateway.snapshot()
    assert run(device.gateway, "stage")["outcome"] == "done" and device.gateway.snapshot() != before
    device.install(stranger)
    device.section["stage"]["go"] = 2
    assert device.do()["stage"]["state"] == "proved"


def test_an_envelope_of_a_phase_is_no_envelope_of_keys(device):
    """What was signed as one thing is offered as the other."""
    new = Signer(version=2)
    as_phase = signing.envelope(PHASE, new.document, device.signer.keys + new.keys)
    device.section["keys"] = signing.order(as_phase)
    assert device.do()["keys"]["reason"].startswith("type")
    relabelled = {**json.loads(as_phase), "payloadType": KEYS}
    device.section["keys"] = signing.order(json.dumps(relabelled).encode())
    assert device.do()["keys"]["reason"].startswith("unsigned")
    device.section["keys"] = signing.order(signing.envelope(KEYS, new.document, device.signer.keys + new.keys))
    assert device.do()["keys"]["state"] == "proved"
