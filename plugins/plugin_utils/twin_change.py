# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. One twin brought to a wanted state so that nothing of another writer is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from .hub.errors import HubConflict, HubError
from .hub.service import HubService
from .twin_limits import complaints, merged, same

TRIES_MOST = 5  # races lost in a row before one gives up


class Outcome(NamedTuple):
    """``before`` and ``after`` are {"tags", "desired"} for a diff; ``twin`` is the document after it all."""

    changed: bool
    before: dict
    after: dict
    twin: dict


def change(hub: HubService, device: str, module: str | None, wanted: dict, etag: str | None, dry_run: bool) -> Outcome:
    """``wanted`` is {"tags", "desired"}, either may be missing; both are merge patches. See ``change_by``."""
    return change_by(hub, device, module, lambda _twin: wanted, etag, dry_run)


def change_by(
    hub: HubService, device: str, module: str | None, wanted_of: Callable[[dict], dict], etag: str | None, dry_run: bool
) -> Outcome:
    """``wanted_of`` says what is wanted of the twin as it was just read, {} for nothing.

    Each try reads the twin, computes, and patches with the ETag of what was read: whoever came in between makes the hub
    refuse, and the next try starts from what they left. With ``etag`` the twin must be that very one: no second
    try. Raises HubError.
    """
    for tries in range(1, TRIES_MOST + 1):
        twin = hub.get_twin(device, module)
        before, wanted = state_of(twin), wanted_of(twin)
        after = {section: merged(before[section], wanted.get(section) or {}) for section in before}
        refuse_what_does_not_fit(device, module, wanted, after)
        if etag and etag.strip('"') != twin["etag"]:
            raise HubConflict(
                f"the twin of {device} has changed: its etag is {twin['etag']}, not {etag}", 412, "PreconditionFailed"
            )
        if same(after, before) or dry_run:
            # on a later try it may be our own patch, which the hub took although its answer was lost
            return Outcome(tries > 1 or not same(after, before), before, after, twin)
        try:
            changed = hub.patch_twin(device, patch_of(wanted), twin["etag"], module)
        except HubConflict:
            if tries == TRIES_MOST or (etag and not same(state_of(hub.get_twin(device, module)), after)):
                raise
            etag = None
            continue
        return Outcome(True, before, after, changed)
    raise AssertionError("the last try returns or raises")


def state_of(twin: dict) -> dict:
    """What the service may change of a twin, without the hub's own ``$`` keys."""
    desired = twin["properties"]["desired"]
    return {"tags": twin.get("tags") or {}, "desired": {key: value for key, value in desired.items() if not key.startswith("$")}}


def patch_of(wanted: dict) -> dict:
    patch: dict = {}
    if wanted.get("tags"):
        patch["tags"] = wanted["tags"]
    if wanted.get("desired"):
        patch["properties"] = {"desired": wanted["desired"]}
    return patch


def refuse_what_does_not_fit(device: str, module: str | None, wanted: dict, after: dict) -> None:
    found = [one for section, patch in wanted.items() if patch for one in complaints(section, patch, after[section])]
    if found:
        who = f"{device}/{module}" if module else device
        raise HubError(f"nothing was sent to {who}: " + "; ".join(found))


__all__ = ("Outcome", "change", "change_by", "state_of")
