# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. All twins of a hub by query: only the properties that are needed travel, all of them or an error."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .expression import Path, paths_of
from .hub.errors import HubError
from .hub.throttle import ThrottledHub

PAGE = 100  # twins; the most a query's page holds (azure-docs iot-hub-devguide-query-language)
TELL_FROM, TELL_EVERY = 5.0, 30.0  # seconds
CHANGED = "it changed meanwhile, or its query index is late (seconds, in bad times half an hour); load it again"
Fill = Callable[[Iterable[dict]], None]
SOURCES = {"devices": "devices", "modules": "devices.modules", "edge": "devices"}
# Our variables and where they are in a twin
FIXED: dict[str, Path] = {
    "rootwave_device_id": ("deviceId",),
    "rootwave_module_id": ("moduleId",),
    "rootwave_connection_state": ("connectionState",),
    "rootwave_status": ("status",),
    "rootwave_twin_wave": ("tags", "rootwave", "wave"),
    "rootwave_last_report": ("properties", "reported", "rootwave"),
}
ROOTS: dict[str, Path] = {"rootwave_tags": ("tags",), "rootwave_reported": ("properties", "reported")}
RESERVED = {"SELECT", "FROM", "WHERE", "GROUP", "BY", "AS", "AND", "OR", "NOT", "IN", "NIN", "TOP", "TRUE", "FALSE", "NULL"}


class TwinQuery:
    """``kind`` is one of SOURCES, ``where`` a condition in the hub's query language, ``wanted`` paths below ROOTS' values."""

    def __init__(self, kind: str, where: str | None, wanted: Iterable[Path]) -> None:
        self.kind = kind
        self._fixed = {name: path for name, path in FIXED.items() if kind == "modules" or name != "rootwave_module_id"}
        self._wanted = _shortest(_queryable(path) for path in wanted)
        conditions = [f"({where})"] if where else []
        if kind == "edge":
            conditions.insert(0, "capabilities.iotEdge = true")
        self.filtered = bool(conditions) or kind == "modules"
        tail = f"FROM {SOURCES[kind]}" + (" WHERE " + " AND ".join(conditions) if conditions else "")
        # Without an alias two paths with the same last part would be one column
        paths = [*self._fixed.values(), *self._wanted]
        self.text = "SELECT " + ", ".join(f"{'.'.join(path)} AS c{number}" for number, path in enumerate(paths)) + " " + tail
        self.count_text = f"SELECT COUNT() AS number {tail}"

    def variables(self, row: dict) -> dict[str, Any]:
        """A host's variables."""
        found = {name: row.get(f"c{number}") for number, name in enumerate(self._fixed)}
        for number, path in enumerate(self._wanted, len(self._fixed)):
            if f"c{number}" in row:
                name = "rootwave_tags" if path[0] == "tags" else "rootwave_reported"
                _put(found, (name, *path[len(ROOTS[name]) :]), row[f"c{number}"])
        return found

    def count(self, hub: ThrottledHub) -> int:
        """How many there are, by the registry where it can tell."""
        if not self.filtered:
            return int(hub.registry_statistics()["totalDeviceCount"])
        items = hub.query_page(self.count_text).items
        return int(items[0]["number"]) if items else 0


def wanted_by(texts: Iterable[Any], projections: Iterable[str]) -> list[Path]:
    """The paths in a twin that expressions read and projections name; raises ValueError for what is no such path."""
    wanted: list[Path] = []
    for text in texts:
        paths = paths_of(text)
        if paths is None:  # it may read anything below a root that it names
            paths = frozenset((name,) for name in ROOTS if name in str(text))
        wanted += [ROOTS[path[0]] + path[1:] for path in paths if path[0] in ROOTS]
    for projection in projections:
        path = tuple(projection.split("."))
        if not any(path[: len(root)] == root for root in ROOTS.values()):
            raise ValueError(f"projection {projection!r} begins with neither tags nor properties.reported")
        wanted.append(path)
    return wanted


def load(
    hub: ThrottledHub, query: TwinQuery, fill: Fill, say: Callable[[str], None], complain: Callable[[str], None]
) -> list[dict]:
    """All rows, which ``fill`` has had one by one while their pages arrived; raises HubError and what ``fill`` raises.

    Iterating the rows raises when they are not all; ``fill`` then undoes what it has done. It is called once more when a
    continuation token ran out. ``complain`` is told of numbers that do not agree and may raise.
    """
    for last in (False, True):
        rows: list[dict] = []
        try:
            fill(_arriving(hub, query, rows, say, complain))
            return rows
        except HubError as exc:
            if last or exc.status != 400 or "continuation" not in str(exc).lower():
                raise
            say(f"{hub.host}: the query's continuation token ran out after {len(rows)} {query.kind}; starting again")
    raise AssertionError("the last try returns or raises")


def _arriving(hub: ThrottledHub, query: TwinQuery, rows: list[dict], say, complain) -> Iterator[dict]:
    """Each row as it arrives, also put into ``rows``. The work is done in the time that the hub's quota makes us wait."""
    before, seen, told = query.count(hub), set(), time.monotonic()
    eta = hub.eta("query", math.ceil(before / PAGE))
    if eta >= TELL_FROM:
        say(f"{hub.host}: {before} {query.kind}, {PAGE} a page: at least {eta:.0f} s by the hub's quota ({query.text[:200]})")
    for page in hub.pages(query.text, PAGE):
        for row in page.items:
            identity = row.get("c0"), row.get("c1") if query.kind == "modules" else None
            if identity in seen:
                complain(f"{hub.host} listed {'/'.join(filter(None, identity))} twice: {CHANGED}")
            seen.add(identity)
            rows.append(row)
            yield row
        if time.monotonic() - told >= TELL_EVERY:
            told = time.monotonic()
            left = hub.eta("query", math.ceil(max(0, before - len(rows)) / PAGE))
            say(f"{hub.host}: {len(rows)} of {before} {query.kind}, {left:.0f} s left at the least")
    after = query.count(hub)
    if not len(seen) == before == after:
        complain(f"{hub.host} listed {len(seen)} {query.kind}, but had {before} before and {after} after: {CHANGED}")


def _queryable(path: Path) -> Path:
    """As far as the query language can follow; more than is needed travels then."""
    for depth, part in enumerate(path):
        if not (part.isascii() and part.isidentifier()) or part.upper() in RESERVED:
            return path[:depth]
    return path


def _shortest(paths: Iterable[Path]) -> list[Path]:
    """Without paths below others of them."""
    found: list[Path] = []
    for path in sorted(set(paths)):
        if not any(path[: len(shorter)] == shorter for shorter in found):
            found.append(path)
    return found


def _put(document: dict, path: Path, value: Any) -> None:
    for part in path[:-1]:
        document = document.setdefault(part, {})
    document[path[-1]] = value


def quoted(name: str) -> str:
    """A literal of the hub's query language."""
    return "'" + name.replace("\\", "\\\\").replace("'", "\\'") + "'"


__all__ = ("SOURCES", "TwinQuery", "load", "quoted", "wanted_by")
