# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a twin may hold as an order. Everybody with a hub key can write it, so each thing that is off is refused."""

from __future__ import annotations

import base64
import hashlib

import pytest
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.order import Refused, assemble

from .people import order_of

ENVELOPE = bytes(range(256)) * 36  # 9216 bytes, 12288 characters in base64: four chunks
GOOD = order_of(ENVELOPE)
ONE = order_of(b"0123456789")  # its last character in base64 has spare bits


def without(name):
    return {key: value for key, value in GOOD.items() if key != name}


@pytest.mark.parametrize("size", [1200, 3999, 4000])
def test_chunks_of_any_size_give_the_same_bytes(size):
    assert assemble(order_of(ENVELOPE, size)) == ENVELOPE


@pytest.mark.parametrize("length", [1, 2, 3, 32 * 1024])
def test_every_length_up_to_the_largest(length):
    assert assemble(order_of(b"x" * length)) == b"x" * length


@pytest.mark.parametrize(
    ("order", "reason", "words"),
    [
        pytest.param(None, "damaged", "is an object", id="no order at all"),
        pytest.param([GOOD], "damaged", "is an object", id="a list"),
        pytest.param(without("id"), "damaged", "id is not a SHA-256", id="no id"),
        pytest.param(dict(GOOD, id=GOOD["id"].upper()), "damaged", "id is not", id="id in capitals"),
        pytest.param(dict(GOOD, id="0" * 64), "damaged", "not the envelope that its id names", id="id of something else"),
        pytest.param(dict(GOOD, id=7), "damaged", "id is not", id="id that is a number"),
        pytest.param(without("n"), "damaged", "order's n", id="no n"),
        pytest.param(dict(GOOD, n="4"), "damaged", "order's n", id="n that is text"),
        pytest.param(dict(GOOD, n=True), "damaged", "order's n", id="n that is a boolean"),
        pytest.param(dict(GOOD, n=4.0), "damaged", "order's n", id="n that is a float"),
        pytest.param(dict(GOOD, n=0), "damaged", "order's n", id="n of 0"),
        pytest.param(dict(GOOD, n=-1), "damaged", "order's n", id="n below 0"),
        pytest.param(dict(GOOD, n=10**9), "too-large", "at most", id="n of a thousand million"),
        pytest.param(without("go"), "damaged", "order's go", id="no go"),
        pytest.param(dict(GOOD, go="1"), "damaged", "order's go", id="go that is text"),
        pytest.param(dict(GOOD, go=2**60), "damaged", "order's go", id="go beyond every twin"),
        pytest.param(without("c2"), "damaged", "wrong is 'c2'", id="chunk missing"),
        pytest.param(dict(GOOD, c4="AAAA"), "damaged", "wrong is 'c4'", id="chunk too many"),
        pytest.param(dict(GOOD, n=5), "damaged", "wrong is 'c4'", id="n too high"),
        pytest.param(dict(GOOD, n=3), "damaged", "wrong is 'c3'", id="n too low"),
        pytest.param(dict(GOOD, note="x"), "damaged", "wrong is 'note'", id="a foreign name"),
        pytest.param(dict(GOOD, c2=GOOD["c1"]), "damaged", "its id names", id="chunk repeated"),
        pytest.param(dict(GOOD, c1=GOOD["c2"], c2=GOOD["c1"]), "damaged", "its id names", id="chunks swapped"),
        pytest.param(dict(GOOD, c0=order_of(b"y" * 9216)["c0"]), "damaged", "its id names", id="another order's chunk"),
        pytest.param(dict(GOOD, c1=None), "damaged", "chunk c1", id="chunk that is null"),
        pytest.param(dict(GOOD, c1=""), "damaged", "chunk c1", id="empty chunk"),
        pytest.param(dict(GOOD, c1="A" * 4001), "damaged", "chunk c1", id="chunk too long"),
        pytest.param(dict(ONE, c0=ONE["c0"] + "=="), "damaged", "without padding", id="padding"),
        pytest.param(dict(ONE, c0=ONE["c0"] + "\n"), "damaged", "without padding", id="newline at the end"),
        pytest.param(dict(ONE, c0=" " + ONE["c0"]), "damaged", "without padding", id="whitespace"),
        pytest.param(dict(ONE, c0=ONE["c0"].replace("M", "+")), "damaged", "without padding", id="standard alphabet"),
        pytest.param(dict(ONE, c0=ONE["c0"][:-1] + "\u00c1"), "damaged", "without padding", id="a letter beyond ASCII"),
        pytest.param(dict(ONE, c0="A"), "damaged", "without padding", id="a length that no bytes have"),
        pytest.param(dict(ONE, c0=ONE["c0"][:-1] + "R"), "damaged", "canonical", id="spare bits that are not zero"),
        pytest.param(order_of(b"x" * (32 * 1024 + 1)), "too-large", "at most 32768", id="one byte too large"),
    ],
)
def test_an_order_that_is_off(order, reason, words):
    with pytest.raises(Refused, match=words) as caught:
        assemble(order)
    assert caught.value.reason == reason
    assert caught.value.details["reason"] == reason


def test_the_spare_bits_would_have_given_the_same_bytes():
    """The canonical check is not idle: Python's decoder takes both texts for the same bytes."""
    other = ONE["c0"][:-1] + "R"
    assert base64.urlsafe_b64decode(other + "==") == base64.urlsafe_b64decode(ONE["c0"] + "==") == b"0123456789"
    assert hashlib.sha256(b"0123456789").hexdigest() == ONE["id"]
