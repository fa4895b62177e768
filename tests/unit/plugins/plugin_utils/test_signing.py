# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is signed here is judged by others: the openssl command, securesystemslib's own verification, and the device's code."""

from __future__ import annotations

import json

import pytest
from ansible_collections.rootwave.iot.plugins.module_utils.gateway import keys as key_files
from ansible_collections.rootwave.iot.plugins.module_utils.gateway import order, pem
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.envelope import PHASE_TYPE, Envelope, Signature
from ansible_collections.rootwave.iot.plugins.plugin_utils import order_form, signing
from ansible_collections.rootwave.iot.plugins.plugin_utils.signed_facts import facts_of
from ansible_collections.rootwave.iot.plugins.plugin_utils.signers import signer_of
from ansible_collections.rootwave.iot.plugins.plugin_utils.signing import SigningError
from securesystemslib import dsse
from securesystemslib.exceptions import VerificationError

from tests.unit.plugins.module_utils.gateway.certificates import root

from .signing_people import ALICE, BOB, CAROL, MALLORY, TIMES, campaign, keys_document, mirrored, openssl, public

KEYS = key_files.from_bytes(json.dumps(keys_document(ALICE, BOB, CAROL)).encode())


RSA_2017_SHA256 = "c741f70f4b2a8d88bf2e71c14122ef53ef10eba0cfa5e64cfa20f418853073e0"


def self_made_root(folder):
    """A root with an RSA key of 4096 bits, as {"sha256", "pem"}."""
    argv = ["req", "-x509", "-newkey", "rsa:4096", "-nodes", "-keyout", str(folder / "key"), "-days", "9999"]
    text = openssl(*argv, "-subj", "/C=US/O=Microsoft Corporation/CN=Microsoft TLS RSA Root G2").decode()
    der = pem.split(text.encode())[0]
    return {"sha256": pem.fingerprint(der), "pem": pem.encode(der)}


def unsigned(**changes):
    return Envelope(PHASE_TYPE, signing.phase_payload(campaign(**changes), "plant", "stage", None, 7, TIMES), ())


def signed_by(*people, **changes):
    envelope = unsigned(**changes)
    for person in people:
        envelope = signing.add_signature(envelope, signer_of({"private_key": person.private}))
    return envelope


def library_keys(*people):
    return [signing.library_key(public(person)) for person in people]


def test_the_device_believes_it():
    phase = order.verify_phase(signing.text_of(signed_by(ALICE, BOB)).encode(), KEYS)
    assert phase.signers == (ALICE.id, BOB.id)
    assert (phase.serial, phase.phase, phase.desired["confirm_within"]) == (7, "stage", 300)


def test_openssl_verifies_each_signature(tmp_path):
    envelope = signed_by(ALICE, BOB)
    for person, signature in zip((ALICE, BOB), envelope.signatures, strict=True):
        (tmp_path / "sig").write_bytes(signature.sig)
        argv = ["dgst", "-sha256", "-verify", person.public, "-signature", str(tmp_path / "sig")]
        assert openssl(*argv, stdin=signing.to_sign(envelope)).strip() == b"Verified OK"
        assert signature.keyid == person.id


def test_securesystemslib_verifies_the_file():
    document = json.loads(signing.text_of(signed_by(ALICE, BOB)))
    theirs = dsse.Envelope.from_dict(document)
    assert set(theirs.verify(library_keys(ALICE, BOB, CAROL), 2)) == {ALICE.id, BOB.id}
    assert theirs.pae() == signing.to_sign(signed_by())
    with pytest.raises(VerificationError):
        theirs.verify(library_keys(ALICE, BOB, CAROL), 3)
    theirs.payload += b" "
    with pytest.raises(VerificationError):
        theirs.verify(library_keys(ALICE, BOB, CAROL), 1)


def test_the_second_person_signs_the_same_bytes_and_a_key_signs_once():
    first = signed_by(ALICE)
    second = signing.add_signature(first, signer_of({"private_key": BOB.private}))
    assert second.payload == first.payload and second.signatures[0] == first.signatures[0]
    assert signing.add_signature(second, signer_of({"private_key": ALICE.private})) == second
    assert signing.read(signing.text_of(second).encode(), "x") == second


def test_two_valid_signatures_of_one_key_are_one_person():
    one = signed_by(ALICE)
    both = one._replace(signatures=(*one.signatures, Signature(BOB.id, mirrored(one.signatures[0].sig))))
    assert signing.valid_signers(both, library_keys(ALICE, BOB)) == [ALICE.id]
    assert facts_of(both, signing.text_of(both).encode(), KEYS)["ready"] is False
    assert facts_of(signed_by(ALICE, BOB), signing.text_of(both).encode(), KEYS)["ready"] is True


def test_a_payload_that_changed_after_somebody_signed():
    changed = signed_by(ALICE)._replace(payload=unsigned(name="other").payload)
    with pytest.raises(SigningError, match="changed after it was signed"):
        signing.add_signature(changed, signer_of({"private_key": ALICE.private}))


def test_seventeen_people_are_one_too_many():
    full = signed_by(ALICE)._replace(signatures=tuple(Signature(str(index), b"x") for index in range(16)))
    with pytest.raises(SigningError, match="16 signatures already"):
        signing.add_signature(full, signer_of({"private_key": ALICE.private}))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"endpoints": []}, "no endpoints", id="nothing to prove it by"),
        pytest.param({"name": "../x"}, "not a name", id="name that is a path"),
        pytest.param({"digest": "x"}, "digest is not a SHA-256", id="digest that is none"),
        pytest.param({"accept": [{"finding": "x" * 1900, "reason": "y"}] * 20}, "at most 24576", id="more than a payload holds"),
    ],
)
def test_what_a_device_would_refuse_is_not_signed(changes, words):
    with pytest.raises(SigningError, match=words):
        unsigned(**changes)


def test_a_payload_that_fits_a_device_but_no_envelope():
    """24,000 bytes are a payload; with its base64 and signatures around it they are no envelope any more."""
    envelope = unsigned(accept=[{"finding": "x" * 1990, "reason": "y"}] * 10)
    assert 22000 < len(envelope.payload) < 24576
    signing.text_of(envelope)
    many = envelope._replace(signatures=(Signature("k" * 64, b"x" * 72),) * 16)
    with pytest.raises(SigningError, match="sign fewer anchors"):
        signing.text_of(many)


def test_new_keys():
    old, new = keys_document(ALICE, BOB, CAROL), keys_document(ALICE, BOB, MALLORY, version=2)
    envelope = Envelope(signing.KEYS_TYPE, signing.keys_payload(json.dumps(new).encode(), "x"), ())
    for person in (ALICE, BOB):
        envelope = signing.add_signature(envelope, signer_of({"private_key": person.private}))
    data = signing.text_of(envelope).encode()
    assert order.verify_keys(data, KEYS) == new
    facts = facts_of(envelope, data, KEYS)
    assert facts["ready"] and [one["keys_version"] for one in facts["thresholds"]] == [1, 2]
    assert not facts_of(envelope, data, key_files.from_bytes(json.dumps(dict(old, version=2)).encode()))["ready"]
    with pytest.raises(SigningError, match="threshold must be"):
        signing.keys_payload(json.dumps(dict(new, threshold=9)).encode(), "x")


def test_stage_and_retire_of_a_whole_campaign_fit_one_twin(tmp_path):
    """A device that was away gets both at once. Four roots as large as those of Azure; one of them is made up."""
    large = {"name": "rsa-2017", "sha256": RSA_2017_SHA256, "pem": root("microsoft-rsa-root-ca-2017")}
    made_up = {"name": "rsa-g2", **self_made_root(tmp_path)}
    endpoints = [{"host": f"hub{index}.azure-devices.net", "port": 8883, "role": "hub", "proxy": None} for index in range(3)]
    orders = {}
    for serial, phase in enumerate(("stage", "retire"), 1):
        whole = campaign(present=[campaign()["present"][0], large, made_up], endpoints=endpoints)
        envelope = Envelope(PHASE_TYPE, signing.phase_payload(whole, "plant", phase, None, serial, TIMES), ())
        for person in (ALICE, BOB, CAROL):
            envelope = signing.add_signature(envelope, signer_of({"private_key": person.private}))
        orders[phase] = order_form.order_of(signing.text_of(envelope).encode())
    assert 28000 < order_form.must_fit(orders) < 32768
