# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. Pure: a hub's connection log, paired into drops and returns, SAS renewals told from the rest.

What counts as a renewal (azure-docs iot-hub-troubleshoot-connectivity, troubleshoot-error-codes): an MQTT client that
authenticates by SAS is back within a minute, the code is none, 404104 or 401003, and the session had lasted about a token's
life (45 to 70 minutes by the SDKs' defaults) or as long as another one of the same identity. Connections that fall
together are judged together: when less than half of a crowd's sessions had lasted a token's life, it was no renewal.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .connection_codes import CLOSED, TAKEN_OVER, TOKEN_EXPIRED

RENEWAL_CODES = (None, CLOSED, TOKEN_EXPIRED)
RENEWAL_WITHIN = 60.0  # seconds until it is back; "less than a minute later" (troubleshoot-error-codes, 404104)
LIFE_LEAST, LIFE_MOST = 44 * 60.0, 71 * 60.0  # Node renews after 45 minutes, .NET and Java 10 minutes after the 60
REGULAR_LEAST, REGULAR_WITHIN = 240.0, 30.0  # a token's life of five minutes is the shortest that Microsoft shows
CROWD_WITHIN, CROWD_LEAST, CROWD_SHARE = 60.0, 5, 0.1
TEXT_MOST = 200  # characters of an SDK's own words


@dataclass(frozen=True)
class Event:
    """``who`` is a device, or device/module. ``refused`` is a deviceConnect that the hub did not let in."""

    at: float
    who: str
    connect: bool
    refused: bool
    error: bool
    code: int | None
    mqtt: bool
    auth: str
    sdk: str

    @classmethod
    def of(cls, row: dict[str, Any]) -> Event | None:
        """From one row of the query in hub/monitor.py; None for an operation that is neither connect nor disconnect."""
        operation = str(row["OperationName"]).lower()
        if operation not in ("deviceconnect", "devicedisconnect"):
            return None
        number = str(row["ResultType"] or "")
        code = int(number) if number.isdigit() and int(number) >= 400000 else None
        error = str(row["Level"]).lower() == "error" or code is not None
        connect = operation == "deviceconnect"
        device, module = str(row["DeviceId"] or ""), str(row["ModuleId"] or "")
        who = f"{device}/{module}" if module and "/" not in device else device
        mqtt = str(row["Protocol"] or "").lower().startswith("mqtt")
        how = (mqtt, auth_of(row["AuthType"]), str(row["SDKVersion"] or "")[:TEXT_MOST])
        return cls(float(row["TimeGenerated"]), who, connect, connect and error, error, code, *how)


@dataclass(frozen=True)
class Pair:
    """Dropped at ``left``, connected again at ``back``. ``age`` is how long the session had lasted, if that is known."""

    who: str
    left: float
    back: float
    code: int | None
    age: float | None
    renewing: bool  # protocol, authentication, code and gap are those of a renewal


@dataclass
class History:
    """One identity. ``left`` is the drop that no connect followed, ``refusals`` the tries since then that the hub refused."""

    who: str
    pairs: list[Pair] = field(default_factory=list)
    left: Event | None = None
    refusals: list[Event] = field(default_factory=list)
    sdk: str = ""
    started: float | None = None

    @property
    def away(self) -> bool:
        """By the log's last word. Refusals while it is connected are somebody else's who uses its name."""
        return self.left is not None or (self.started is None and bool(self.refusals))

    def add(self, event: Event) -> None:
        self.sdk = event.sdk or self.sdk
        if event.refused:
            self.refusals.append(event)
        elif event.connect:
            if self.left is not None:
                self._pair(self.left, event.at)
            self.left, self.started = None, event.at
            self.refusals.clear()
        elif event.code == TAKEN_OVER:  # it is told before or after the newer connection's own deviceConnect
            self._pair(event, event.at)
        elif self.left is None:  # 401003 comes with a 404104 behind it; the first one says why
            self.left = event

    def _pair(self, left: Event, back: float) -> None:
        age = None if self.started is None else left.at - self.started
        quick = back - left.at <= RENEWAL_WITHIN
        renewing = left.mqtt and left.auth in ("sas", "") and left.code in RENEWAL_CODES and quick
        self.pairs.append(Pair(self.who, left.at, back, left.code, age, renewing))


@dataclass(frozen=True)
class Sorted:
    """``moment`` is when connections first fell together, not for their tokens: the cutover, if the log has one."""

    renewals: tuple[Pair, ...]
    reconnected: tuple[Pair, ...]
    moment: float | None


def histories(events: Iterable[Event]) -> dict[str, History]:
    """By identity. Of two events at one time the connect is the later one."""
    found: dict[str, History] = {}
    for event in sorted(events, key=lambda one: (one.at, one.connect and not one.refused)):
        found.setdefault(event.who, History(event.who)).add(event)
    return found


def sort_pairs(found: dict[str, History], identities: int) -> Sorted:
    """``identities`` is how many there are in all, connected ones without an event too."""
    likely = {pair for one in found.values() for pair in _renewals_of(one.pairs)}
    drops: dict[int, dict[str, bool]] = defaultdict(dict)
    for one in found.values():
        for pair in one.pairs:
            drops[int(pair.left // CROWD_WITHIN)][one.who] = pair in likely
        if one.left is not None:
            drops[int(one.left.at // CROWD_WITHIN)][one.who] = False
    crowd = max(CROWD_LEAST, CROWD_SHARE * identities)
    shaken = {at for at, who in drops.items() if len(who) >= crowd and 2 * sum(who.values()) < len(who)}
    pairs = [pair for one in found.values() for pair in one.pairs]
    renewals = tuple(pair for pair in pairs if pair in likely and int(pair.left // CROWD_WITHIN) not in shaken)
    others = set(renewals)
    moment = min(shaken) * CROWD_WITHIN if shaken else None
    return Sorted(renewals, tuple(pair for pair in pairs if pair not in others), moment)


def _renewals_of(pairs: Sequence[Pair]) -> list[Pair]:
    """Of one identity, by its own sessions alone. A first session of unknown age counts with the company it keeps."""
    asked = [pair for pair in pairs if pair.renewing]
    by_age = [pair for pair in asked if pair.age is not None and (_a_life(pair.age) or _regular(pair, pairs))]
    return by_age + [pair for pair in asked if pair.age is None and by_age]


def _a_life(age: float) -> bool:
    return LIFE_LEAST <= age <= LIFE_MOST


def _regular(pair: Pair, pairs: Sequence[Pair]) -> bool:
    age = pair.age or 0.0
    others = (other.age for other in pairs if other is not pair and other.age is not None)
    return age >= REGULAR_LEAST and any(abs(age - other) <= REGULAR_WITHIN for other in others)


def auth_of(text: Any) -> str:
    """sas, x509Certificate, ...: the log has JSON in a text (azure-docs monitor-iot-hub-reference), or null."""
    text = str(text or "")
    if not text.startswith("{"):
        return text.lower()
    try:
        return str(json.loads(text).get("type") or "").lower()
    except (ValueError, AttributeError, RecursionError):
        return ""


__all__ = ("Event", "History", "Pair", "Sorted", "auth_of", "histories", "sort_pairs")
