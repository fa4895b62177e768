# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What many workers make of one list, and which wave a name falls into."""

from __future__ import annotations

import threading

import pytest
from ansible_collections.rootwave.iot.plugins.plugin_utils import side_by_side
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub.errors import HubError
from ansible_collections.rootwave.iot.plugins.plugin_utils.order_delivery import Pace
from ansible_collections.rootwave.iot.plugins.plugin_utils.side_by_side import each
from ansible_collections.rootwave.iot.plugins.plugin_utils.wave_tags import by_lists, by_percent, place_of


def test_each_item_once():
    assert sorted(each(range(1000), lambda item: item * 2, 40, lambda _found: None)) == [number * 2 for number in range(1000)]
    assert each([], lambda item: item, 40, lambda _found: None) == []


def test_as_many_at_a_time_as_the_rate_needs():
    """Ten workers meet at a barrier, which fewer would never pass."""
    barrier = threading.Barrier(10, timeout=30)
    assert len(each(range(10), lambda _item: barrier.wait(), 250, lambda _found: None)) == 10


def test_an_exception_ends_it():
    done = []

    def work(item):
        if item == 3:
            raise RuntimeError("refused")
        done.append(item)

    with pytest.raises(RuntimeError):
        each(range(100_000), work, 1, lambda _found: None)
    assert len(done) < 100_000


def test_an_interruption_does_not_wait_for_what_is_left(monkeypatch):
    """What Ctrl-C raises in the thread that waits; the workers go on otherwise until all of it is done."""
    monkeypatch.setattr(side_by_side, "TELL_EVERY", 0.01)
    done, interrupted = [], threading.Event()

    def interrupt(_found):
        interrupted.set()
        raise KeyboardInterrupt

    def work(item):
        interrupted.wait(0.05)
        done.append(item)

    with pytest.raises(KeyboardInterrupt):
        each(range(20_000), work, 1, interrupt)
    assert len(done) < 20_000


@pytest.mark.parametrize("shares", [[50, 49], [float("nan")], [50, 50, 0], [101], [float("inf")]])
def test_percentages_that_divide_nothing(shares):
    with pytest.raises(HubError):
        by_percent([{"wave": f"wave-{number}", "percent": share} for number, share in enumerate(shares)], "plant-a")


@pytest.mark.parametrize("lists", [{"canary": "gw-1"}, {"canary": [1]}, {"canary": None}, {"a": ["gw-1"], "b": ["gw-1"]}])
def test_lists_that_divide_nothing(lists):
    with pytest.raises(HubError):
        by_lists(lists)


def test_places_are_even_and_depend_on_the_salt():
    names = [f"device-{number}" for number in range(20_000)]
    wave_of = by_percent(
        [{"wave": "canary", "percent": 1}, {"wave": "early", "percent": 9}, {"wave": "broad", "percent": 90}], "plant-a"
    )
    found = [wave_of(name) for name in names]
    assert 140 < found.count("canary") < 260 and 1650 < found.count("early") < 1950
    assert place_of("device-1", "plant-a") == place_of("device-1", "plant-a") != place_of("device-1", "plant-b")


def test_the_place_is_fixed_for_all_versions():
    """SHA-256 of "rootwave-wave\\nplant-a\\npump-1", by sha256sum: changing it would move devices between waves."""
    assert place_of("pump-1", "plant-a") == int("8f85dd1fd3ad7807", 16) / 2**64


class Time:
    """Time that passes by being waited for, or by ``now`` being set."""

    def __init__(self):
        self.now = 100.0

    def clock(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


def test_a_pace_keeps_its_rate_and_makes_up_for_a_second_at_the_most():
    time = Time()
    pace = Pace(10.0, time.clock, time.sleep)
    for _turn in range(11):
        pace.take()
    assert time.now == pytest.approx(101.0)
    time.now += 60.0  # the machine was busy
    taken, start = 0, time.now
    while time.now == start:
        pace.take()
        taken += 1
    assert 10 <= taken <= 12
