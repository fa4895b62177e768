# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. Which wave a device is in: by a hash of its id, or by lists; and the tag tags.rootwave.wave.

A device's wave depends on its own id, the salt and the percentages, on nothing else: nobody
changes waves because others come or go.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from .hub.errors import HubAuthError, HubError, HubNotFound
from .hub.throttle import ThrottledHub
from .side_by_side import each
from .twin_change import change_by
from .twin_query import PAGE, TELL_FROM

SPACE = 2**64
SECTION, TAG = "rootwave", "wave"
ASSIGNED, KEPT, SAME, UNLISTED, FAILED = "assigned", "kept", "same", "unlisted", "failed"
STATES = (ASSIGNED, KEPT, SAME, UNLISTED, FAILED)


class Assigned(NamedTuple):
    """``before`` is the wave that the device had, None for none; ``wave`` the one that it has now."""

    device: str
    state: str
    before: str | None = None
    wave: str | None = None
    reason: str = ""


def by_percent(shares: Sequence[dict], salt: str) -> Callable[[str], str | None]:
    """``shares`` are [{"wave", "percent"}] in order, together 100. Raises HubError for what is no division."""
    names = [share["wave"] for share in shares]
    if len(set(names)) != len(names) or any(share["percent"] <= 0 for share in shares):
        raise HubError("percentages name each wave once, each with more than 0", code="BadOptions")
    if not abs(sum(share["percent"] for share in shares) - 100) <= 1e-9:  # so put, NaN is refused too
        raise HubError(f"the percentages are {sum(share['percent'] for share in shares):g} together, not 100", code="BadOptions")

    def wave_of(device: str) -> str:
        place, end = place_of(device, salt) * 100, 0.0
        for share in shares:
            end += share["percent"]
            if place < end:
                return share["wave"]
        return names[-1]

    return wave_of


def by_lists(lists: dict[str, list[str]]) -> Callable[[str], str | None]:
    """Devices that no list has get no wave. Raises HubError for one that two lists have, and for what is no list of ids."""
    found: dict[str, str] = {}
    for wave, devices in lists.items():
        if not isinstance(devices, list) or not all(isinstance(device, str) for device in devices):
            raise HubError(f"lists: {wave} is not a list of device ids (texts)", code="BadOptions")
    for wave, devices in lists.items():
        for device in devices:
            if found.setdefault(device, wave) != wave:
                raise HubError(f"{device} is in two lists, {found[device]} and {wave}", code="BadOptions")
    return found.get


def place_of(device: str, salt: str) -> float:
    """From 0 to below 1, evenly over devices; another salt gives another order of the same devices."""
    digest = hashlib.sha256(f"rootwave-wave\n{salt}\n{device}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / SPACE


def known(hub: ThrottledHub, where: str | None, say: Callable[[str], None]) -> dict[str, str | None]:
    """{device: its wave by the query index}. Raises HubError."""
    text = "SELECT deviceId AS device, tags.rootwave.wave AS wave FROM devices" + (f" WHERE {where}" if where else "")
    total = int(hub.registry_statistics()["totalDeviceCount"])
    eta = hub.eta("query", -(-total // PAGE))
    if eta >= TELL_FROM:
        say(f"{hub.host}: {total} devices by query, at least {eta:.0f} s by the hub's quota")
    return {row["device"]: row.get("wave") for page in hub.pages(text, PAGE) for row in page.items}


def assign(
    hub: ThrottledHub,
    devices: Iterable[str],
    wave_of: Callable[[str], str | None],
    only_unassigned: bool,
    dry_run: bool,
    tell: Callable[[list[Assigned]], None],
) -> list[Assigned]:
    """Each by its fresh twin and its ETag. One device's failure never stops the others; a refused login does."""

    def one(device: str) -> Assigned:
        return _assign(hub, device, wave_of(device), only_unassigned, dry_run)

    return each(devices, one, hub.rates["write"], tell)


def _assign(hub: ThrottledHub, device: str, wave: str | None, only_unassigned: bool, dry_run: bool) -> Assigned:
    before: str | None = None

    def wanted_of(twin: dict) -> dict:
        nonlocal before
        before = wave_in(twin)
        keep = before is not None and only_unassigned
        return {} if keep or before == wave else {"tags": {SECTION: {TAG: wave}}}

    if wave is None:
        return Assigned(device, UNLISTED)
    try:
        outcome = change_by(hub, device, None, wanted_of, None, dry_run)
    except HubAuthError:
        raise
    except HubNotFound:
        return Assigned(device, FAILED, reason="the hub does not know it")
    except HubError as exc:
        return Assigned(device, FAILED, reason=f"{exc}; {exc.advice}")
    if outcome.changed:
        return Assigned(device, ASSIGNED, before, wave)
    return Assigned(device, SAME if before == wave else KEPT, before, before)


def wave_in(twin: dict) -> str | None:
    section = (twin.get("tags") or {}).get(SECTION)
    found = section.get(TAG) if isinstance(section, dict) else None
    return found if isinstance(found, str) else None


__all__ = ("ASSIGNED", "FAILED", "SAME", "STATES", "Assigned", "assign", "by_lists", "by_percent", "known", "place_of", "wave_in")
