# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A hub that ends every session at once, as when somebody else has the identity's key: how long the agent waits each time."""

from __future__ import annotations

import itertools
import time
from types import SimpleNamespace

import pytest

from agent import config, loop
from agent.backoff import STEADY
from agent.loop import Agent
from agent.transport import NotConnected

ROUNDS = 12


class Evicted:
    """A session that is complete, and lost at its first turn."""

    section = answer = None
    renew_at = float("inf")

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        pass

    def report(self, _document):
        return True

    def wait(self, _readers, _until):
        raise NotConnected("the connection is lost (session taken over)")


@pytest.fixture
def waits(tmp_path, monkeypatch):
    """waits(): the pauses between sessions, in seconds, of which none is spent."""
    settings = config.Config("lab", "hub.example", "gw", retry_least=5.0, retry_most=900.0, state_dir=str(tmp_path))
    agent = Agent(settings, lambda _config: Evicted(), None, None)
    found: list[float] = []

    def rest(seconds):
        found.append(seconds)
        agent._stopping = len(found) == ROUNDS

    monkeypatch.setattr(agent, "_rest", rest)

    def run():
        agent.run()
        return found

    return run


def test_it_waits_longer_each_time(waits):
    """From 5 seconds to 15 minutes, each with up to half of it taken off at random: no storm, and no giving up."""
    bounds = [min(5.0 * 2**number, 900.0) for number in range(ROUNDS)]
    found = waits()
    assert len(found) == ROUNDS and all(bound / 2 <= wait <= bound for wait, bound in zip(found, bounds, strict=True))


def test_a_session_that_held_is_forgiven(waits, monkeypatch):
    """The same with sessions of an hour each: the pause does not grow."""
    hours = itertools.count(0.0, 3600.0)
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: next(hours), time=time.time))
    assert STEADY < 3600 and all(2.5 <= wait <= 5.0 for wait in waits())
