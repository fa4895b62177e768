# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""DSSE, protocol v1, without I/O: exact bytes, what kind of bytes they are, and signatures over both.

https://github.com/secure-systems-lab/dsse/blob/master/protocol.md and envelope.md. Stricter than these where two readers could
see two things: base64 is the standard alphabet in its one canonical form, and sizes are bounded. As they say, members that are
not known here are ignored, and ``keyid`` is a hint: nothing is decided by it.
"""

from __future__ import annotations

import base64
import re
from typing import NamedTuple

from . import strict_json
from .errors import Refused

ENVELOPE_MOST = 32 * 1024
PAYLOAD_MOST = 24 * 1024
SIGNATURES_MOST = 16
SIGNATURE_MOST = 72  # bytes of ECDSA with P-256 in DER; "openssl dgst" reads no more, and would not see what follows
PHASE_TYPE = "application/vnd.rootwave.phase+json"
KEYS_TYPE = "application/vnd.rootwave.keys+json"
STANDARD = re.compile(r"[A-Za-z0-9+/]*={0,2}")
URL_SAFE = re.compile(r"[A-Za-z0-9_-]*")


class Signature(NamedTuple):
    keyid: str
    sig: bytes


class Envelope(NamedTuple):
    payload_type: str
    payload: bytes
    signatures: tuple


def parse(data):
    """An Envelope from its bytes, with nothing verified yet."""
    document = strict_json.loads(data, ENVELOPE_MOST, "the envelope")
    payload_type, listed = document.get("payloadType"), document.get("signatures")
    if not isinstance(payload_type, str) or not isinstance(listed, list):
        raise Refused("damaged", "the envelope needs payload, payloadType and signatures (DSSE)")
    if len(listed) > SIGNATURES_MOST:
        raise Refused("too-large", "the envelope has {0} signatures, at most {1} are read".format(len(listed), SIGNATURES_MOST))
    payload = from_base64(document.get("payload"), "payload")
    if len(payload) > PAYLOAD_MOST:
        raise Refused("too-large", "the payload has {0} bytes, at most {1} are read".format(len(payload), PAYLOAD_MOST))
    return Envelope(payload_type, payload, tuple(_signature(item) for item in listed))


def pae(payload_type, payload):
    """The pre-authentication encoding: the bytes that are signed."""
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def from_base64(text, what):
    """Standard alphabet, padded, and exactly what encoding gives: spare bits are zero."""
    if not isinstance(text, str) or not STANDARD.fullmatch(text) or len(text) % 4:
        raise Refused("damaged", "{0} is not base64 (standard alphabet, padded)".format(what))
    data = base64.b64decode(text)
    if base64.b64encode(data).decode("ascii") != text:
        raise Refused("damaged", "{0} is base64, but not in its canonical form".format(what))
    return data


def from_base64url(text, what):
    """URL-safe alphabet without padding, and exactly what encoding gives."""
    if not URL_SAFE.fullmatch(text) or len(text) % 4 == 1:
        raise Refused("damaged", "{0} is not base64url without padding".format(what))
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if base64.urlsafe_b64encode(data).decode("ascii").rstrip("=") != text:
        raise Refused("damaged", "{0} is base64url, but not in its canonical form".format(what))
    return data


def _signature(item):
    if not isinstance(item, dict) or not isinstance(item.get("keyid", ""), str):
        raise Refused("damaged", "a signature is an object with keyid and sig")
    sig = from_base64(item.get("sig"), "a signature")
    if len(sig) > SIGNATURE_MOST:
        raise Refused("too-large", "a signature has {0} bytes, at most {1} are read".format(len(sig), SIGNATURE_MOST))
    return Signature(item.get("keyid", ""), sig)


__all__ = (
    "ENVELOPE_MOST",
    "KEYS_TYPE",
    "PAYLOAD_MOST",
    "PHASE_TYPE",
    "SIGNATURES_MOST",
    "Envelope",
    "Signature",
    "from_base64",
    "from_base64url",
    "pae",
    "parse",
)
