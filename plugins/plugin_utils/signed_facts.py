# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. What a signed file says, who signed it, and whether devices could take it."""

from __future__ import annotations

import datetime
import hashlib
import json

from ansible_collections.rootwave.iot.plugins.module_utils.gateway import keys as key_files
from ansible_collections.rootwave.iot.plugins.module_utils.gateway import order as on_device
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.envelope import PHASE_TYPE, Envelope

from . import twin_limits
from .order_form import order_of, patch_of
from .signing import library_key, valid_signers

PLAIN = ("campaign", "digest", "fleet", "phase", "undo", "serial", "payload_sha256")
TIMES = ("issued", "not_before", "expires")
NOT_COMPARED = (
    "order_id",
    "signatures",
    "thresholds",
    "ready",
    "envelope_bytes",
    "payload_bytes",
    "chunks",
    "twin_bytes",
    "fits",
)


def facts_of(envelope: Envelope, data: bytes, keys: key_files.Keys | None) -> dict:
    """``data`` is the file that ``envelope`` was read from; ``keys`` whom devices believe now, None when that is not known."""
    payload = _phase(envelope) if envelope.payload_type == PHASE_TYPE else _keys(envelope)
    return {**payload, **_signers(envelope, keys), **sizes_of(envelope, data, payload)}


def lines_of(facts: dict) -> str:
    """The facts that people compare before they sign, one a line; for diff mode."""
    shown = {name: value for name, value in facts.items() if name not in NOT_COMPARED}
    shown["signed by"] = [one["keyid"] for one in facts["signatures"]]
    lines = []
    for name, value in shown.items():
        lines += [f"{name}:", *(f"  {one}" for one in value)] if isinstance(value, list) else [f"{name}: {value}"]
    return "\n".join(lines) + "\n"


def sizes_of(envelope: Envelope, data: bytes, payload: dict) -> dict:
    """How much of a twin's desired properties the order takes when it is alone there."""
    order = order_of(data)
    name = payload["phase"] if payload["kind"] == "phase" else "keys"
    size = twin_limits.size(patch_of({name: order}))
    return {
        "order_id": order["id"],
        "envelope_bytes": len(data),
        "payload_bytes": len(envelope.payload),
        "chunks": order["n"],
        "twin_bytes": size,
        "fits": size <= twin_limits.SECTION_MOST["desired"],
    }


def _phase(envelope: Envelope) -> dict:
    phase = on_device.phase_of(envelope.payload)
    wanted = phase.desired
    return {
        "kind": "phase",
        **{name: getattr(phase, name) for name in PLAIN},
        **{name: iso(getattr(phase, name)) for name in TIMES},
        **{side: [f"{one['sha256']} {one['name']}" for one in wanted[side]] for side in ("present", "absent")},
        "endpoints": [f"{one['host']}:{one['port']}" for one in wanted["endpoints"]],
        "allowlist": allowlist_lines(wanted.get("allowlist")),
    }


def allowlist_lines(section: dict | None) -> list[str]:
    """What a phase opens and closes, and where; nothing where it is about no firewall."""
    if not section:
        return []
    words = {side: [f"{side} {one['prefix']} ({one['source']})" for one in section[side]] for side in ("new", "old")}
    places = [f"place {json.dumps(place, sort_keys=True)}" for place in section["places"]]
    settings = [f"{name} {json.dumps(section[name])}" for name in ("private", "ports", "quiet_period")]
    return [*words["new"], *words["old"], *settings, *(places or ["place: none of the campaign's own"])]


def _keys(envelope: Envelope) -> dict:
    new = key_files.from_bytes(envelope.payload)
    return {
        "kind": "keys",
        "fleet": new.fleet,
        "version": new.version,
        "needed": new.threshold,
        "keys": [key.id for key in new.keys],
        "payload_sha256": hashlib.sha256(envelope.payload).hexdigest(),
    }


def _signers(envelope: Envelope, keys: key_files.Keys | None) -> dict:
    """Who signed; whether that is enough. New keys need enough of the old ones and enough of themselves."""
    new = None if envelope.payload_type == PHASE_TYPE else key_files.from_bytes(envelope.payload)
    thresholds = [_threshold(envelope, one) for one in (keys, new) if one]
    counted = {keyid for one in thresholds for keyid in one["signed_by"]}
    return {
        "signatures": [
            {"keyid": one.keyid, "valid": one.keyid in counted if thresholds else None} for one in envelope.signatures
        ],
        "thresholds": thresholds,
        "ready": keys is not None and all(one["met"] for one in thresholds) and _is_for(envelope, keys, new),
    }


def _threshold(envelope: Envelope, keys: key_files.Keys) -> dict:
    found = valid_signers(envelope, [library_key(key) for key in keys.keys])
    return {"keys_version": keys.version, "needed": keys.threshold, "signed_by": found, "met": len(found) >= keys.threshold}


def _is_for(envelope: Envelope, keys: key_files.Keys, new: key_files.Keys | None) -> bool:
    """Of the keys' fleet; and new keys are the next ones."""
    if new is None:
        return on_device.phase_of(envelope.payload).fleet == keys.fleet
    return new.fleet == keys.fleet and new.version == keys.version + 1


def iso(seconds: int) -> str:
    """Epoch seconds as ISO 8601 in UTC; as a number when no calendar has such a year."""
    try:
        return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return str(seconds)


__all__ = ("allowlist_lines", "facts_of", "iso", "lines_of", "sizes_of")
