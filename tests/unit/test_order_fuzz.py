# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""At least 100,000 bad orders: nothing but Refused comes out, and nothing is believed that was not signed.

Each example of hypothesis is one way of damage, done at many places: hypothesis draws the values, and one seed for where they
go, since drawing each place would take ten times as long as what is tested. Signatures are judged by pyca/cryptography here,
because 100,000 runs of openssl would take half an hour; that openssl judges alike is in test_order_verify.py.
"""

from __future__ import annotations

import base64
import json
import random
import time

import pytest
from ansible_collections.rootwave.iot.plugins.module_utils.gateway import keys as key_files
from ansible_collections.rootwave.iot.plugins.module_utils.gateway import order, signatures
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.errors import Refused
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.plugins.module_utils.gateway import people
from tests.unit.plugins.module_utils.gateway.people import ALICE, BOB, THREE, keys_document, order_of, pae, payload_of

KEYS = key_files.from_bytes(json.dumps(keys_document(*THREE)).encode())
PAYLOAD = payload_of(desired=people.desired(absent=[]))
SIGNED = people.signed(PAYLOAD, ALICE, BOB)
ORDER = order_of(SIGNED)
INPUTS_LEAST, SECONDS_MOST = 100_000, 90  # seconds of processor time
seen = [0]
MUCH = settings(
    max_examples=300, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck), print_blob=False
)
BITS = st.integers(1, 255)
RANDOM = st.integers(0, 2**32).map(random.Random)
PLACES = RANDOM.map(lambda rng: rng.choices(range(10**6), k=80))
TEXTS = st.text(max_size=12)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), TEXTS, st.sampled_from([ALICE.id, "stage", "=", "\ud800"])
)
JSON = st.recursive(SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)))
VALUES = st.lists(JSON, min_size=5, max_size=5)
PIECES = st.sampled_from(
    [b"", b"[", b"{", b'"', b"\\", b"\x00", b"\xff", b"\n", b"=", b"NaN", b'{"a":1,"a":1}', b"9" * 40, b"[" * 20]
)


@pytest.fixture(autouse=True, scope="module")
def judged_by_cryptography():
    """One key's verdict on many signatures, without a process for each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(order, "signers_of", signers_of)
        yield
    assert signatures.signers_of is not signers_of


def signers_of(envelope, keys):
    signed = pae(envelope.payload, envelope.payload_type)
    return tuple(key.id for key in keys if any(verifies(key.pem, one.sig, signed) for one in envelope.signatures))


def verifies(pem, sig, signed):
    try:
        load_pem_public_key(pem.encode()).verify(sig, signed, ec.ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def believed(call, *args):
    """What comes out, or None when it is refused; any other exception fails the test."""
    seen[0] += 1
    try:
        return call(*args)
    except Refused:
        return None


def damages(data, places, bits, piece):
    """The same data, damaged at each of the places: a byte changed, cut off, something put in, something doubled."""
    for index, place in enumerate(places):
        at = place % len(data)
        yield (
            data[:at] + bytes([data[at] ^ bits]) + data[at + 1 :],
            data[:at],
            data[:at] + piece + data[at:],
            data[: at + index] + data[at:],
        )[index % 4]


@MUCH
@given(PLACES, BITS, PIECES)
def damaged_envelopes(places, bits, piece):
    """Believed only with the bytes that were signed: what changed then is a key id, a name beside, or space between."""
    for data in damages(SIGNED, places, bits, piece):
        phase = believed(order.verify_phase, data, KEYS)
        assert phase is None or phase.payload_sha256 == people.hashlib.sha256(PAYLOAD).hexdigest()


@MUCH
@given(PLACES, BITS, PIECES)
def damaged_orders(places, bits, piece):
    """One character of one chunk, one chunk or one member that is something else: never assembled to anything."""
    for data in damages(ORDER["c0"].encode(), places, bits, piece):
        text = data.decode("latin-1")
        assert believed(order.assemble, dict(ORDER, c0=text)) in (None, SIGNED if text == ORDER["c0"] else None)


@MUCH
@given(VALUES, RANDOM)
def orders_of_anything(values, rng):
    for _each in range(20):
        names = rng.sample([*ORDER, "c9", ""], rng.randint(0, 3))
        change = {name: rng.choice(values) for name in names}
        document = {**ORDER, **change}
        only_go = dict(document, go=1) == ORDER
        assert believed(order.assemble, document) in ((None, SIGNED) if only_go else (None,))
        assert believed(order.assemble, change) is None


@MUCH
@given(VALUES)
def envelopes_of_anything(values):
    """Any value in any member, and any value signed as it is: only a good phase would be believed, and these are none."""
    good = json.loads(SIGNED)
    for value in values:
        assert believed(order.phase_of, json.dumps(value).encode()) is None
        for member in good:
            changed = {**good, member: value}
            assert changed == good or believed(order.verify_phase, json.dumps(changed).encode(), KEYS) is None


@MUCH
@given(PLACES, BITS, PIECES)
def payloads_that_the_signers_damaged(places, bits, piece):
    """Signed, so that all of it is read. It is refused, or it is a phase whose members are what they must be."""
    for data in damages(PAYLOAD, places[:20], bits, piece):
        phase = believed(order.phase_of, data)
        assert phase is None or (phase.desired["digest"] == phase.digest and phase.serial >= 1)


@MUCH
@given(VALUES)
def payloads_of_anything(values):
    """Any value in any member of the payload and of what it desires."""
    for value in values:
        for inside in (False, True):
            for member in json.loads(PAYLOAD)["desired"] if inside else json.loads(PAYLOAD):
                document = json.loads(PAYLOAD)
                (document["desired"] if inside else document)[member] = value
                phase = believed(order.phase_of, json.dumps(document).encode())
                assert phase is None or phase.phase in order.SIGNED_PHASES


@MUCH
@given(PLACES, BITS, PIECES)
def damaged_files_of_keys(places, bits, piece):
    data = json.dumps(KEYS.as_document()).encode()
    for damaged in damages(data, places[:20], bits, piece):
        keys = believed(key_files.from_bytes, damaged)
        assert keys is None or {key.id for key in keys.keys} <= {key.id for key in KEYS.keys}


FUZZERS = (
    damaged_envelopes,
    damaged_orders,
    orders_of_anything,
    envelopes_of_anything,
    payloads_that_the_signers_damaged,
    payloads_of_anything,
    damaged_files_of_keys,
)


def test_a_hundred_thousand_bad_inputs():
    began = time.process_time()
    for fuzz in FUZZERS:
        fuzz()
    spent = time.process_time() - began
    print(f"{seen[0]} inputs in {spent:.1f} s")
    assert seen[0] >= INPUTS_LEAST and spent <= SECONDS_MOST


def test_the_fuzz_can_fail():
    """The good ones are believed, so that None above means refused and not broken."""
    assert believed(order.verify_phase, believed(order.assemble, ORDER), KEYS).serial == 7
    assert base64.b64decode(json.loads(SIGNED)["payload"]) == PAYLOAD
