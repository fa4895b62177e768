# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. What a task of hub_order asks for, as an order and a decision, and what it says at the end."""

from __future__ import annotations

from collections.abc import Sequence

from . import order_state
from .hub.errors import HubError
from .order_delivery import SHOWN_MOST, Decide, Result, count, not_ok
from .order_file import OrderFile, read
from .order_form import order_of


def order_in(args: dict) -> OrderFile | None:
    """The order of the task's file; None when any order of the phase is to be withdrawn."""
    if not args["envelope"]:
        return None
    if args["phase"] == "revert" and not args["undo"]:
        raise HubError("name the phase that the revert is of: undo", code="BadOptions")
    return read(args["envelope"], args["phase"], args["fleet"], args["keys"], args["undo"], args["digest"])


def decider(args: dict, order: OrderFile | None) -> Decide:
    """What a twin needs, as a function of the twin."""
    if args["state"] == "withdrawn" or order is None:  # the other states have an envelope
        return lambda twin: order_state.withdrawal_of(args["phase"], order, twin)
    if args["state"] == "info":
        return lambda twin: order_state.state_in(order, twin)
    return lambda twin: order_state.step_of(order, twin, args["again"])


def result_of(args: dict, order: OrderFile | None, results: Sequence[Result]) -> dict:
    """The module's, but for its times."""
    counts = count(results)
    result = {"changed": bool(counts["ordered"] or counts["withdrawn"]), "counts": counts, "not_ok": not_ok(results)}
    if order:
        result |= {"id": order.id, "serial": order.serial}
    if order and args["state"] == "info":
        result["order"] = order_of(order.data)
    if result["changed"]:
        result["diff"] = _diff_of(args["phase"], results)
    return result


def _diff_of(phase: str, results: Sequence[Result]) -> dict:
    """A line for each of the first devices that change."""
    changing = sorted(one.device for one in results if one.state in (order_state.ORDERED, order_state.WITHDRAWN))
    words = {one.device: one.state for one in results}
    lines = [f"{device}: {phase} {words[device]}\n" for device in changing[:SHOWN_MOST]]
    more = len(changing) - len(lines)
    return {"before": "", "after": "".join(lines) + (f"and {more} more\n" if more > 0 else "")}


__all__ = ("decider", "order_in", "result_of")
