# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. What devices report of an order: twins by id, which are current, or the query index, which is late.

Being late can only hide that a device is done: the index is believed where it says so, and every other device is read by its id.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from .hub.errors import HubAuthError, HubError, HubNotFound
from .hub.throttle import ThrottledHub
from .order_file import OrderFile
from .order_form import SECTION
from .order_state import MISSING, NONE, PROVED, WAITING, Report, Step, answers_in, report_of, reverted_since, state_in
from .side_by_side import each
from .twin_query import PAGE, TELL_FROM, quoted

FRESH_READS_MOST = 1000
CLOCK_MOST = 300.0  # seconds that a device's clock may be off


class Seen(NamedTuple):
    """``hub_at`` is when the hub got the report, by its own clock, in epoch seconds; None where that was not read."""

    step: Step
    report: Report = Report()
    hub_at: float | None = None


def read(
    hub: ThrottledHub,
    devices: Sequence[str],
    module: str | None,
    order: OrderFile,
    fresh_most: int,
    now: float,
    say: Callable[[str], None],
) -> dict[str, Seen]:
    """Each device's. Raises HubError when the hub cannot be asked at all."""
    found: dict[str, Seen] = {}
    if len(devices) > fresh_most:
        found = _proved_by_query(hub, set(devices), module, order, now, say)
    left = [device for device in devices if device not in found]
    eta = hub.eta("read", len(left))
    if eta >= TELL_FROM:
        say(f"{hub.host}: {len(left)} twins to read by id, at least {eta:.0f} s by the hub's quota")

    def one(device: str) -> tuple[str, Seen]:
        return device, _fresh(hub, device, module, order)

    def tell(some: list) -> None:
        say(f"{hub.host}: {len(some)} of {len(left)} twins read")

    return found | dict(each(left, one, hub.rates["read"], tell))


def _fresh(hub: ThrottledHub, device: str, module: str | None, order: OrderFile) -> Seen:
    try:
        twin = hub.get_twin(device, module)
    except HubAuthError:
        raise
    except HubNotFound:
        return Seen(Step(MISSING, "the hub does not know it"))
    except HubError as exc:
        return Seen(Step(NONE, f"its twin could not be read: {exc}"))
    step, report = state_in(order, twin), report_of(answers_in(twin), order.name)
    if step.state == NONE:
        step = Step(NONE, "its twin does not hold the order")
    elif step.state == WAITING and twin.get("status") == "disabled":
        step = Step(WAITING, "disabled at the hub")
    return Seen(step, report, _reported_at(twin, order.name))


def _proved_by_query(hub, devices: set[str], module: str | None, order: OrderFile, now: float, say) -> dict[str, Seen]:
    """Those that the index knows as done and never taken back, with a clock that can be believed; the others have to be read."""
    place = f"properties.reported.{SECTION}"
    source = f"devices.modules WHERE moduleId = {quoted(module)} AND" if module else "devices WHERE"
    asked = f"{place}.{order.name}.id = '{order.id}' AND {place}.{order.name}.state = '{PROVED}'"
    text = f"SELECT deviceId AS device, {place} AS answers FROM {source} {asked}"
    eta = hub.eta("query", math.ceil(len(devices) / PAGE))
    if eta >= TELL_FROM:
        say(f"{hub.host}: {len(devices)} reports by query, at least {eta:.0f} s by the hub's quota")
    found = {}
    for page in hub.pages(text, PAGE):
        for row in page.items:
            report = report_of(row.get("answers"), order.name)
            trusted = report.id == order.id and report.state == PROVED and plausible(report, None, now)
            if row.get("device") in devices and trusted and not reverted_since(order.name, row.get("answers")):
                found[row["device"]] = Seen(Step(PROVED), report)
    return found


def plausible(report: Report, hub_at: float | None, now: float) -> bool:
    """Whether the device's clock can be believed: by the hub's where that is known, else it is only seen to be ahead."""
    if report.committed_at is None or report.committed_at > now + CLOCK_MOST:
        return False
    return hub_at is None or report.at is None or abs(hub_at - report.at) <= CLOCK_MOST


def _reported_at(twin: dict, name: str) -> float | None:
    """The hub stamps what it gets (azure-docs iot-hub-devguide-device-twins, $metadata)."""
    at = twin["properties"]["reported"].get("$metadata")
    for key in (SECTION, name, "state", "$lastUpdated"):
        at = at.get(key) if isinstance(at, dict) else None
    try:
        # to the tenth of a microsecond, which is one digit more than Python reads
        return datetime.fromisoformat(str(at)[:19] + "+00:00").timestamp() if at else None
    except ValueError:
        return None


__all__ = ("FRESH_READS_MOST", "Seen", "plausible", "read")
