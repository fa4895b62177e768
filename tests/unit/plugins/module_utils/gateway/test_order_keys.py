# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom a device believes: the file of keys, and how it is replaced."""

from __future__ import annotations

import base64
import json
import os

import pytest
from ansible_collections.rootwave.iot.plugins.module_utils.gateway import keys as key_files
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.order import Refused, read_keys, verify_keys, verify_phase

from .people import (
    ALICE,
    BOB,
    CAROL,
    KEYS_TYPE,
    MALLORY,
    PHASE_TYPE,
    THREE,
    TWO,
    Person,
    enveloped,
    keys_document,
    openssl,
    pae,
    payload_of,
    signed,
)
from .test_order_verify import keys_of


@pytest.fixture
def keys_file(tmp_path):
    path = tmp_path / "keys.json"
    path.write_text(json.dumps(keys_document(*THREE)))
    path.chmod(0o644)
    return path


def refused(call, *args):
    with pytest.raises(Refused) as caught:
        call(*args)
    return caught.value.reason, str(caught.value)


def test_a_good_file(keys_file):
    keys = read_keys(str(keys_file))
    assert (keys.version, keys.fleet, keys.threshold) == (1, "plant", 2)
    assert [key.id for key in keys.keys] == [one.id for one in THREE]
    assert [key.pem for key in keys.keys] == [one.pem for one in THREE]
    assert keys.as_document() == keys_document(*THREE)


@pytest.mark.parametrize("mode", [0o666, 0o664, 0o646, 0o622])
def test_a_file_that_others_may_write(keys_file, mode):
    keys_file.chmod(mode)
    reason, words = refused(read_keys, str(keys_file))
    assert reason == "keys" and "only root may write" in words


def test_a_file_of_somebody_else(keys_file, monkeypatch):
    """Only root can give a file away; where nobody is root, somebody else reads it."""
    if os.geteuid() == 0:
        os.chown(str(keys_file), 65534, 65534)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 65534)
    assert "plain file of root" in refused(read_keys, str(keys_file))[1]


def test_what_is_no_plain_file(keys_file, tmp_path):
    (tmp_path / "link").symlink_to(keys_file)
    os.mkfifo(str(tmp_path / "pipe"), 0o600)
    for name in ("link", "pipe", "absent", "."):
        assert refused(read_keys, str(tmp_path / name))[0] == "keys"


def off_curve(pem):
    der = base64.b64decode("".join(pem.splitlines()[1:-1]))
    return pem_of(der[:-1] + bytes([der[-1] ^ 1]))


def pem_of(der):
    return "-----BEGIN PUBLIC KEY-----\n" + base64.encodebytes(der).decode() + "-----END PUBLIC KEY-----\n"


def converted(person, *how):
    return openssl("ec", "-in", person.private, "-pubout", *how).decode()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"threshold": 0}, "threshold must be from 1 to 3", id="threshold 0"),
        pytest.param({"threshold": 4}, "threshold must be from 1 to 3", id="threshold above the keys"),
        pytest.param({"threshold": True}, "threshold", id="threshold that is a boolean"),
        pytest.param({"keys": []}, "from 1 to 16", id="no keys"),
        pytest.param({"keys": "x"}, "from 1 to 16", id="keys that are text"),
        pytest.param({"version": 0}, "version", id="version 0"),
        pytest.param({"version": "1"}, "version", id="version that is text"),
        pytest.param({"fleet": "a b"}, "not a name", id="fleet with a space"),
        pytest.param({"schema": 2}, "schema 1", id="schema of the future"),
        pytest.param({"surprise": 1}, "nothing else", id="unknown member"),
    ],
)
def test_a_bad_document(changes, words):
    said = refused(keys_of, keys_document(*THREE, **changes))
    assert said[0] == "keys" and words in said[1]


@pytest.mark.parametrize("data", [b"", b"[]", b'{"schema": 1, "schema": 1}', b"{" + b" " * 30000 + b"}"])
def test_a_file_that_is_damaged(data):
    assert refused(key_files.from_bytes, data)[0] == "keys"


def test_a_key_twice():
    same = "\n" + ALICE.pem.replace("\n", "\r\n") + "\n"
    assert "one key stands twice" in refused(keys_of, keys_document(ALICE, BOB, keys=[ALICE.pem, BOB.pem, same]))[1]


def test_other_forms_of_one_key_are_no_second_key():
    for other in (converted(ALICE, "-conv_form", "compressed"), converted(ALICE, "-param_enc", "explicit")):
        assert "not EC P-256" in refused(keys_of, keys_document(ALICE, BOB, keys=[ALICE.pem, other]))[1]


def test_what_is_no_p256_public_key(tmp_path):
    with open(ALICE.private) as stream:
        private = stream.read()
    p384 = Person(tmp_path, "p384", "P-384").pem
    openssl("genpkey", "-algorithm", "RSA", "-out", str(tmp_path / "rsa"))
    rsa = openssl("pkey", "-in", str(tmp_path / "rsa"), "-pubout").decode()
    for text in (private, p384, rsa, off_curve(ALICE.pem), ALICE.pem + ALICE.pem, pem_of(b""), "", 7, ALICE.pem[:-30]):
        assert refused(key_files.key_of, text, "x")[0] == "keys"
    assert key_files.key_of(ALICE.pem, "x").id == ALICE.id


def test_openssl_agrees_on_the_curve(tmp_path):
    """The point that is refused for the curve is one that openssl does not read either."""
    (tmp_path / "off").write_text(off_curve(ALICE.pem))
    with pytest.raises(Exception, match="returned non-zero"):
        openssl("pkey", "-pubin", "-in", str(tmp_path / "off"), "-noout")


DAVE = MALLORY  # rotation: Carol goes, and who was nobody comes


def rotated(**changes):
    return json.dumps(keys_document(ALICE, BOB, DAVE, version=2, **changes)).encode()


def test_the_next_keys():
    old = keys_of(keys_document(ALICE, BOB, CAROL))
    document = verify_keys(signed(rotated(), ALICE, BOB, kind=KEYS_TYPE), old)
    new = keys_of(document)
    assert (new.version, [key.id for key in new.keys]) == (2, [ALICE.id, BOB.id, DAVE.id])
    assert verify_phase(signed(payload_of(), BOB, DAVE), new)
    assert refused(verify_phase, signed(payload_of(), BOB, DAVE), old)[0] == "threshold"
    assert refused(verify_phase, signed(payload_of(), BOB, CAROL), new)[0] == "threshold"


def test_all_keys_at_once(tmp_path):
    """Nobody stays: then the old ones and the new ones sign."""
    erin = Person(tmp_path, "erin")
    old = keys_of(keys_document(ALICE, BOB, CAROL))
    payload = json.dumps(keys_document(DAVE, erin, version=2)).encode()
    assert verify_keys(signed(payload, ALICE, CAROL, DAVE, erin, kind=KEYS_TYPE), old)["version"] == 2
    for signers in ((ALICE, CAROL), (DAVE, erin), (ALICE, DAVE, erin), (ALICE, CAROL, DAVE)):
        assert refused(verify_keys, signed(payload, *signers, kind=KEYS_TYPE), old)[0] in ("unsigned", "threshold")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"version": 1}, "keys-version", id="the same version"),
        pytest.param({"version": 3}, "keys-version", id="a version left out"),
        pytest.param({"fleet": "other"}, "fleet", id="another fleet"),
        pytest.param({"threshold": 0}, "keys", id="a threshold of 0"),
        pytest.param({"threshold": 3}, "threshold", id="a threshold that the signers do not reach"),
        pytest.param({"keys": []}, "keys", id="nobody"),
    ],
)
def test_keys_that_are_not_the_next_ones(changes, reason):
    old = keys_of(keys_document(*THREE))
    document = json.loads(rotated())
    data = signed(json.dumps(dict(document, **changes)).encode(), *TWO, kind=KEYS_TYPE)
    assert refused(verify_keys, data, old)[0] == reason


def test_keys_by_who_may_not():
    old = keys_of(keys_document(*THREE))
    assert refused(verify_keys, signed(rotated(), ALICE, DAVE, kind=KEYS_TYPE), old)[0] == "threshold"
    assert refused(verify_keys, signed(rotated(), DAVE, kind=KEYS_TYPE), old)[0] == "unsigned"
    as_phase = [(one.id, one.sign(pae(rotated(), PHASE_TYPE))) for one in (ALICE, BOB)]
    assert refused(verify_keys, enveloped(rotated(), as_phase, PHASE_TYPE), old)[0] == "type"
    assert refused(verify_keys, enveloped(rotated(), as_phase, KEYS_TYPE), old)[0] == "unsigned"
