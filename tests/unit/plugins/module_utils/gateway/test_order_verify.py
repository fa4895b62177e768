# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a device believes. Signatures here are made by the openssl command; every attack stands beside what it was made of."""

from __future__ import annotations

import os
import tempfile

import pytest
from ansible_collections.rootwave.iot.plugins.module_utils.gateway import keys as key_files
from ansible_collections.rootwave.iot.plugins.module_utils.gateway import order, pem, processes
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.order import Refused, verify_phase

from .certificates import INTERMEDIATE, LEAF
from .people import (
    ALICE,
    BOB,
    CAROL,
    EXPIRES,
    ISSUED,
    KEYS_TYPE,
    MALLORY,
    NEW,
    THREE,
    TWO,
    desired,
    enveloped,
    keys_document,
    mirrored,
    openssl,
    order_of,
    pae,
    payload_of,
    signed,
)


@pytest.fixture(scope="module")
def keys():
    """Two of Alice, Bob and Carol; Mallory is nobody."""
    return keys_of(keys_document(*THREE))


def keys_of(document):
    return key_files.from_bytes(order.strict_json.json.dumps(document).encode())


def refused(data, keys):
    """(reason, message) of what must not be believed."""
    with pytest.raises(Refused) as caught:
        verify_phase(data, keys)
    return caught.value.reason, str(caught.value)


def test_two_of_three(keys):
    phase = verify_phase(order.assemble(order_of(signed(payload_of(), ALICE, CAROL))), keys)
    assert (phase.campaign, phase.fleet, phase.phase, phase.undo, phase.serial) == ("test", "plant", "stage", None, 7)
    assert (phase.issued, phase.expires) == (ISSUED, EXPIRES)
    assert phase.desired == desired()
    assert phase.signers == (ALICE.id, CAROL.id)
    assert verify_phase(signed(payload_of(), CAROL, BOB, ALICE), keys).signers == (ALICE.id, BOB.id, CAROL.id)


def test_openssl_agrees_on_what_was_signed(tmp_path):
    """The helper's signature is one for the openssl command, over the helper's own encoding."""
    (tmp_path / "sig").write_bytes(ALICE.sign(pae(payload_of())))
    said = openssl("dgst", "-sha256", "-verify", ALICE.public, "-signature", str(tmp_path / "sig"), stdin=pae(payload_of()))
    assert said.strip() == b"Verified OK"


def test_unsigned_and_below_threshold(keys):
    assert refused(signed(payload_of()), keys)[0] == "unsigned"
    assert refused(signed(payload_of(), MALLORY), keys)[0] == "unsigned"
    assert refused(signed(payload_of(), ALICE), keys)[0] == "threshold"
    assert refused(signed(payload_of(), ALICE, MALLORY), keys)[0] == "threshold"


def test_one_signature_offered_twice(keys):
    sig = ALICE.sign(pae(payload_of()))
    assert refused(enveloped(payload_of(), [(ALICE.id, sig), (ALICE.id, sig)]), keys)[0] == "threshold"
    assert refused(enveloped(payload_of(), [(ALICE.id, sig), (BOB.id, sig)]), keys)[0] == "threshold"


def test_the_two_valid_signatures_of_one_key(keys, tmp_path):
    """(r, s) and (r, n - s) both verify, as openssl itself says here; they are still one person's."""
    sig = ALICE.sign(pae(payload_of()))
    (tmp_path / "mirrored").write_bytes(mirrored(sig))
    said = openssl("dgst", "-sha256", "-verify", ALICE.public, "-signature", str(tmp_path / "mirrored"), stdin=pae(payload_of()))
    assert said.strip() == b"Verified OK" and mirrored(sig) != sig
    for second in (ALICE.id, BOB.id, ""):
        assert refused(enveloped(payload_of(), [(ALICE.id, sig), (second, mirrored(sig))]), keys)[0] == "threshold"
    both = enveloped(payload_of(), [(ALICE.id, mirrored(sig)), (BOB.id, BOB.sign(pae(payload_of())))])
    assert verify_phase(both, keys).signers == (ALICE.id, BOB.id)


@pytest.mark.parametrize("names", [("", ""), ("x", "x"), ("swapped", "swapped")], ids=["none", "unknown", "swapped"])
def test_a_key_id_is_a_hint(keys, names):
    ids = (BOB.id, ALICE.id) if "swapped" in names else names
    sigs = [one.sign(pae(payload_of())) for one in (ALICE, BOB)]
    assert verify_phase(enveloped(payload_of(), list(zip(ids, sigs))), keys).signers == (ALICE.id, BOB.id)


def test_a_payload_that_was_touched(keys):
    signatures = [(one.id, one.sign(pae(payload_of()))) for one in TWO]
    assert verify_phase(enveloped(payload_of(), signatures), keys)
    for touched in (payload_of(serial=8), payload_of() + b" ", payload_of().replace(b": ", b":")):
        assert refused(enveloped(touched, signatures), keys)[0] == "unsigned"


def test_a_type_that_was_touched(keys):
    """Signed as new keys and offered as a phase, and the other way round."""
    as_keys = [(one.id, one.sign(pae(payload_of(), KEYS_TYPE))) for one in TWO]
    assert refused(enveloped(payload_of(), as_keys), keys)[0] == "unsigned"
    assert refused(enveloped(payload_of(), as_keys, KEYS_TYPE), keys)[0] == "type"
    assert refused(signed(payload_of(), *TWO, kind="text/plain"), keys)[0] == "type"


def test_a_signature_over_the_bare_payload(keys):
    """Somebody who signs a file with openssl by hand has not signed a phase."""
    assert refused(enveloped(payload_of(), [(one.id, one.sign(payload_of())) for one in TWO]), keys)[0] == "unsigned"


def test_signatures_that_are_none(keys):
    good = [(one.id, signature_shorter_than_72(one)) for one in TWO]
    for bad in (b"", b"\x30\x00", good[0][1][:-1], good[0][1] + b"\x00", b"\x00" * 72):
        assert refused(enveloped(payload_of(), [(ALICE.id, bad), good[1]]), keys)[0] == "threshold"
        assert verify_phase(enveloped(payload_of(), [(ALICE.id, bad), *good]), keys).signers == (ALICE.id, BOB.id)


def test_a_signature_with_something_behind_its_72_bytes(keys):
    """The openssl command reads 72 bytes of it and no more, so it says yes to this one."""
    whole = next(sig for sig in iter(lambda: ALICE.sign(pae(payload_of())), None) if len(sig) == 72)
    assert (
        refused(enveloped(payload_of(), [(ALICE.id, whole + b"\x00"), (BOB.id, BOB.sign(pae(payload_of())))]), keys)[0]
        == "too-large"
    )


def signature_shorter_than_72(person):
    return next(sig for sig in iter(lambda: person.sign(pae(payload_of())), None) if len(sig) < 72)


def test_another_fleet(keys):
    reason, words = refused(signed(payload_of(fleet="other"), *TWO), keys)
    assert reason == "fleet" and "this device is of fleet plant" in words


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"digest": "e" * 64}, "digest is not that of its desired", id="wrong campaign digest"),
        pytest.param({"campaign": "other"}, "campaign is not that of its desired", id="wrong campaign"),
        pytest.param({"phase": "retire"}, "phase is not that of its desired", id="wrong phase"),
        pytest.param({"undo": "stage"}, "undo is not that of its desired", id="wrong undo"),
        pytest.param({"phase": "assess", "desired": desired(phase="assess")}, "never signed", id="assess"),
        pytest.param({"phase": "revert", "desired": desired(phase="revert")}, "undo", id="revert of nothing"),
        pytest.param({"schema": 2}, "update Rootwave", id="schema of the future"),
        pytest.param({"surprise": 1}, "update Rootwave", id="unknown member"),
        pytest.param({"serial": 0}, "serial", id="serial 0"),
        pytest.param({"serial": -1}, "serial", id="serial below 0"),
        pytest.param({"serial": True}, "serial", id="serial that is a boolean"),
        pytest.param({"serial": 1.5}, "serial", id="serial that is a float"),
        pytest.param({"expires": ISSUED}, "expires after it was issued", id="expired when it was issued"),
        pytest.param({"not_before": EXPIRES}, "expires after it was issued", id="begins when it ends"),
        pytest.param({"fleet": "../x"}, "fleet is not a name", id="fleet that is a path"),
        pytest.param({"desired": []}, "desired is not what", id="desired that is a list"),
        pytest.param({"desired": desired(present=[dict(NEW, pem=LEAF)])}, "leaf", id="anchor that is a leaf"),
        pytest.param({"desired": desired(present=[dict(NEW, pem=INTERMEDIATE)])}, "intermediate", id="anchor that is none"),
        pytest.param({"desired": desired(present=[dict(NEW, name="../x")])}, "not a name", id="anchor with a path's name"),
        pytest.param({"desired": desired(endpoints=[])}, "no endpoints", id="nothing to prove it by"),
        pytest.param({"desired": desired(surprise=1)}, "unknown key", id="unknown key in desired"),
    ],
)
def test_signed_but_not_what_a_device_carries_out(keys, changes, words):
    reason, said = refused(signed(payload_of(**changes), *TWO), keys)
    assert reason == "content" and words in said


def test_an_anchor_with_a_date_that_is_none(keys):
    """Month 99; ssl reads the certificate, and its cert_time_to_seconds raises ValueError."""
    der = pem.split(NEW["pem"].encode())[0].replace(b"130801120000Z", b"139901120000Z")
    odd = {"name": "g2", "sha256": pem.fingerprint(der), "pem": pem.encode(der)}
    assert refused(signed(payload_of(desired=desired(present=[odd])), *TWO), keys)[0] == "content"


def test_a_signed_revert(keys):
    again = payload_of(phase="revert", undo="retire", desired=desired(phase="revert", undo="retire"))
    assert verify_phase(signed(again, *TWO), keys).undo == "retire"


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        pytest.param(b'{"schema": 1, "schema": 1}', "damaged", id="name twice"),
        pytest.param(b"[" * 20000, "damaged", id="deep"),
        pytest.param(b"[]", "damaged", id="no object"),
        pytest.param(b"", "damaged", id="nothing"),
    ],
)
def test_a_signed_payload_that_is_no_json_for_us(keys, payload, reason):
    assert refused(signed(payload, *TWO), keys)[0] == reason


def test_nothing_of_a_payload_is_read_before_it_is_signed(keys):
    """The same payload is unsigned, not damaged, until enough have signed it."""
    assert refused(signed(b"[" * 20000, MALLORY), keys)[0] == "unsigned"


def test_openssl_missing(keys, monkeypatch):
    data = signed(payload_of(), *TWO)
    monkeypatch.setattr(processes, "PATH", "/nonexistent")
    reason, words = refused(data, keys)
    assert reason == "openssl" and "cannot run openssl" in words


@pytest.mark.parametrize("script", ["exit 0", "echo Verified OK; exit 3", "exec kill -9 $$", "echo 'Verified OK\nnot'"])
def test_an_openssl_that_is_broken_verifies_nothing(keys, monkeypatch, tmp_path, script):
    data = signed(payload_of(), *TWO)
    tool = tmp_path / "openssl"
    tool.write_text("#!/bin/sh\n{0}\n".format(script))
    tool.chmod(0o755)
    monkeypatch.setattr(processes, "PATH", "{0}:{1}".format(tmp_path, processes.PATH))
    assert refused(data, keys)[0] in ("openssl", "unsigned")


def test_temporary_files_are_private_and_go(keys, monkeypatch, tmp_path):
    seen = []
    run = processes.run

    def watched(argv, **more):
        folder = os.path.dirname(argv[-1])
        seen.append(
            [
                oct(os.stat(path).st_mode & 0o777)
                for path in (folder, *(os.path.join(folder, name) for name in os.listdir(folder)))
            ]
        )
        return run(argv, **more)

    monkeypatch.setattr(processes, "run", watched)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    verify_phase(signed(payload_of(), *TWO), keys)
    assert len(seen) >= 2 and all(modes == ["0o700", "0o600", "0o600", "0o600"] for modes in seen)
    assert os.listdir(str(tmp_path)) == []


def test_how_often_openssl_runs(keys, monkeypatch):
    """Once for each key that is named rightly; never more than keys times signatures."""
    calls, run = [], processes.run
    monkeypatch.setattr(processes, "run", lambda argv, **more: calls.append(argv) or run(argv, **more))
    verify_phase(signed(payload_of(), *THREE), keys)
    assert len(calls) == 3
    del calls[:]
    assert refused(enveloped(payload_of(), [(str(index), bytes([index])) for index in range(16)]), keys)[0] == "unsigned"
    assert len(calls) == 3 * 16
