# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. Pure: what a patch makes of a twin, and why a hub would refuse it.

Limits: azure-docs iot-hub-devguide-device-twins. They are checked before anything is sent, so that a patch for a thousand
devices does not fail on the first of them with half a sentence.
"""

from __future__ import annotations

import json

SECTION_MOST = {"tags": 8 * 1024, "desired": 32 * 1024}  # as the hub counts, see size()
VALUE_MOST, KEY_MOST, DEPTH_MOST, INTEGER_MOST = 4096, 1024, 10, 2**52
FORBIDDEN = ".$# "


def merged(target: dict, patch: dict) -> dict:
    """RFC 7386: null removes, objects merge, everything else (arrays too) replaces."""
    result = dict(target)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            before = result.get(key)
            result[key] = merged(before if isinstance(before, dict) else {}, value)
        else:
            result[key] = value
    return result


def same(one, other) -> bool:
    """Whether a hub would see no difference: unlike Python, it tells 1 from true."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def complaints(section: str, patch: dict, result: dict) -> list[str]:
    """Why the hub would refuse; ``section`` is tags or desired, ``result`` what it would hold then. Empty when it would not."""
    found = list(_walk(section, patch, 1))
    length = size(result)
    if length > SECTION_MOST[section]:
        found.append(f"{section} would have {length} bytes, the hub takes {SECTION_MOST[section]}")
    return found


def size(value) -> int:
    """Texts by characters without control characters, numbers 8, booleans 4; names count too."""
    if isinstance(value, bool):
        return 4
    if isinstance(value, (int, float)):
        return 8
    if isinstance(value, str):
        return sum(character.isprintable() for character in value)
    if isinstance(value, list):
        return sum(map(size, value))
    if isinstance(value, dict):
        return sum(size(key) + size(each) for key, each in value.items())
    return 0


def _walk(path: str, value, depth: int):
    if isinstance(value, str) and len(value.encode()) > VALUE_MOST:
        yield f"{path} has {len(value.encode())} bytes, the hub takes {VALUE_MOST} in one value"
    elif isinstance(value, int) and abs(value) > INTEGER_MOST:
        yield f"{path} is beyond 2^52"
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _walk(f"{path}[{index}]", each, depth + 1)
    elif isinstance(value, dict):
        if depth > DEPTH_MOST + 1:
            yield f"{path} is nested deeper than {DEPTH_MOST} levels"
            return
        for key, each in value.items():
            yield from _name(path, str(key))
            yield from _walk(f"{path}.{key}", each, depth + 1)


def _name(path: str, key: str):
    bad = sorted({character for character in key if character in FORBIDDEN or not character.isprintable()})
    if bad:
        yield f"the name {key!r} below {path} has {', '.join(map(repr, bad))}, which the hub does not take"
    if not key or len(key.encode()) > KEY_MOST:
        yield f"a name below {path} has {len(key.encode())} bytes, the hub takes 1 to {KEY_MOST}"


__all__ = ("complaints", "merged", "same", "size")
