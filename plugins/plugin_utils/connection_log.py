# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. Pure: what the paired connection log shows, as the module's result."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from .connection_codes import explain
from .connection_events import Event, History, Pair, Sorted

BLOCKER, WARNING = "blocker", "warning"
# The Java device SDK 1.x carries its roots in its own code and reads no store (azure-iot-sdk-java, iot-deps, by its tags)
JAVA = re.compile(
    r"com\.microsoft\.azure\.(?:sdk\.iot\.iot-device-client|iothub-java-client)(?:/(\d{1,6})\.(\d{1,6})(\.\d{1,6})?)?", re.ASCII
)
NO_G2 = (
    "below 1.31 the Java device SDK knows no DigiCert Global Root G2 and reads no trust store: it cannot connect once the hub "
    "serves that root; go to 2.x"
)
ONLY_G2 = (
    "from 1.31 on the Java device SDK 1.x knows DigiCert Global Root G2 but no root after it, and reads no trust store: the next "
    "rotation strands it; go to 2.x"
)
UNTOLD = "a Java device SDK that does not tell its version: below 2.0 it reads no trust store"


def log_result(events: Sequence[Event], found: dict[str, History], pairs: Sorted, gone: list[dict]) -> dict:
    """``events`` are those of the identities that are judged."""
    renewed = {(pair.who, pair.left) for pair in pairs.renewals}
    return {
        "events": len(events),
        "reconnected": _reconnected(pairs.reconnected),
        "gone": gone,
        "renewals": len(pairs.renewals),
        "cutover": None if pairs.moment is None else stamp(pairs.moment),
        "errors": _errors(events, renewed, found),
        "sdks": _sdks(found.values()),
        "java_v1": [row for one in found.values() if (row := _java(one))],
    }


def named(who: str) -> dict[str, str | None]:
    device, _slash, module = who.partition("/")
    return {"device_id": device, "module_id": module or None}


def coded(number: int | None) -> dict:
    code = explain(number)
    return {"code": number, "name": code.name or None, "meaning": code.meaning}


def stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _reconnected(pairs: Sequence[Pair]) -> list[dict]:
    """One row for each identity: its latest return, and how many there were."""
    times = Counter(pair.who for pair in pairs)
    latest = {pair.who: pair for pair in sorted(pairs, key=lambda pair: pair.left)}
    return [
        {
            **named(who),
            "disconnected_at": stamp(pair.left),
            "connected_at": stamp(pair.back),
            "seconds": round(pair.back - pair.left, 1),
            "times": times[who],
            **coded(pair.code),
        }
        for who, pair in sorted(latest.items())
    ]


def _errors(events: Iterable[Event], renewed: set[tuple[str, float]], found: dict[str, History]) -> list[dict]:
    """By code, without what belongs to a renewal: the 404104 that follows a 401003 goes with it."""
    spans = defaultdict(list)
    for one in found.values():
        spans[one.who] = [(pair.left, pair.back) for pair in one.pairs if (one.who, pair.left) in renewed]
    counted: Counter[int | None] = Counter()
    devices: dict[int | None, set[str]] = defaultdict(set)
    for event in events:
        if event.error and not any(left <= event.at <= back for left, back in spans[event.who]):
            counted[event.code] += 1
            devices[event.code].add(event.who)
    return [
        {**coded(code), "events": number, "devices": sorted(devices[code])}
        for code, number in sorted(counted.items(), key=lambda item: -item[1])
    ]


def _sdks(found: Iterable[History]) -> list[dict]:
    """Name and version, the platform's words cut off."""
    counted = Counter(one.sdk.partition(" ")[0] for one in found if one.sdk)
    return [{"sdk": name, "devices": number} for name, number in sorted(counted.items(), key=lambda item: (-item[1], item[0]))]


def _java(one: History) -> dict | None:
    match = JAVA.match(one.sdk)
    if not match or (match[1] and int(match[1]) >= 2):
        return None
    if not match[1]:
        return {**named(one.who), "version": None, "severity": WARNING, "meaning": UNTOLD}
    severe = (int(match[1]), int(match[2])) < (1, 31)
    version = f"{match[1]}.{match[2]}{match[3] or ''}"
    return {
        **named(one.who),
        "version": version,
        "severity": BLOCKER if severe else WARNING,
        "meaning": NO_G2 if severe else ONLY_G2,
    }


__all__ = ("BLOCKER", "coded", "log_result", "named", "stamp")
