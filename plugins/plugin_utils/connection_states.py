# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. Who is connected: twins read by id, which are current, or the query index, which is late."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence

from .connection_evidence import ABSENT, State
from .hub.errors import HubError, HubNotFound
from .hub.throttle import ThrottledHub
from .twin_query import PAGE, TELL_FROM, TwinQuery, load, quoted

UNREAD = ""  # a connection state that nobody has asked for yet
CONDITION_MOST = 7000  # characters of ids in a query; the hub takes 8192 for all of it
LAG = (
    "{number} of {total} states come from the hub's query index, which is late by seconds, in bad times by half an hour: who "
    "connected or dropped a moment ago may stand here as it was before"
)
CHOSEN = "which devices these are was asked of the hub's query index, which is late by seconds, in bad times by half an hour"


class StateQuery(TwinQuery):
    """Only what a state needs travels."""

    def __init__(self, kind: str, where: str | None) -> None:
        super().__init__(kind, where, ())
        module = "moduleId AS c1, " if kind == "modules" else ""
        columns = f"deviceId AS c0, {module}connectionState AS state, status AS status, lastActivityTime AS seen"
        self.text = self.count_text.replace("COUNT() AS number", columns, 1)


def choose(hub: ThrottledHub, ids: Sequence[str] | None, where: str | None, say: Callable[[str], None]) -> list[State]:
    """Who is asked about: ``ids`` (devices, device/module), else the devices that meet ``where``, else all. Raises HubError."""
    if ids is not None:
        return [State(*_split(who), UNREAD, fresh=False) for who in dict.fromkeys(ids)]
    rows = load(hub, StateQuery("devices", where), _drain, say, _incomplete)
    return [_of_row(row) for row in rows]


def read(hub: ThrottledHub, chosen: Sequence[State], fresh_most: int, say: Callable[[str], None]) -> list[State]:
    """Each by its id up to ``fresh_most``, all by query beyond it. Raises HubError."""
    if len(chosen) <= fresh_most:
        return read_again(hub, chosen, chosen)
    if not any(state.connection == UNREAD for state in chosen):
        return list(chosen)  # the query that chose them has read them
    rows = [row for query in _queries([one.who for one in chosen]) for row in _pages(hub, query, len(chosen), say)]
    found = {state.who: state for state in map(_of_row, rows)}
    return [found.get(one.who) or State(one.device, one.module, ABSENT, fresh=False) for one in chosen]


def read_again(hub: ThrottledHub, states: Sequence[State], again: Iterable[State]) -> list[State]:
    """The same, with those ``again`` read by id."""
    chosen = {state.who for state in again}
    return [_fresh(hub, state.who) if state.who in chosen else state for state in states]


def caveat(states: Sequence[State], chosen_by_query: bool) -> str | None:
    """What to know of states that are not fresh; None when all of it is."""
    stale = sum(not state.fresh for state in states)
    if stale:
        return LAG.format(number=stale, total=len(states))
    return CHOSEN if chosen_by_query else None


def _fresh(hub: ThrottledHub, who: str) -> State:
    device, module = _split(who)
    try:
        twin = hub.get_twin(device, module)
    except HubNotFound:
        return State(device, module, ABSENT)
    return State(device, module, twin["connectionState"], twin.get("status"), _seen(twin.get("lastActivityTime")))


def _queries(wanted: Iterable[str]) -> list[StateQuery]:
    """By kind, as many ids in each as fit. Modules are asked for by their devices."""
    found = []
    for kind in ("devices", "modules"):
        mine = dict.fromkeys(_split(who)[0] for who in wanted if ("/" in who) == (kind == "modules"))
        chunk: list[str] = []
        for name in [*map(quoted, mine), ""]:
            if chunk and (not name or sum(map(len, chunk)) + len(chunk) + len(name) > CONDITION_MOST):
                found.append(StateQuery(kind, f"deviceId IN [{','.join(chunk)}]"))
                chunk = []
            chunk.append(name)
    return found


def _pages(hub: ThrottledHub, query: StateQuery, total: int, say: Callable[[str], None]) -> list[dict]:
    eta = hub.eta("query", -(-total // PAGE))
    if eta >= TELL_FROM:
        say(f"{hub.host}: {total} states by query, at least {eta:.0f} s by the hub's quota")
    return [row for page in hub.pages(query.text, PAGE) for row in page.items]


def _of_row(row: dict) -> State:
    return State(row["c0"], row.get("c1"), row["state"], row.get("status"), _seen(row.get("seen")), fresh=False)


def _seen(at: str | None) -> str | None:
    """The hub writes the year 1 for never."""
    return None if not at or at.startswith("0001-") else at


def _split(who: str) -> tuple[str, str | None]:
    device, _slash, module = who.partition("/")
    return device, module or None


def _drain(rows: Iterable[dict]) -> None:
    """They are all kept by ``load``; iterating is what fetches them."""
    deque(rows, maxlen=0)


def _incomplete(message: str) -> None:
    raise HubError(message)


__all__ = ("caveat", "choose", "read", "read_again")
