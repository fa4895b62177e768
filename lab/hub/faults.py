# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults by name, for tests: what a hub or a network does wrong, when, how often.

status (429, 5xx), latency, drop-tcp, continuation-expired: REST, by hub, method and path. index-lag: queries see the past.
registry-shrinks: the device named by key is deleted behind a query's page.
refuse-connack, lose-session, strict-twin-res, twin-status: devices. Chains and TLS versions are the listeners' (server.py).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields

NAMES = ("status", "latency", "drop-tcp", "continuation-expired", "index-lag", "refuse-connack", "lose-session") + (
    "registry-shrinks",
    "strict-twin-res",
    "twin-status",
)


@dataclass
class Fault:
    """Empty texts match everything; ``path`` is a regular expression, ``key`` is a device or device/module."""

    name: str
    hub: str = ""
    method: str = ""
    path: str = ""
    key: str = ""
    status: int = 500
    code: int = 3  # of a refused CONNACK
    seconds: float = 0.0
    after: int = 0  # so many matching calls pass first
    count: int | None = None  # then so many fail; None for all

    def matches(self, facts: dict) -> bool:
        asked = [name for name in ("hub", "method", "key") if name in facts]
        exact = all(not getattr(self, name) or getattr(self, name) == facts[name] for name in asked)
        return exact and (not self.path or re.search(self.path, facts.get("path", "")) is not None)


class Faults:
    """The faults in force; each hit counts."""

    def __init__(self) -> None:
        self.active: list[Fault] = []

    def add(self, document: dict) -> None:
        known = {field.name for field in fields(Fault)}
        if document.get("name") not in NAMES or not set(document) <= known:
            raise ValueError(f"a fault is {', '.join(NAMES)} with {', '.join(sorted(known))}, not {document}")
        self.active.append(Fault(**document))

    def clear(self) -> None:
        self.active.clear()

    def hit(self, name: str, **facts) -> Fault | None:
        """The first fault of this name that these facts meet, counted down."""
        for fault in self.active:
            if fault.name != name or not fault.matches(facts) or fault.count == 0:
                continue
            if fault.after > 0:
                fault.after -= 1
                return None
            if fault.count is not None:
                fault.count -= 1
            return fault
        return None
