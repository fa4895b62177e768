# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows are handed on while pages arrive, and whoever takes them is told when they are not all."""

from __future__ import annotations

import pytest
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub.errors import HubError
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub.service import Page
from ansible_collections.rootwave.iot.plugins.plugin_utils.twin_query import TwinQuery, load

EXPIRED = HubError("the continuation token is expired", status=400)
ONE, TWO, THREE = ([{"c0": f"device-{page}-{number}"} for number in range(2)] for page in (1, 2, 3))


class Hub:
    """``answers`` are pages' rows or errors, one list for each start of the query."""

    host = "a-hub"

    def __init__(self, *starts: list, counts: tuple = (6,)) -> None:
        self._starts, self._counts, self.asked = list(starts), iter([*counts] + [counts[-1]] * 9), 0

    def registry_statistics(self):
        return {"totalDeviceCount": next(self._counts)}

    def eta(self, _kind, _calls):
        return 0

    def pages(self, _text, _size):
        for answer in self._starts.pop(0):
            self.asked += 1
            if isinstance(answer, HubError):
                raise answer
            yield Page(answer, "twin", None)


class Taker:
    """Keeps what it was given at each start, and how it ended."""

    def __init__(self, hub: Hub) -> None:
        self._hub, self.starts, self.ends = hub, [], []

    def __call__(self, rows) -> None:
        taken = []
        self.starts.append(taken)
        try:
            for row in rows:
                taken.append((self._hub.asked, row["c0"]))
        except HubError as exc:
            self.ends.append(str(exc))
            raise
        self.ends.append("all")


def loaded(hub: Hub, complain=None):
    taker, said = Taker(hub), []

    def refuse(text):
        raise HubError(text, code="Shortfall")

    try:
        return taker, load(hub, TwinQuery("devices", None, []), taker, said.append, complain or refuse), said
    except HubError:
        return taker, None, said


def test_each_page_is_taken_before_the_next_is_asked_for():
    taker, rows, _said = loaded(Hub([ONE, TWO, THREE]))
    assert rows == [*ONE, *TWO, *THREE] and taker.ends == ["all"]
    assert [asked for asked, _name in taker.starts[0]] == [1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize(
    "hub, words",
    [
        (Hub([ONE, TWO, HubError("broken", status=500)]), "broken"),
        (Hub([ONE, TWO]), "listed 4 devices, but had 6 before and 6 after"),
        (Hub([ONE, TWO, THREE], counts=(6, 5)), "6 before and 5 after"),
        (Hub([ONE, TWO, THREE], counts=(5, 6)), "5 before and 6 after"),
        (Hub([ONE, TWO, TWO]), "device-2-0 twice"),
    ],
)
def test_the_taker_is_told(hub, words):
    """While it iterates, so that it can undo."""
    taker, rows, _said = loaded(hub)
    assert rows is None and len(taker.ends) == 1 and words in taker.ends[0] and taker.starts[0]


def test_a_warning_hands_on_what_there_is():
    complaints: list[str] = []
    taker, rows, _said = loaded(Hub([ONE, TWO]), complaints.append)
    assert rows == [*ONE, *TWO] and taker.ends == ["all"] and len(complaints) == 1


def test_an_expired_token_costs_one_start():
    taker, rows, said = loaded(Hub([ONE, EXPIRED], [ONE, TWO, THREE]))
    assert rows == [*ONE, *TWO, *THREE] and taker.ends == [str(EXPIRED), "all"] and "starting again" in said[0]
    taker, rows, _said = loaded(Hub([ONE, EXPIRED], [ONE, TWO, EXPIRED]))
    assert rows is None and taker.ends == [str(EXPIRED)] * 2


def test_another_400_is_no_reason_to_start_again():
    taker, rows, _said = loaded(Hub([ONE, HubError("bad query", status=400)]))
    assert rows is None and len(taker.starts) == 1
