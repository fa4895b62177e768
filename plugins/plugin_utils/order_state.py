# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. Pure: a twin and an order -> how far the device is with it, and the patch that is missing.

Reported properties are a device's own text: read by type and length, never believed to be more than what the device says.
"""

from __future__ import annotations

from typing import NamedTuple

from ansible_collections.rootwave.iot.plugins.module_utils.gateway import envelope
from ansible_collections.rootwave.iot.plugins.module_utils.gateway import order as on_device
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.errors import TrustError

from .order_file import KEYS, OrderFile
from .order_form import SECTION, OrderTooLarge, must_fit, order_of

PROVED, WAITING, ORDERED, WITHDRAWN, NONE = "proved", "waiting", "ordered", "withdrawn", "not ordered"
REFUSED, FAILED, REVERTED = "refused", "failed", "reverted"
TOO_LARGE, MISSING, ERROR = "too large", "missing", "error"
OK = (PROVED, WAITING, ORDERED, WITHDRAWN, NONE)
ENDED_BADLY = (REFUSED, FAILED, REVERTED)
STATES = (*OK, *ENDED_BADLY, TOO_LARGE, MISSING, ERROR)
TEXT_MOST = 300  # characters of a device's own words
GO_MOST = 2**31  # far more often than anybody orders, and far below what a twin's number holds


class Report(NamedTuple):
    """What a device says of the order of one name. ``state`` is empty where it says nothing that can be read."""

    id: str = ""
    go: int = 0
    serial: int = 0
    state: str = ""
    reason: str = ""
    at: float | None = None
    committed_at: float | None = None


class Step(NamedTuple):
    """``patch`` is what the order's own place in the twin still needs, None for nothing."""

    state: str
    reason: str = ""
    patch: dict | None = None


def report_of(answers, name: str) -> Report:
    """From ``properties.reported.rootwave``, whatever it is."""
    found = answers.get("keys_order" if name == KEYS else name) if isinstance(answers, dict) else None
    if not isinstance(found, dict):
        return Report()
    identity, state = (_word(found.get(key)) for key in ("id", "state"))
    at, committed_at = (value if _is_number(value := found.get(key)) else None for key in ("at", "committed_at"))
    return Report(identity, _go(found), _whole(found.get("serial"), 2**52), state, clean(found.get("reason")), at, committed_at)


def clean(text, most: int = TEXT_MOST) -> str:
    """One printable line of foreign text."""
    if not isinstance(text, str):
        return ""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text[: most * 4]).split())[:most]


def _word(text) -> str:
    """As it is, or nothing: what only looks like an id or a state once it is cleaned is none."""
    return text if clean(text) == text else ""


def orders_in(twin: dict) -> dict:
    found = twin["properties"]["desired"].get(SECTION)
    return found if isinstance(found, dict) else {}


def answers_in(twin: dict):
    return twin["properties"]["reported"].get(SECTION)


def step_of(order: OrderFile, twin: dict, again: bool) -> Step:
    """For a device that is to have the order."""
    there, last = orders_in(twin).get(order.name), report_of(answers_in(twin), order.name)
    there = there if isinstance(there, dict) else {}
    state = state_in(order, twin)
    if state.state in (*ENDED_BADLY, WAITING, PROVED) and not (again and state.state in ENDED_BADLY):
        return state
    go = last.go if last.id == order.id else 1
    wanted = order_of(order.data, min(max(1, go + 1 if state.state in ENDED_BADLY else go), GO_MOST))
    patch = {**dict.fromkeys(key for key in there if key not in wanted), **wanted}
    try:
        must_fit({order.name: patch}, twin["properties"]["desired"])
    except OrderTooLarge as exc:
        return Step(TOO_LARGE, str(exc))
    return Step(ORDERED, patch=patch)


def state_in(order: OrderFile, twin: dict) -> Step:
    """How far the device is, as it stands. Each value of (id, go) is run once, so an end counts until a higher go is ordered."""
    there, last = orders_in(twin).get(order.name), report_of(answers_in(twin), order.name)
    go = _go(there) if isinstance(there, dict) and there.get("id") == order.id else 0
    if last.id == order.id and last.state == PROVED:
        return taken_back(order.name, twin) or Step(PROVED)
    if last.id == order.id and last.state in ENDED_BADLY and last.go >= go:
        return Step(last.state, last.reason)
    if go and there == order_of(order.data, go):
        return Step(WAITING, _in_words(last) if last.id == order.id and last.go == go else "no report of this order")
    return Step(NONE)


def _in_words(report: Report) -> str:
    return f"it says {report.state}: {report.reason}" if report.reason else f"it says {report.state}"


def taken_back(name: str, twin: dict) -> Step | None:
    """Whether a later revert took the phase back; a stage outlives the revert of a retire, where the twin tells of which."""
    answers = answers_in(twin)
    if not reverted_since(name, answers):
        return None
    revert = report_of(answers, "revert")
    if name == "stage" and _undo_of(orders_in(twin).get("revert"), revert.id) == "retire":
        return None
    return Step(REVERTED, f"taken back since by revert of serial {revert.serial}; sign the phase again")


def reverted_since(name: str, answers) -> bool:
    """Whether a revert of some phase was proved after this phase."""
    revert = report_of(answers, "revert")
    return name in ("stage", "retire") and revert.state == PROVED and revert.serial > report_of(answers, name).serial


def _undo_of(order, identity: str) -> str | None:
    """The phase that a revert is of. A device proved these very bytes, so their signatures need not be looked at again."""
    if not isinstance(order, dict) or order.get("id") != identity:
        return None
    try:
        return on_device.phase_of(envelope.parse(on_device.assemble(order)).payload).undo
    except TrustError:
        return None


def withdrawal_of(name: str, order: OrderFile | None, twin: dict) -> Step:
    """Whatever is ordered under this name goes, or only this order."""
    there = orders_in(twin).get(name)
    if there is None or (order and not (isinstance(there, dict) and there.get("id") == order.id)):
        return Step(NONE)
    return Step(WITHDRAWN, patch={})


def _go(document: dict) -> int:
    return _whole(document.get("go"), GO_MOST)


def _whole(value, most: int) -> int:
    """0 for what is no whole number from 1."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most else 0


def _is_number(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= 2**52


__all__ = (
    "ERROR",
    "MISSING",
    "NONE",
    "OK",
    "ORDERED",
    "PROVED",
    "STATES",
    "TOO_LARGE",
    "WAITING",
    "WITHDRAWN",
    "Report",
    "Step",
    "answers_in",
    "clean",
    "orders_in",
    "report_of",
    "reverted_since",
    "state_in",
    "step_of",
    "taken_back",
    "withdrawal_of",
)
