# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: what may stand in a twin, and how a patch changes it.

Limits: azure-docs iot-hub-devguide-device-twins (tags 8 KB, desired and reported 32 KB each, a value 4 KB, ten levels, keys of at
most 1 KB without control characters, ``.``, ``$`` and space; integers within 2^52). Patches: RFC 7386.
"""

from __future__ import annotations

from .errors import invalid

MOST = {"tags": 8 * 1024, "desired": 32 * 1024, "reported": 32 * 1024}
VALUE_MOST, KEY_MOST, DEPTH_MOST, INTEGER_MOST = 4096, 1024, 10, 2**52


def merge(target: dict, patch: dict) -> dict:
    """A new document: null removes, objects merge, everything else (arrays too) replaces."""
    merged = dict(target)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            before = merged.get(key)
            merged[key] = merge(before if isinstance(before, dict) else {}, value)
        else:
            merged[key] = value
    return merged


def check_patch(section: str, patch) -> dict:
    """The patch without the service's own ``$`` keys at its top; raises HubError 400 for what a twin cannot hold."""
    if not isinstance(patch, dict):
        raise invalid(f"{section} must be an object")
    own = {key: value for key, value in patch.items() if key not in ("$metadata", "$version")}
    _check(section, own, 0)
    return own


def check_size(section: str, document: dict) -> None:
    if (length := size(document)) > MOST[section]:
        raise invalid(f"{section} would have {length} bytes, at most {MOST[section]} are allowed")


def size(value) -> int:
    """As the hub counts: texts by characters without control characters, numbers 8, booleans 4; names count too."""
    match value:
        case bool():
            return 4
        case int() | float():
            return 8
        case str():
            return sum(character.isprintable() for character in value)
        case list():
            return sum(map(size, value))
        case dict():
            return sum(size(key) + size(each) for key, each in value.items())
    return 0


def stamp(metadata: dict, patch: dict, now: str, version: int | None) -> dict:
    """``$metadata`` after a patch: ``$lastUpdated`` and, for desired properties, ``$lastUpdatedVersion`` per touched level."""
    touched = dict(metadata, **{"$lastUpdated": now})
    if version is not None:
        touched["$lastUpdatedVersion"] = version
    for key, value in patch.items():
        if value is None:
            touched.pop(key, None)
        else:
            below = value if isinstance(value, dict) else {}
            before = touched.get(key, {}) if isinstance(value, dict) else {}
            touched[key] = stamp(before, below, now, version)
    return touched


def _check(path: str, value, depth: int) -> None:
    match value:
        case bool() | float() | None:
            return
        case int():
            if abs(value) > INTEGER_MOST:
                raise invalid(f"{path} is beyond 2^52")
        case str():
            if len(value.encode("utf-8", "surrogatepass")) > VALUE_MOST:
                raise invalid(f"{path} is longer than {VALUE_MOST} bytes")
        case list():
            for each in value:
                _check(path, each, depth + 1)
        case dict():
            if depth > DEPTH_MOST:
                raise invalid(f"{path} is nested deeper than {DEPTH_MOST} levels")
            for key, each in value.items():
                _check_key(path, key)
                _check(f"{path}.{key}", each, depth + 1)


def _check_key(path: str, key: str) -> None:
    if not key or len(key.encode("utf-8", "surrogatepass")) > KEY_MOST:
        raise invalid(f"a name below {path} is empty or longer than {KEY_MOST} bytes")
    if any(character in ".$# " or not character.isprintable() for character in key):
        raise invalid(f"the name {key!r} below {path} has a character that is not allowed (. $ # space, control)")
