# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""A device believes a signature; its twin only says when (docs/adr/0012-signed-phases.md).

order in the twin --assemble--> envelope bytes --verify_phase--> SignedPhase --check_time, Ratchet--> reconcile
                                               --verify_keys--> the next keys.json

Nothing of a payload is looked at before enough keys have signed it. Everything that is wrong is a Refused with a reason.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from . import desired, envelope, strict_json
from . import keys as key_files
from .errors import BadInput, Refused
from .keys import Key, Keys, read_keys
from .ratchet import Ratchet
from .signatures import signers_of

CHUNK_MOST = 4000  # characters; a value in a twin has at most 4096 bytes
CHUNKS_MOST = -(-envelope.ENVELOPE_MOST * 4 // 3 // CHUNK_MOST)
SIGNED_PHASES = ("stage", "retire", "revert")
MEMBERS: dict = {
    "schema": int,
    "campaign": str,
    "digest": str,
    "fleet": str,
    "phase": str,
    "undo": (str, type(None)),
    "serial": int,
    "issued": int,
    "not_before": int,
    "expires": int,
    "desired": dict,
}
SAME_IN_DESIRED = ("campaign", "digest", "phase", "undo")


class SignedPhase(NamedTuple):
    """One phase of one campaign for one fleet, as it was signed. Times are epoch seconds, ``signers`` ids of keys."""

    campaign: str
    digest: str
    fleet: str
    phase: str
    undo: str | None
    serial: int
    issued: int
    not_before: int
    expires: int
    desired: dict
    payload_sha256: str
    signers: tuple = ()


def assemble(order):
    """The envelope's bytes from an order ``{"id", "n", "c0", ..., "go"}`` in a twin; ``id`` must be their SHA-256."""
    if not isinstance(order, dict):
        raise Refused("damaged", "an order is an object with id, n, c0 and go")
    identity, count = order.get("id"), _count(order, "n")
    if not isinstance(identity, str) or not desired.SHA256.fullmatch(identity):
        raise Refused("damaged", "the order's id is not a SHA-256")
    _count(order, "go")
    if count > CHUNKS_MOST:
        raise Refused("too-large", "the order has {0} chunks, at most {1} are read".format(count, CHUNKS_MOST))
    names = ["c{0}".format(index) for index in range(count)]
    if set(order) != {"id", "n", "go", *names}:
        odd = sorted(set(order) ^ {"id", "n", "go", *names}, key=str)
        raise Refused("damaged", "the order should have the chunks c0 to {0}; wrong is {1!r}".format(names[-1], str(odd[0])[:64]))
    text = "".join(_chunk(order[name], name) for name in names)
    data = envelope.from_base64url(text, "the order")
    if len(data) > envelope.ENVELOPE_MOST:
        raise Refused("too-large", "the envelope has {0} bytes, at most {1} are read".format(len(data), envelope.ENVELOPE_MOST))
    if hashlib.sha256(data).hexdigest() != identity:
        raise Refused("damaged", "the order's chunks are not the envelope that its id names; some are missing or another order's")
    return data


def verify_phase(envelope_bytes, keys):
    """The SignedPhase of an envelope that enough of ``keys`` signed, and that is for their fleet."""
    signed = _parse(envelope_bytes, envelope.PHASE_TYPE)
    signers = _enough(signed, keys, "the keys of fleet {0}".format(keys.fleet))
    phase = phase_of(signed.payload)._replace(signers=signers)
    if phase.fleet != keys.fleet:
        raise Refused("fleet", "signed for fleet {0}; this device is of fleet {1}".format(phase.fleet, keys.fleet))
    return phase


def verify_keys(envelope_bytes, keys):
    """The next ``keys.json`` as a document: one version on, and signed by enough of the old keys and of the new ones."""
    signed = _parse(envelope_bytes, envelope.KEYS_TYPE)
    _enough(signed, keys, "the keys of version {0}".format(keys.version))
    new = key_files.from_bytes(signed.payload, "the new keys")
    if new.fleet != keys.fleet:
        raise Refused("fleet", "keys of fleet {0}; this device is of fleet {1}".format(new.fleet, keys.fleet))
    if new.version != keys.version + 1:
        words = "keys of version {0}; after version {1} only the next one is taken, so that none is left out"
        raise Refused("keys-version", words.format(new.version, keys.version))
    _enough(signed, new, "the new keys")
    return new.as_document()


def phase_of(payload):
    """A SignedPhase, without signers, from a payload's bytes; Refused('content') when no device would carry it out."""
    document = strict_json.loads(payload, envelope.PAYLOAD_MOST, "the payload")
    _check_members(document)
    if document["phase"] not in SIGNED_PHASES:
        raise Refused("content", "phase {0!r} is never signed".format(document["phase"]))
    try:
        desired.from_document(document["desired"])
    except BadInput as exc:
        raise Refused("content", str(exc)) from exc
    for name in SAME_IN_DESIRED:
        if document["desired"].get(name) != document[name]:
            raise Refused("content", "the payload's {0} is not that of its desired document".format(name))
    values = {name: value for name, value in document.items() if name != "schema"}
    return SignedPhase(payload_sha256=hashlib.sha256(payload).hexdigest(), **values)


def check_time(phase, now, floor):
    """Whether the clock can be believed; Refused('expired') or ('not-before') when it can and says so.

    ``floor`` is Ratchet.floor. It is certainly not earlier than ``issued`` and ``floor`` now: a clock before them is plainly
    wrong and gives False. Then the phase goes on to reconcile, which refuses for the clock and changes nothing.
    """
    earliest = max(phase.issued, floor)
    latest = max(now, earliest)
    if latest > phase.expires:
        raise Refused("expired", "expired at {0}, it is {1} or later now (epoch seconds)".format(phase.expires, latest))
    if now < earliest:
        return False
    if now < phase.not_before:
        raise Refused("not-before", "not before {0}, it is {1} now (epoch seconds)".format(phase.not_before, now))
    return True


def _parse(envelope_bytes, wanted):
    signed = envelope.parse(envelope_bytes)
    if signed.payload_type != wanted:
        raise Refused("type", "the envelope holds {0!r}, not {1}".format(signed.payload_type[:64], wanted))
    return signed


def _enough(signed, keys, whose):
    signers = signers_of(signed, keys.keys)
    if not signers:
        raise Refused("unsigned", "no signature is of {0}".format(whose))
    if len(signers) < keys.threshold:
        words = "{0} of {1} signed, {2} must"
        raise Refused("threshold", words.format(len(signers), whose, keys.threshold))
    return signers


def _check_members(document):
    if set(document) != set(MEMBERS) or document["schema"] != 1:
        raise Refused("content", "the payload must have schema 1 and {0}; update Rootwave".format(", ".join(sorted(MEMBERS))))
    for name, kind in MEMBERS.items():
        value = document[name]
        if not (strict_json.is_whole(value, 0) if kind is int else isinstance(value, kind)):
            raise Refused("content", "the payload's {0} is not what it must be".format(name))
    if not desired.NAME.fullmatch(document["fleet"]):
        raise Refused("content", "the payload's fleet is not a name")
    if document["serial"] < 1 or max(document["issued"], document["not_before"]) >= document["expires"]:
        raise Refused("content", "the payload's serial starts at 1, and it expires after it was issued and may begin")


def _count(order, name):
    value = order.get(name)
    if not strict_json.is_whole(value, 1):
        raise Refused("damaged", "the order's {0} must be a whole number from 1".format(name))
    return value


def _chunk(value, name):
    if not isinstance(value, str) or not 1 <= len(value) <= CHUNK_MOST:
        raise Refused("damaged", "chunk {0} must be text of 1 to {1} characters".format(name, CHUNK_MOST))
    return value


__all__ = (
    "CHUNK_MOST",
    "Key",
    "Keys",
    "Ratchet",
    "Refused",
    "SignedPhase",
    "assemble",
    "check_time",
    "phase_of",
    "read_keys",
    "verify_keys",
    "verify_phase",
)
