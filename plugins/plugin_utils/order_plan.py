# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. Pure: how orders reach devices soonest within a hub's quota, and how long that takes at the least.

Rates: throttle.rates, and azure-docs iot-hub-devguide-quotas-throttling for jobs. An order is not one update of a twin but three:
the devices' answers spend the same quota, so orders are sent at a third of it, and nobody is refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from .hub.errors import HubError
from .hub.throttle import HEADROOM, rates

ANSWERS = 2  # reported updates that an order brings: accepted, and how it ended
DIRECT, JOB = "direct", "job"
VIAS = ("auto", DIRECT, JOB)
FRONT_ENDS = ("module", "inbox")


@dataclass(frozen=True)
class Plan:
    """``rate`` is orders a second, ``seconds`` until the last device can have answered, at the least."""

    via: str
    rate: float
    seconds: int


def plan(devices: int, sku: str, units: int, front_end: str, via: str = "auto", share: float = 1.0) -> Plan:
    """The way that was asked for, or the sooner one. ``share`` of the hub's twin updates is ours, the rest is the fleet's own.

    Raises HubError for what no hub does.
    """
    if not 0 < share <= 1:
        raise HubError("write_share is more than 0 and at most 1", code="BadOptions")
    if via == JOB and front_end == "module":
        raise HubError("jobs address device twins only; orders in module twins go by direct patches", code="BadOptions")
    ways = [_direct(devices, sku, units, share)]
    if front_end == "inbox":
        ways.append(_job(devices, sku, units, share))
    return min((way for way in ways if via in ("auto", way.via)), key=lambda way: way.seconds)


def plan_fleet(hubs: Iterable[tuple[int, str, int]], front_end: str, share: float = 1.0) -> int:
    """Seconds for several hubs side by side, each (devices, tier, units): quotas are a hub's own."""
    return max(plan(devices, sku, units, front_end, share=share).seconds for devices, sku, units in hubs)


def job_rate(sku: str, units: int) -> float:
    """Devices a second that a hub's jobs change."""
    return {"S2": float(max(10, units)), "S3": 50.0 * units}.get(sku, 10.0)


def order_rate(sku: str, units: int, share: float = 1.0) -> float:
    """Direct patches a second that leave room for the answers; each twin is read once before."""
    quota = rates(sku, units)
    return HEADROOM * min(quota["write"] * share / (1 + ANSWERS), quota["read"])


def _direct(devices: int, sku: str, units: int, share: float) -> Plan:
    rate = order_rate(sku, units, share)
    return Plan(DIRECT, rate, math.ceil(devices / rate))


def _job(devices: int, sku: str, units: int, share: float) -> Plan:
    """All twins are read first: who has the order already is in no job. Then the job and the answers, each with its own quota."""
    quota = rates(sku, units)
    rate = min(job_rate(sku, units), HEADROOM * quota["write"] * share / ANSWERS)
    return Plan(JOB, rate, math.ceil(devices / (HEADROOM * quota["read"])) + math.ceil(devices / rate))


__all__ = ("ANSWERS", "DIRECT", "FRONT_ENDS", "JOB", "VIAS", "Plan", "job_rate", "order_rate", "plan", "plan_fleet")
