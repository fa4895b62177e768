# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. What ``campaign_sign`` is asked for: which bytes, for how long, by whom.

A file that exists is never given another content. What is asked is compared with what it holds, so that nobody signs anything
but what the own checkout of the campaign says.
"""

from __future__ import annotations

import datetime
from pathlib import Path

from ansible_collections.rootwave.iot.plugins.module_utils.gateway import keys as key_files
from ansible_collections.rootwave.iot.plugins.module_utils.gateway import order as on_device
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.envelope import ENVELOPE_MOST, KEYS_TYPE, PHASE_TYPE, Envelope
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.errors import Refused

from . import signing
from .signed_facts import iso
from .signers import signer_of
from .signing import SigningError

DAY = 86400
NEEDED = ("fleet", "phase", "serial")


def read_file(path: str) -> bytes | None:
    """A signed file's bytes, None where there is none; never more of it than could be one."""
    try:
        with Path(path).open("rb") as stream:
            return stream.read(ENVELOPE_MOST + 1)
    except FileNotFoundError:
        return None


def keys_of(path: str | None) -> key_files.Keys | None:
    """Keys from a keys.json of the control node, whoever owns it; None when no path is given."""
    if not path:
        return None
    try:
        return key_files.from_bytes(Path(path).read_bytes(), path)
    except Refused as exc:
        raise SigningError(str(exc)) from exc


def asked(args: dict, before: Envelope | None, now: float) -> Envelope:
    """The envelope to add signatures to: what dest holds, or a new one without any."""
    if before is None and args["state"] == "signed":
        raise SigningError(f"{args['dest']} does not exist; whoever signs first says state=created")
    if args["campaign"] is None and args["new_keys"] is None:
        if before is None:
            raise SigningError("state=created needs campaign, or new_keys")
        return before
    wanted = _wanted(args, before, now)
    if before is not None and (before.payload_type, before.payload) != (wanted.payload_type, wanted.payload):
        raise SigningError(f"{args['dest']} holds something else{_difference(before, wanted)}; compare, or give another dest")
    return before or wanted


def signed(envelope: Envelope, args: dict, keys: key_files.Keys | None) -> Envelope:
    """With the signatures of all ``keys`` of the arguments; ``keys`` are those that devices believe, when they are known."""
    known = {key.id for key in keys.keys} if keys else set()
    if envelope.payload_type == KEYS_TYPE:
        known |= {key.id for key in key_files.from_bytes(envelope.payload).keys} if keys else set()
    for item in args["keys"]:
        signer = signer_of(item)
        if keys and signer.public_key.keyid not in known:
            raise SigningError(
                f"key {signer.public_key.keyid} is not in {args['keys_file']}; no device would count its signature"
            )
        envelope = signing.add_signature(envelope, signer)
    return envelope


def _wanted(args: dict, before: Envelope | None, now: float) -> Envelope:
    if args["new_keys"] is not None:
        return Envelope(KEYS_TYPE, signing.keys_payload(Path(args["new_keys"]).read_bytes(), args["new_keys"]), ())
    missing = [name for name in NEEDED if args[name] is None]
    if missing:
        raise SigningError(f"with campaign, {', '.join(missing)} must be given too")
    is_phase = before is not None and before.payload_type == PHASE_TYPE
    times = _times(args, on_device.phase_of(before.payload) if before is not None and is_phase else None, now)
    payload = signing.phase_payload(
        args["campaign"], args["fleet"], args["phase"], args["undo"], args["serial"], times, args["endpoints"]
    )
    return Envelope(PHASE_TYPE, payload, ())


def _times(args: dict, before: on_device.SignedPhase | None, now: float) -> dict:
    """What is not said stays as the file has it, so that a second run, and a second signer, ask for the same bytes."""
    issued = before.issued if before else int(now)
    not_before = _epoch(args["not_before"], "not_before")
    if not_before is None:
        not_before = before.not_before if before else issued
    expires = _epoch(args["expires"], "expires")
    if args["valid_for"] is not None:
        expires = not_before + args["valid_for"] * DAY
    if expires is None:
        if before is None:
            raise SigningError("give valid_for (days) or expires; a phase that never expires could be sent in ten years")
        expires = before.expires
    if expires <= now:
        raise SigningError(f"it would have expired at {iso(expires)}, which is past")
    return {"issued": issued, "not_before": not_before, "expires": expires}


def _epoch(text: str | None, name: str) -> int | None:
    """Epoch seconds of 2026-12-01T00:00:00Z; a date alone is its first second in UTC."""
    if text is None:
        return None
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError as exc:
        raise SigningError(f"{name}: {text!r} is not a time like 2026-12-01T00:00:00Z") from exc
    return int((moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).timestamp())


def _difference(before: Envelope, wanted: Envelope) -> str:
    if before.payload_type != wanted.payload_type:
        return f", {before.payload_type}"
    if wanted.payload_type == KEYS_TYPE:
        return ", other keys"
    old, new = on_device.phase_of(before.payload), on_device.phase_of(wanted.payload)
    names = [name for name in old._fields if name != "payload_sha256" and getattr(old, name) != getattr(new, name)]
    return f": {', '.join(names)} differ" if names else " in other bytes"


__all__ = ("asked", "keys_of", "read_file", "signed")
