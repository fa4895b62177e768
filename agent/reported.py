# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""Pure: what the device answers in ``properties.reported.rootwave``, fit for a twin, and the patch that takes it there."""

from __future__ import annotations

from .orders import KEYS, PHASES

REASON_MOST = 300  # characters; a twin's value has at most 4 KB (azure-docs iot-hub-devguide-device-twins)
SHOWN = ("id", "go", "serial", "state", "reason", "at", "committed_at")


def document(version, boot, keys_version, records):
    """The answer; keys whose value is not known are left out, as a twin has no nulls."""
    answer = {"agent": version, "boot": boot, "keys": keys_version, "probes": _probes(records)}
    for name in PHASES:
        if name in records:
            answer[name] = _without_nulls({key: records[name].get(key) for key in SHOWN})
    if KEYS in records:
        answer["keys_order"] = _without_nulls({key: records[KEYS].get(key) for key in SHOWN})
    return _without_nulls(answer)


def _probes(records):
    """The proofs of the order that ended last."""
    known = [record for record in records.values() if record.get("probes")]
    return max(known, key=lambda record: record["at"])["probes"] if known else None


def _without_nulls(items):
    return {key: value for key, value in items.items() if value is not None}


def with_nulls(document):
    """The same as a merge patch that also deletes what an earlier answer said and this one does not."""
    names = PHASES + ("keys_order",)
    orders = {name: {key: document[name].get(key) for key in SHOWN} if name in document else None for name in names}
    return dict({"keys": None, "probes": None}, **dict(document, **orders))


def short(text):
    """A reason for a twin: one line, no control characters, the beginning of what is too long."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line if len(line) <= REASON_MOST else line[: REASON_MOST - 3] + "..."


def merged(target, patch):
    """What a merge patch makes of a document (RFC 7386)."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def difference(before, after):
    """The smallest merge patch from one document to another; empty when they are equal."""
    before = before if isinstance(before, dict) else {}
    patch = {key: None for key in before if key not in after}
    for key, value in after.items():
        if key in before and isinstance(value, dict) and isinstance(before[key], dict):
            inner = difference(before[key], value)
            if inner:
                patch[key] = inner
        elif key not in before or before[key] != value:
            patch[key] = value
    return patch


__all__ = ("REASON_MOST", "difference", "document", "merged", "short", "with_nulls")
