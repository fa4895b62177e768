# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. What is signed, as exact bytes, and signatures over it: DSSE by securesystemslib (ADR 0012).

A signed file is one DSSE envelope. Who adds a signature keeps the payload's bytes: people sign the same, one after another.
"""

from __future__ import annotations

import base64
import importlib
import json
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.rootwave.iot.plugins.filter.desired import desired
from ansible_collections.rootwave.iot.plugins.module_utils.gateway import keys as key_files
from ansible_collections.rootwave.iot.plugins.module_utils.gateway import order as on_device
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.envelope import (
    KEYS_TYPE,
    PHASE_TYPE,
    SIGNATURES_MOST,
    Envelope,
    Signature,
    pae,
    parse,
)
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.errors import Refused

from .order_form import OrderTooLarge, order_of
from .packages import missing

try:
    # securesystemslib goes without it, and calls every signature a bad one
    importlib.import_module("cryptography.hazmat.primitives.asymmetric.ec")
    from securesystemslib import dsse
    from securesystemslib.exceptions import UnverifiedSignatureError
    from securesystemslib.signer import Signature as LibrarySignature
    from securesystemslib.signer import SSlibKey
except ImportError as exc:  # sanity imports this file without the collection's requirements
    LIBRARY_MISSING = missing("securesystemslib[crypto]", exc)
else:
    LIBRARY_MISSING = ""


class SigningError(ValueError):
    """What cannot be signed, or read as signed; the message says what to do."""


def phase_payload(campaign: dict, fleet: str, phase: str, undo: str | None, serial: int, times: dict, endpoints=()) -> bytes:
    """The bytes to sign for one phase of a loaded campaign. ``times`` has issued, not_before and expires, epoch seconds.

    What a device would refuse to carry out is refused here.
    """
    document = {
        "schema": 1,
        "campaign": campaign["name"],
        "digest": campaign["digest"],
        "fleet": fleet,
        "phase": phase,
        "undo": undo,
        "serial": serial,
        **times,
        "desired": desired(campaign, phase, endpoints, undo),
    }
    payload = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    try:
        on_device.phase_of(payload)
    except Refused as exc:
        raise SigningError(f"a device would refuse this phase: {exc}") from exc
    return payload


def keys_payload(data: bytes, where: str) -> bytes:
    """The bytes to sign for new keys: those of their keys.json as it is."""
    try:
        key_files.from_bytes(data, where)
    except Refused as exc:
        raise SigningError(str(exc)) from exc
    return data


def read(data: bytes, where: str) -> Envelope:
    """The envelope in a signed file, nothing verified; SigningError when no device would read it."""
    try:
        envelope = parse(data)
        if envelope.payload_type == PHASE_TYPE:
            on_device.phase_of(envelope.payload)
        elif envelope.payload_type == KEYS_TYPE:
            key_files.from_bytes(envelope.payload, where)
        else:
            raise SigningError(f"{where} holds {envelope.payload_type}, which Rootwave does not sign")
    except Refused as exc:
        raise SigningError(f"{where}: {exc}") from exc
    return envelope


def text_of(envelope: Envelope) -> str:
    """A signed file's text, whose bytes are what a twin carries; SigningError when they are too many."""
    document = {
        "payload": base64.b64encode(envelope.payload).decode(),
        "payloadType": envelope.payload_type,
        "signatures": [{"keyid": one.keyid, "sig": base64.b64encode(one.sig).decode()} for one in envelope.signatures],
    }
    text = json.dumps(document, separators=(",", ":")) + "\n"
    try:
        order_of(text.encode())
    except (OrderTooLarge, Refused) as exc:
        raise SigningError(f"{exc}; sign fewer anchors, endpoints or prefixes in one phase") from exc
    return text


def add_signature(envelope: Envelope, signer) -> Envelope:
    """The envelope with one signature more, by a securesystemslib Signer; the same one when this key has signed already."""
    known = signer.public_key
    if known.keyid in valid_signers(envelope, [known]):
        return envelope
    if known.keyid in {one.keyid for one in envelope.signatures}:
        raise SigningError(
            f"the signature of key {known.keyid} is not over this payload; the file was changed after it was signed"
        )
    if len(envelope.signatures) >= SIGNATURES_MOST:
        raise SigningError(f"there are {SIGNATURES_MOST} signatures already, and a device reads no more")
    try:
        # PKCS#11 libraries leave errors in OpenSSL's queue, which is one for each thread (tried: SoftHSM 2.6), and Python's ssl
        # would take them for its own
        with ThreadPoolExecutor(1) as thread:
            made = thread.submit(dsse.Envelope(envelope.payload, envelope.payload_type, {}).sign, signer).result()
    except Exception as exc:  # the library's documentation of Signer asks for this: signers raise what their back ends raise
        raise SigningError(f"key {known.keyid} cannot sign: {type(exc).__name__}: {exc}") from exc
    signed = envelope._replace(signatures=(*envelope.signatures, Signature(known.keyid, bytes.fromhex(made.signature))))
    if known.keyid not in valid_signers(signed, [known]):
        raise SigningError(f"the signature does not verify with key {known.keyid}; private and public key are not a pair")
    return signed


def valid_signers(envelope: Envelope, keys: list) -> list[str]:
    """The ids of the SSlibKeys that signed; as on a device, any signature counts for any key, and a key counts once."""
    signed = to_sign(envelope)
    return [key.keyid for key in keys if any(_is_of(key, one.sig, signed) for one in envelope.signatures)]


def library_key(key: key_files.Key):
    """A key of keys.json as securesystemslib has it, under our key id."""
    _need_library()
    return SSlibKey(key.id, "ecdsa", "ecdsa-sha2-nistp256", {"public": key.pem})


def to_sign(envelope: Envelope) -> bytes:
    """What any other tool has to sign, with ECDSA and SHA-256: the pre-authentication encoding."""
    return pae(envelope.payload_type, envelope.payload)


def _is_of(key, sig: bytes, signed: bytes) -> bool:
    try:
        key.verify_signature(LibrarySignature(key.keyid, sig.hex()), signed)
    except UnverifiedSignatureError:
        return False
    return True


def _need_library() -> None:
    if LIBRARY_MISSING:
        raise SigningError(LIBRARY_MISSING)


__all__ = (
    "SigningError",
    "add_signature",
    "keys_payload",
    "library_key",
    "phase_payload",
    "read",
    "text_of",
    "to_sign",
    "valid_signers",
)
