# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. One automatic configuration brought to a wanted state, or refused before anything is sent.

Source: azure-docs iot-hub-automatic-device-management. The hub evaluates configurations every five minutes.
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple

from .hub.errors import HubConflict, HubError, HubNotFound
from .hub.service import HubService
from .twin_limits import same

TRIES_MOST = 5
NAME = re.compile(r"[a-z0-9\-+%_*!']{1,128}")
CONTENTS = {"device": "deviceContent", "module": "moduleContent"}
FOR_MODULES = re.compile(r"\s*FROM\s+devices\.modules\s+WHERE\s", re.IGNORECASE)
METRICS_MOST, CONTENT_MOST = 5, 32 * 1024  # queries; bytes, the desired section's own limit
# What may be changed of a configuration that is there
MUTABLE = ("targetCondition", "priority", "labels", "metrics")


class Outcome(NamedTuple):
    """``before`` and ``after`` are None where there is none; ``document`` is the hub's."""

    changed: bool
    before: dict | None
    after: dict | None
    document: dict | None


def wanted_of(args: dict) -> dict:
    """The document of a module's arguments; raises HubError for what the hub could not take."""
    content, metrics = args["content"] or {}, args["metrics"] or {}
    complaints = []
    if not NAME.fullmatch(args["name"]):
        complaints.append("a name has 1 to 128 of a-z 0-9 - + % _ * ! '")
    wrong = [path for path in content if path != "properties.desired" and not path.startswith("properties.desired.")]
    if wrong or not content:
        complaints.append(f"content is set by paths that begin with properties.desired, not by {', '.join(wrong) or 'none'}")
    if bool(FOR_MODULES.match(args["target_condition"])) is not (args["kind"] == "module"):
        complaints.append("the target condition of modules begins with FROM devices.modules WHERE, that of devices does not")
    if len(metrics) > METRICS_MOST:
        complaints.append(f"{len(metrics)} metrics are more than the {METRICS_MOST} that a configuration may have")
    if len(json.dumps(content)) > CONTENT_MOST:
        complaints.append(f"the content is longer than {CONTENT_MOST} bytes")
    if complaints:
        raise HubError(f"nothing was sent for configuration {args['name']}: " + "; ".join(complaints))
    return {
        "content": {CONTENTS[args["kind"]]: content},
        "targetCondition": args["target_condition"],
        "priority": args["priority"],
        "labels": args["labels"] or {},
        "metrics": {"queries": metrics},
    }


def make(hub: HubService, name: str, wanted: dict, dry_run: bool) -> Outcome:
    """Nothing of another writer is lost: a change is guarded by the ETag of what was read, and starts anew when it loses."""
    for tries in range(1, TRIES_MOST + 1):
        found = find(hub, name)
        before = shown(found) if found else None
        if before and not same(before["content"], wanted["content"]):
            raise HubError(
                f"configuration {name} has another content, and a content never changes: give the new one a name of its own "
                "and a higher priority, then remove this one"
            )
        if before and same(before, wanted):
            return Outcome(tries > 1, before, wanted, found)
        if before is None or not all(same(before[key], wanted[key]) for key in ("targetCondition", "metrics")):
            _must_be_understood(hub, wanted)
        if dry_run:
            return Outcome(True, before, wanted, found)
        try:
            return Outcome(True, before, wanted, hub.put_configuration(name, wanted, found["etag"] if found else None))
        except HubConflict:
            if tries == TRIES_MOST:
                raise
    raise AssertionError("the last try returns or raises")


def remove(hub: HubService, name: str, dry_run: bool) -> Outcome:
    found = find(hub, name)
    if found is None:
        return Outcome(False, None, None, None)
    if not dry_run:
        hub.delete_configuration(name, found["etag"])
    return Outcome(True, shown(found), None, None)


def find(hub: HubService, name: str) -> dict | None:
    try:
        return hub.get_configuration(name)
    except HubNotFound:
        return None


def shown(document: dict) -> dict:
    """What of the hub's document a user can want."""
    kept = {key: document.get(key) for key in MUTABLE if key != "metrics"}
    content = {kind: settings for kind, settings in document["content"].items() if settings}
    queries = (document.get("metrics") or {}).get("queries") or {}
    return {"content": content, **kept, "labels": kept["labels"] or {}, "metrics": {"queries": queries}}


def _must_be_understood(hub: HubService, wanted: dict) -> None:
    tested = hub.test_configuration(wanted["targetCondition"], wanted["metrics"]["queries"])
    wrong = {f"metric {name}": text for name, text in (tested.get("customMetricQueryErrors") or {}).items() if text}
    if tested.get("targetConditionError"):
        wrong["target condition"] = tested["targetConditionError"]
    if wrong:
        raise HubError("the hub does not understand " + "; ".join(f"{what}: {text}" for what, text in wrong.items()))


__all__ = ("Outcome", "find", "make", "remove", "shown", "wanted_of")
