# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DSSE by its own test vector, and envelopes that two readers could read in two ways."""

from __future__ import annotations

import base64
import json

import pytest
from ansible_collections.rootwave.iot.plugins.module_utils.gateway import envelope
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.errors import Refused
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.keys import key_of
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.signatures import signers_of

from .people import PHASE_TYPE, _der_integer, enveloped

GOOD = enveloped(b'{"a": 1}', [("k", b"sig")])


def good(**changes):
    return json.dumps(dict(json.loads(GOOD), **changes)).encode()


def test_the_protocol_s_own_test_vector():
    """github.com/secure-systems-lab/dsse protocol.md, "Test Vectors"; its signature is r and s in 32 bytes each."""
    x = 46950820868899156662930047687818585632848591499744589407958293238635476079160
    y = 5640078356564379163099075877009565129882514886557779369047442380624545832820
    raw = base64.b64decode("A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA==")
    head = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
    body = base64.encodebytes(head + x.to_bytes(32, "big") + y.to_bytes(32, "big")).decode()
    key = key_of("-----BEGIN PUBLIC KEY-----\n" + body + "-----END PUBLIC KEY-----\n", "vector")
    integers = b"".join(_der_integer(int.from_bytes(half, "big")) for half in (raw[:32], raw[32:]))
    sig = b"\x30" + bytes([len(integers)]) + integers
    kind, payload = "http://example.com/HelloWorld", b"hello world"
    assert envelope.pae(kind, payload) == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert signers_of(envelope.parse(enveloped(payload, [("", sig)], kind)), [key]) == (key.id,)
    assert signers_of(envelope.parse(enveloped(b"hello World", [("", sig)], kind)), [key]) == ()


def test_a_type_counts_by_bytes():
    assert envelope.pae("\u00e9", b"") == b"DSSEv1 2 \xc3\xa9 0 "


def test_a_good_envelope():
    assert envelope.parse(GOOD) == envelope.Envelope(PHASE_TYPE, b'{"a": 1}', (envelope.Signature("k", b"sig"),))


def test_members_that_are_not_known_are_ignored_and_keyid_may_be_missing():
    """envelope.md: consumers must ignore unrecognised fields; an unset keyid is an empty one."""
    parsed = envelope.parse(good(extra=[1], signatures=[{"sig": "c2ln", "cert": "x"}]))
    assert parsed.signatures == (envelope.Signature("", b"sig"),)


DEEP = b'{"a":' + b"[" * 16 + b"]" * 16 + b"}"


@pytest.mark.parametrize(
    ("data", "reason", "words"),
    [
        pytest.param(b"", "damaged", "not JSON", id="nothing"),
        pytest.param(b"[]", "damaged", "not a JSON object", id="a list"),
        pytest.param(b"\xef\xbb\xbf" + GOOD, "damaged", "not JSON", id="byte order mark"),
        pytest.param(b'{"payload": "\xff"}', "damaged", "not JSON", id="not UTF-8"),
        pytest.param(GOOD + b"x", "damaged", "not JSON", id="something behind it"),
        pytest.param(GOOD + b" " * 32768, "too-large", "at most 32768", id="huge"),
        pytest.param(DEEP, "damaged", "deeper than 16", id="deep by one level"),
        pytest.param(b"[" * 30000, "damaged", "deeper than 16", id="so deep that a parser would end"),
        pytest.param(b'{"payload": "", "payload": "", "payloadType": "", "signatures": []}', "damaged", "twice", id="name twice"),
        pytest.param(b'{"a": {"b": 1, "\\u0062": 2}}', "damaged", "twice", id="name twice, once escaped"),
        pytest.param(b'{"a": NaN}', "damaged", "no number", id="NaN"),
        pytest.param(b'{"a": -Infinity}', "damaged", "no number", id="Infinity"),
        pytest.param(b'{"a": 1e999}', "damaged", "too large", id="infinity by exponent"),
        pytest.param(b'{"a": ' + b"9" * 30000 + b"}", "damaged", "beyond 2", id="a number with 30000 digits"),
        pytest.param(b'{"a": 4503599627370497}', "damaged", "beyond 2", id="2^52 + 1"),
        pytest.param(b'{"a": "\\ud800"}', "damaged", "surrogates", id="half a surrogate pair"),
        pytest.param(good(payload=None), "damaged", "payload is not base64", id="no payload"),
        pytest.param(good(payload="YQ"), "damaged", "not base64", id="no padding"),
        pytest.param(good(payload="YQ==\n"), "damaged", "not base64", id="newline"),
        pytest.param(good(payload="YQ= ="), "damaged", "not base64", id="whitespace"),
        pytest.param(good(payload="-_-_"), "damaged", "not base64", id="URL-safe alphabet"),
        pytest.param(good(payload="YR=="), "damaged", "canonical", id="spare bits that are not zero"),
        pytest.param(good(payload="===="), "damaged", "not base64", id="only padding"),
        pytest.param(good(payload="QUFB" * 8193), "too-large", "the envelope has", id="payload too large for its envelope"),
        pytest.param(good(payloadType=1), "damaged", "needs payload", id="type that is a number"),
        pytest.param(good(signatures={}), "damaged", "needs payload", id="signatures that are an object"),
        pytest.param(good(signatures=["c2ln"]), "damaged", "a signature is an object", id="signature that is text"),
        pytest.param(good(signatures=[{"keyid": 1, "sig": "c2ln"}]), "damaged", "keyid and sig", id="key id that is a number"),
        pytest.param(good(signatures=[{"keyid": "k"}]), "damaged", "not base64", id="no sig"),
        pytest.param(good(signatures=[{"sig": "YR=="}]), "damaged", "canonical", id="sig with spare bits"),
        pytest.param(good(signatures=[{"sig": "c2ln"}] * 17), "too-large", "17 signatures", id="17 signatures"),
        pytest.param(good(signatures=[{"sig": "QUFB" * 25}]), "too-large", "75 bytes", id="sig too long"),
    ],
)
def test_an_envelope_that_is_off(data, reason, words):
    with pytest.raises(Refused, match=words) as caught:
        envelope.parse(data)
    assert caught.value.reason == reason


def test_payload_of_the_largest_size_and_one_byte_more():
    """An envelope in 32 KiB has room for 24 KiB of payload only without its other members, so this bound stands by itself."""
    bound, envelope.ENVELOPE_MOST = envelope.ENVELOPE_MOST, 64 * 1024
    try:
        assert len(envelope.parse(enveloped(b"x" * 24576, [])).payload) == 24576
        with pytest.raises(Refused, match="payload has 24577 bytes"):
            envelope.parse(enveloped(b"x" * 24577, []))
    finally:
        envelope.ENVELOPE_MOST = bound


def test_the_bound_of_depth_is_exact_and_blind_to_strings():
    assert envelope.strict_json.loads(DEEP.replace(b"[[", b"[", 1).replace(b"]]", b"]", 1), 9999, "x")
    assert envelope.strict_json.loads(json.dumps({"a": '\\"[[[[[[[[[[[[[[[[[[[[['}).encode(), 9999, "x")
