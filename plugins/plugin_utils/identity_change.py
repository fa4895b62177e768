# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. One identity of the registry, a device's or a module's, made, changed or removed."""

from __future__ import annotations

import re
from typing import NamedTuple

from .hub.errors import HubError, HubNotFound
from .hub.service import HubService

# azure-docs iot-hub-devguide-identity-registry: case-sensitive, up to 128 of ASCII's letters, digits and these
NAME = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9\-.%_*?!(),:=@$'+#~;&]{1,128}")
KINDS = {"sas": "sas", "self_signed": "selfSigned", "certificate_authority": "certificateAuthority"}
THUMBPRINT = re.compile(r"[0-9A-Fa-f]{40}|[0-9A-Fa-f]{64}")  # SHA-1 or SHA-256


class Outcome(NamedTuple):
    """``before`` and ``after`` are what a diff may show: no key; ``document`` is the hub's, with keys."""

    changed: bool
    before: dict | None
    after: dict | None
    document: dict | None


def refuse_names(args: dict) -> None:
    """Raises HubError for ids that no registry has."""
    for name in ("device_id", "module_id"):
        if args[name] is not None and not NAME.fullmatch(args[name]):
            raise HubError(f"nothing was sent: {name} {args[name]!r} is no id of a registry", code="BadOptions")


def find(hub: HubService, device: str, module: str | None) -> dict | None:
    try:
        return hub.get_identity(device, module)
    except HubNotFound:
        return None


def wanted_of(args: dict) -> dict:
    """The document of a module's arguments; raises HubError for what the hub could not take."""
    complaints, thumbprints = [], args["thumbprints"] or []
    if (args["authentication"] == "self_signed") is not bool(thumbprints):
        complaints.append("thumbprints go with authentication self_signed, and it needs one or two")
    if len(thumbprints) > 2 or not all(THUMBPRINT.fullmatch(one) for one in thumbprints):
        complaints.append("thumbprints are one or two of 40 or 64 hexadecimal digits")
    if complaints:
        raise HubError("nothing was sent: " + "; ".join(complaints))
    authentication: dict = {"type": KINDS[args["authentication"]]}
    if thumbprints:
        first, second = (thumbprints * 2)[:2]
        authentication["x509Thumbprint"] = {"primaryThumbprint": first.upper(), "secondaryThumbprint": second.upper()}
    return {"authentication": authentication, **({} if args["module_id"] else {"status": args["status"]})}


def make(hub: HubService, device: str, module: str | None, wanted: dict, dry_run: bool) -> Outcome:
    """Keys that are there stay: a new key would cut off whoever uses the old one."""
    there = find(hub, device, module)
    before, after = shown(there) if there else None, shown({**wanted, "deviceId": device, "moduleId": module})
    if before == after or dry_run:
        return Outcome(before != after, before, after, there)
    if there is None:
        return Outcome(True, before, after, hub.put_identity(device, wanted, module=module))
    kept = there["authentication"] if shown(there)["authentication"] == after["authentication"] else wanted["authentication"]
    changed = hub.put_identity(device, {**wanted, "authentication": kept}, there["etag"], module)
    return Outcome(True, before, after, changed)


def remove(hub: HubService, device: str, module: str | None, dry_run: bool) -> Outcome:
    there = find(hub, device, module)
    if there is not None and not dry_run:
        hub.delete_identity(device, there["etag"], module)
    return Outcome(there is not None, shown(there) if there else None, None, None)


def shown(identity: dict) -> dict:
    """Without keys."""
    authentication = identity.get("authentication") or {}
    told = {"authentication": authentication.get("type", "sas")}
    prints = authentication.get("x509Thumbprint") or {}
    if any(prints.values()):
        told["thumbprints"] = [prints.get("primaryThumbprint"), prints.get("secondaryThumbprint")]
    who = {"device_id": identity["deviceId"], "module_id": identity.get("moduleId")}
    return {**who, **told, **({} if who["module_id"] else {"status": identity.get("status", "enabled")})}


__all__ = ("Outcome", "find", "make", "refuse_names", "remove", "shown", "wanted_of")
