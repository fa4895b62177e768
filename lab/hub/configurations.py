# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Automatic configurations of devices and modules (azure-docs iot-hub-automatic-device-management).

Every cycle each twin gets the content of the matching configuration with the highest priority, the newest of equals; what a
twin no longer matches is taken from it again.
"""

from __future__ import annotations

import asyncio
import base64
import copy
import json
import re

from .errors import HubError, invalid
from .query.evaluate import Condition
from .query.parse import condition, parse
from .query.tokens import QueryError
from .registry import must_match
from .twins import timestamp

CYCLE = 300.0  # seconds
METRICS_MOST, CONFIGURATIONS_MOST, FREE_MOST = 5, 100, 10
NAME = re.compile(r"[a-z0-9\-+%_*!']{1,128}")
MODULES = re.compile(r"\s*FROM\s+devices\.modules\s+WHERE\s+(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
PREFIX = "properties.desired"
CONTENTS = ("deviceContent", "moduleContent", "modulesContent")


class Configurations:
    def __init__(self, hub) -> None:
        self.hub, self._store = hub, hub.world.store
        self.known: dict[str, dict] = self._store.load(hub.name, "configuration")
        # what each twin has from whom: {key: {"id", "paths": {path: value}}}
        self._applied: dict[str, dict] = self._store.load(hub.name, "applied")
        self._number = max((json.loads(base64.b64decode(one["etag"])) for one in self.known.values()), default=0)
        self._wake = asyncio.Event()

    def put(self, name: str, body: dict, if_match: str | None) -> dict:
        """Create without If-Match, else update; the content never changes, as in the real hub."""
        if not NAME.fullmatch(name) or body.get("id", name) != name:
            raise invalid("an id has 1 to 128 of a-z 0-9 - + % _ * ! '")
        before = self.known.get(name)
        if before is None and if_match:
            raise HubError(404, "ConfigurationNotFound", name)
        if before is not None:
            self._guard(before, if_match)
        elif len(self.known) >= (FREE_MOST if self.hub.config["sku"] == "F1" else CONFIGURATIONS_MOST):
            raise HubError(403, "ConfigurationCountLimitExceeded", str(len(self.known)), 403006)
        _check(body)
        now = timestamp()
        document = {
            "id": name,
            "schemaVersion": body.get("schemaVersion", "1.0"),
            "labels": body.get("labels") or {},
            "content": before["content"] if before else body["content"],
            "targetCondition": body.get("targetCondition", ""),
            "priority": body.get("priority", 0),
            "createdTimeUtc": before["createdTimeUtc"] if before else now,
            "lastUpdatedTimeUtc": now,
            "metrics": {"results": {}, "queries": (body.get("metrics") or {}).get("queries") or {}},
            "systemMetrics": {"results": {"targetedCount": 0, "appliedCount": 0}, "queries": {}},
        }
        self._number += 1
        document["etag"] = base64.b64encode(str(self._number).encode()).decode()
        self._keep(document)
        self._wake.set()
        return document

    def get(self, name: str) -> dict:
        if name not in self.known:
            raise HubError(404, "ConfigurationNotFound", name)
        return self.known[name]

    def delete(self, name: str, if_match: str | None) -> None:
        self._guard(self.get(name), if_match or "*")
        del self.known[name]
        self._store.delete(self.hub.name, "configuration", name)
        self._wake.set()

    def _guard(self, document: dict, if_match: str | None) -> None:
        """Configurations want their ETag quoted; the real hub answers 409 to one that is not."""
        if if_match is None or (if_match != "*" and not if_match.strip().startswith('"')):
            raise HubError(409, "ConfigurationAlreadyExists", document["id"])
        must_match(if_match, document["etag"])

    async def run(self) -> None:
        """Until it is cancelled: soon after every change of a configuration, and every cycle."""
        cycle = self.hub.config.get("configuration_cycle", CYCLE)
        while True:
            try:
                async with asyncio.timeout(cycle):
                    await self._wake.wait()
            except TimeoutError:
                pass  # the next cycle's time has come
            self._wake.clear()
            self.apply()

    def apply(self) -> None:
        """One cycle over all twins."""
        if not self.known and not self._applied:
            return
        for gone in set(self._applied) - set(self.hub.registry.twins):
            del self._applied[gone]
            self._store.delete(self.hub.name, "applied", gone)
        targets = [(one, *target(one)) for one in self.known.values()]
        counts = {name: [0, 0] for name in self.known}
        for key, twin in list(self.hub.registry.index.documents()):
            kind = "modules" if "/" in key else "devices"
            matching = [one for one, source, test in targets if source == kind and test(twin)]
            for one in matching:
                counts[one["id"]][0] += 1
            # the newest of equals is the one with the greatest time of creation
            winner = max(matching, key=lambda one: (one["priority"], one["createdTimeUtc"]), default=None)
            if winner:
                counts[winner["id"]][1] += 1
            self._give(key, winner)
        for name, (targeted, applied) in counts.items():
            self._count(self.known[name], targeted, applied)

    def _give(self, key: str, winner: dict | None) -> None:
        before = self._applied.get(key, {"id": None, "paths": {}})
        paths = content_of(winner) if winner else {}
        if before["id"] == (winner["id"] if winner else None) or key not in self.hub.registry.twins:
            return  # nothing new, or a twin that only the late index still has
        patch: dict = {}
        for path in before["paths"]:
            put_path(patch, path, None)
        for path, value in paths.items():
            put_path(patch, path, copy.deepcopy(value))
        if patch:
            self.hub.registry.patch_twin(key, None, patch)
        if winner:
            self._applied[key] = {"id": winner["id"], "paths": paths}
            self._store.put(self.hub.name, "applied", key, self._applied[key])
        else:
            self._applied.pop(key, None)
            self._store.delete(self.hub.name, "applied", key)

    def _count(self, document: dict, targeted: int, applied: int) -> None:
        queries = document["metrics"]["queries"]
        results = {name: self._rows(text) for name, text in queries.items()}
        counted = {"results": {"targetedCount": targeted, "appliedCount": applied}, "queries": {}}
        metrics = {"results": results, "queries": queries}
        if (document["metrics"], document["systemMetrics"]) != (metrics, counted):
            self._keep({**document, "metrics": metrics, "systemMetrics": counted})

    def _rows(self, text: str) -> int:
        query = parse(text)
        modules = query.source == "devices.modules"
        return sum(("/" in key) is modules and query.matches(twin) for key, twin in self.hub.registry.index.documents())

    def _keep(self, document: dict) -> None:
        self.known[document["id"]] = document
        self._store.put(self.hub.name, "configuration", document["id"], document)


def target(document: dict) -> tuple[str, Condition]:
    """("devices" or "modules", its condition); an empty condition targets nobody."""
    text = document["targetCondition"]
    if modules := MODULES.fullmatch(text):
        return "modules", condition(modules["rest"])
    return "devices", condition(text) if text.strip() else (lambda _twin: False)


def content_of(document: dict) -> dict:
    """{path below the desired properties: value}; an empty path is all of them."""
    content = document["content"]
    chosen = content.get("deviceContent") or content.get("moduleContent") or {}
    return {path.removeprefix(PREFIX).lstrip("."): value for path, value in chosen.items()}


def put_path(patch: dict, path: str, value) -> None:
    parts = path.split(".") if path else []
    for part in parts[:-1]:
        patch = patch.setdefault(part, {})
    if parts:
        patch[parts[-1]] = value
    elif value is not None:
        patch.update(value)


def test_queries(body: dict) -> dict:
    """What is wrong with a target condition and metric queries; ``*`` alone is not accepted here, though PUT takes it."""
    errors = {}
    for name, text in (body.get("customMetricQueries") or {}).items():
        try:
            parse(text)
        except QueryError as exc:
            errors[name] = str(exc)
    problem = None
    try:
        target({"targetCondition": body.get("targetCondition") or ""})
        if (body.get("targetCondition") or "").strip() == "*":
            problem = "* is not a condition"
    except QueryError as exc:
        problem = str(exc)
    return {"targetConditionError": problem, "customMetricQueryErrors": errors}


def _check(body: dict) -> None:
    content = body.get("content")
    if not isinstance(content, dict) or sum(name in content for name in CONTENTS) != 1:
        raise invalid(f"content has exactly one of {', '.join(CONTENTS)}")
    queries = (body.get("metrics") or {}).get("queries") or {}
    if len(queries) > METRICS_MOST:
        raise invalid(f"at most {METRICS_MOST} custom metrics")
    if not isinstance(body.get("priority", 0), int):
        raise invalid("priority is a number")
    for name in ("deviceContent", "moduleContent"):
        if any(not path.startswith(PREFIX) for path in content.get(name, {})):
            raise invalid(f"a path of {name} begins with {PREFIX}")
    try:
        target({"targetCondition": body.get("targetCondition", "")})
        for text in queries.values():
            parse(text)
    except QueryError as exc:
        raise invalid(str(exc)) from exc
