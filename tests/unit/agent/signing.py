# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Orders as the control node makes them, written from docs/adr/0012 and the DSSE protocol alone."""

from __future__ import annotations

import base64
import hashlib
import json
import time

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

PHASE, KEYS = "application/vnd.rootwave.phase+json", "application/vnd.rootwave.keys+json"
CHUNK = 4000
DAY = 86400


class Signer:
    """Some keys of one fleet, all of which sign; ``document`` is what a device has as keys.json."""

    def __init__(self, fleet: str = "test", count: int = 1, version: int = 1) -> None:
        self.keys = [ec.generate_private_key(ec.SECP256R1()) for _each in range(count)]
        self.fleet = fleet
        form = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        pems = [key.public_key().public_bytes(*form).decode() for key in self.keys]
        self.document = {"schema": 1, "version": version, "fleet": fleet, "threshold": count, "keys": pems}

    def phase(self, desired: dict, serial: int, go: int = 1, **changes) -> dict:
        """The order of one phase; ``changes`` are the payload's."""
        now = int(time.time())
        payload = {name: desired.get(name) for name in ("campaign", "digest", "phase", "undo")}
        payload |= {"schema": 1, "fleet": self.fleet, "serial": serial, "issued": now - 60, "not_before": now - 60}
        payload |= {"expires": now + DAY, "desired": desired, **changes}
        return order(envelope(PHASE, payload, self.keys), go)


def envelope(kind: str, payload: dict, keys) -> bytes:
    body = json.dumps(payload).encode()
    signed = b"DSSEv1 %d %b %d %b" % (len(kind), kind.encode(), len(body), body)
    signatures = [{"keyid": "", "sig": _base64(key.sign(signed, ec.ECDSA(hashes.SHA256())))} for key in keys]
    return json.dumps({"payloadType": kind, "payload": _base64(body), "signatures": signatures}).encode()


def order(data: bytes, go: int = 1) -> dict:
    text = base64.urlsafe_b64encode(data).decode().rstrip("=")
    chunks = [text[start : start + CHUNK] for start in range(0, len(text), CHUNK)]
    named = {f"c{index}": chunk for index, chunk in enumerate(chunks)}
    return {"id": hashlib.sha256(data).hexdigest(), "n": len(chunks), "go": go, **named}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
