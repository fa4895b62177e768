# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.rootwave.iot.plugins.module_utils.gateway import pem
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.errors import BadInput

from .certificates import BALTIMORE, BALTIMORE_SHA256, G2, G2_SHA256, INTERMEDIATE, LEAF

GARBAGE = "-----BEGIN CERTIFICATE-----\nbm90IGEgY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n"


def test_a_bundle_is_a_set_of_fingerprints():
    bundle = ("# a comment\n" + BALTIMORE + G2 + BALTIMORE).encode()
    assert len(pem.split(bundle)) == 3
    assert pem.fingerprints(bundle) == {BALTIMORE_SHA256, G2_SHA256}


def test_encode_gives_back_the_same_certificate():
    der = pem.split(G2.encode())[0]
    assert pem.split(pem.encode(der).encode()) == [der]


def test_the_facts_of_a_root():
    known = pem.facts(pem.split(BALTIMORE.encode())[0])
    assert known.subject == "CN=Baltimore CyberTrust Root, OU=CyberTrust, O=Baltimore, C=IE"
    assert known.self_signed
    assert known.not_after == 1747094340  # 2025-05-12T23:59:00Z


def test_a_date_that_is_none():
    """OpenSSL takes the certificate, ssl.cert_time_to_seconds does not take its month."""
    der = pem.split(G2.encode())[0]
    at = der.index(b"\x17\x0d") + 2  # UTCTime, 13 characters: YYMMDDhhmmssZ
    odd = der[: at + 2] + b"99" + der[at + 4 :]
    with pytest.raises(BadInput, match="not a certificate"):
        pem.facts(odd)
    with pytest.raises(BadInput, match="anchor x: .*a date that is none"):
        pem.roots([("anchor x", pem.encode(odd))])


def test_a_name_of_a_type_that_is_none():
    """OpenSSL takes the certificate, and the ssl module fails where it decodes the name of it."""
    odd = pem.split(G2.encode())[0].replace(b"\x13\x17DigiCert", b"\x0f\x17DigiCert")  # PrintableString to a reserved tag
    for read in (pem.facts, pem.subject_of):
        with pytest.raises(BadInput, match="not a certificate"):
            read(odd)
    with pytest.raises(BadInput, match="anchor x: not a certificate"):
        pem.roots([("anchor y", G2), ("anchor x", pem.encode(odd))])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("", "found 0", id="nothing at all"),
        pytest.param(G2 + BALTIMORE, "found 2", id="two certificates in one file"),
        pytest.param(GARBAGE, "not a certificate", id="PEM armour around something else"),
        pytest.param(LEAF, "leaf", id="a leaf"),
        pytest.param(INTERMEDIATE, "intermediate", id="an intermediate"),
    ],
)
def test_an_anchor_must_be_one_root(text, words):
    with pytest.raises(BadInput, match="anchor x: .*" + words):
        pem.roots([("anchor y", G2), ("anchor x", text)])


def test_a_root_is_accepted():
    found = pem.roots([("anchor x", G2), ("anchor y", BALTIMORE), ("anchor z", G2)])
    assert [pem.fingerprint(der) == G2_SHA256 for der, _subject in found] == [True, False, True]
    assert [subject[:9] for _der, subject in found] == ["CN=DigiCe", "CN=Baltim", "CN=DigiCe"]
