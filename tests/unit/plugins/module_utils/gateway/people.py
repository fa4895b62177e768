# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""People who sign, with the openssl command and their own reading of the DSSE protocol; nothing here asks the code under test."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import tempfile

from .certificates import BALTIMORE, BALTIMORE_SHA256, G2, G2_SHA256

PHASE_TYPE = "application/vnd.rootwave.phase+json"
KEYS_TYPE = "application/vnd.rootwave.keys+json"
NEW = {"name": "g2", "sha256": G2_SHA256, "pem": G2}
OLD = {"name": "baltimore", "sha256": BALTIMORE_SHA256, "pem": BALTIMORE}
ISSUED, BEGINS, EXPIRES = 1795000000, 1795003600, 1797600000
# the order of the P-256 group (NIST SP 800-186, 3.2.1.3)
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class Person:
    """One private key."""

    def __init__(self, folder, name, curve="P-256"):
        self.private, self.public = os.path.join(str(folder), name + ".pem"), os.path.join(str(folder), name + ".pub")
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:" + curve, "-out", self.private)
        openssl("pkey", "-in", self.private, "-pubout", "-out", self.public)
        with open(self.public) as stream:
            self.pem = stream.read()
        self.id = hashlib.sha256(openssl("pkey", "-in", self.private, "-pubout", "-outform", "DER")).hexdigest()

    def sign(self, data):
        return openssl("dgst", "-sha256", "-sign", self.private, stdin=data)


def openssl(*argv, stdin=b""):
    return subprocess.run(["openssl", *argv], input=stdin, check=True, capture_output=True).stdout


FOLDER = tempfile.TemporaryDirectory(prefix="people-")
ALICE, BOB, CAROL, MALLORY = (Person(FOLDER.name, name) for name in ("alice", "bob", "carol", "mallory"))
THREE, TWO = (ALICE, BOB, CAROL), (ALICE, BOB)


def pae(payload, kind=PHASE_TYPE):
    return "DSSEv1 {0} {1} {2} ".format(len(kind), kind, len(payload)).encode() + payload


def payload_of(**changes):
    """The bytes of one good phase, or of one with changes; a change to None takes the member away."""
    document = {
        "schema": 1,
        "campaign": "test",
        "digest": "d" * 64,
        "fleet": "plant",
        "phase": "stage",
        "undo": None,
        "serial": 7,
        "issued": ISSUED,
        "not_before": BEGINS,
        "expires": EXPIRES,
        "desired": desired(),
    }
    document.update(changes)
    return json.dumps(document).encode()


def desired(**changes):
    base = {
        "schema": 1,
        "campaign": "test",
        "digest": "d" * 64,
        "phase": "stage",
        "undo": None,
        "present": [NEW],
        "absent": [OLD],
        "endpoints": [{"host": "hub.example", "port": 8883}],
    }
    return dict(base, **changes)


def enveloped(payload, signatures, kind=PHASE_TYPE):
    """``signatures`` are pairs of key id and DER."""
    listed = [{"keyid": keyid, "sig": base64.b64encode(sig).decode()} for keyid, sig in signatures]
    return json.dumps({"payload": base64.b64encode(payload).decode(), "payloadType": kind, "signatures": listed}).encode()


def signed(payload, *people, kind=PHASE_TYPE):
    return enveloped(payload, [(one.id, one.sign(pae(payload, kind))) for one in people], kind)


def keys_document(*people, **changes):
    """Two must sign."""
    document = {"schema": 1, "version": 1, "fleet": "plant", "threshold": 2, "keys": [one.pem for one in people]}
    return dict(document, **changes)


def order_of(envelope, size=4000, **changes):
    """As the ADR has it."""
    text = base64.urlsafe_b64encode(envelope).decode().rstrip("=")
    chunks = [text[start : start + size] for start in range(0, len(text), size)]
    order = {"id": hashlib.sha256(envelope).hexdigest(), "n": len(chunks), "go": 1}
    order.update({"c{0}".format(index): chunk for index, chunk in enumerate(chunks)})
    return dict(order, **changes)


def mirrored(sig):
    """The other valid signature of the same key over the same bytes, (r, n - s), made without the key."""
    length = sig[3]
    r, s = sig[4 : 4 + length], sig[4 + length + 2 :]
    body = b"".join(
        _der_integer(int.from_bytes(one, "big")) for one in (bytes(r), (N - int.from_bytes(s, "big")).to_bytes(32, "big"))
    )
    return b"\x30" + bytes([len(body)]) + body


def _der_integer(number):
    data = number.to_bytes(number.bit_length() // 8 + 1, "big")
    return b"\x02" + bytes([len(data)]) + data
