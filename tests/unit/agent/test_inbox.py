# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inbox front end: what the application brings and takes away, with jobs that do at once what they would do."""

from __future__ import annotations

import json
import os
import time

import pytest

from agent import config, orders, records
from agent.inbox import Inbox, clear

ORDER = {"id": "a" * 64, "go": 1, "n": 1, "c0": "x"}


class World:
    """An inbox whose jobs are ``script[name](world)``; what is not scripted changes nothing."""

    def __init__(self, folder):
        self.folder, self.jobs, self.script, self.fails = folder, [], {}, ()
        self.wake, self.stop = os.pipe()
        (folder / "inbox").mkdir()
        settings = {"front_end": "inbox", "state_dir": str(folder)}
        self.config = config.Config("lab", "hub.example", "gw", **settings)

    def bring(self, name, document):
        draft = self.folder / "inbox" / f".{name}"
        draft.write_text(document if isinstance(document, str) else json.dumps(document))
        os.replace(draft, self.folder / "inbox" / name)

    def outbox(self, name):
        path = self.folder / "outbox" / name
        return json.loads(path.read_text()) if path.exists() else None

    def run(self):
        return self.inbox().run()

    def inbox(self):
        return Inbox(self.config, self.launch, self.wake)

    def launch(self, name, section):
        self.jobs.append(name)
        self.section = section
        self.script.get(name, lambda _world: None)(self)
        return Ended(name, name in self.fails)

    def record(self, state, **more):
        order = orders.read(self.section)[0]
        records.save(self.config.state_dir, {order.name: {**records.new(order, state), **more}})

    def end(self, state):
        ((name, record),) = records.load(self.config.state_dir).items()
        records.save(self.config.state_dir, {name: records.moved(record, state, confirm_by=None)})


class Ended:
    def __init__(self, name, failed):
        self.name, self.failed, self.ended = name, failed, False

    def read(self):
        self.ended = True


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    yield made
    os.close(made.wake)
    os.close(made.stop)


def test_order_in_and_answer_out(world):
    world.bring("desired.json", {"stage": ORDER})
    world.script["orders"] = lambda one: one.record("proved", serial=1)
    assert world.run() == 0
    said = world.outbox("reported.json")
    assert (said["stage"]["state"], said["stage"]["id"], said["boot"]) == ("proved", ORDER["id"], 1)
    assert "committed_at" in said["stage"] and world.outbox("reconnect.json") is None
    assert not os.listdir(world.folder / "inbox")
    assert world.run() == 0 and world.jobs == ["settle", "orders", "settle"]  # a second start has nothing to do


def test_reconnect_is_asked_for_and_waited_for(world):
    world.bring("desired.json", {"retire": ORDER})
    by = int(time.time()) + 60

    def left_pending(one):
        one.record("running", change="000001", confirm_by=by)
        one.bring("reconnected.json", {"change": "000000"})  # an old answer commits nothing

    def look(one):
        one.asked = one.outbox("reconnect.json")
        one.end("proved")

    world.script = {"orders": left_pending, "commit": look}
    inbox = world.inbox()
    seen = []

    def take_in():
        if world.outbox("reconnect.json") and not seen:
            seen.append(world.outbox("reconnect.json"))
            assert "commit" not in world.jobs
            world.bring("reconnected.json", {"change": "000001"})
        return Inbox._take_in(inbox)

    inbox._take_in = take_in
    assert inbox.run() == 0
    assert world.jobs == ["settle", "orders", "commit"]
    assert seen == [{"change": "000001", "by": by}] and world.outbox("reconnect.json") is None
    assert world.outbox("reported.json")["retire"]["state"] == "proved"


def test_withdrawn_while_waiting(world):
    world.bring("desired.json", {"retire": ORDER})

    def left_pending(one):
        one.record("running", change="000001", confirm_by=int(time.time()) + 60)
        one.bring("desired.json", {})

    world.script = {"orders": left_pending, "revert": lambda one: one.end("reverted")}
    assert world.run() == 0
    assert world.jobs == ["settle", "orders", "revert"]


def test_nobody_reconnects(world):
    world.bring("desired.json", {"retire": ORDER})
    settled = []

    def settle(one):
        settled.append(1)
        if len(settled) > 1:
            one.end("reverted")

    world.script = {"orders": lambda one: one.record("running", change="000001", confirm_by=0.5), "settle": settle}
    assert world.run() == 0
    assert world.jobs == ["settle", "orders", "settle"] and world.outbox("reported.json")["retire"]["state"] == "reverted"


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "[" * 5000 + "]" * 5000, "x" * 200_000, "7", "\xff"])
def test_what_is_no_section_ends_nothing(world, text):
    world.bring("desired.json", text)
    assert world.run() == 0
    assert world.jobs == ["settle"] and not os.listdir(world.folder / "inbox")


def test_links_and_pipes_are_not_read(world, tmp_path):
    """The application may write the inbox, so it could point at what only root may read."""
    secret = tmp_path / "secret.json"
    secret.write_text(json.dumps({"stage": ORDER}))
    os.symlink(secret, world.folder / "inbox" / "desired.json")
    assert world.run() == 0 and world.jobs == ["settle"]
    os.mkfifo(world.folder / "inbox" / "desired.json")
    assert world.run() == 0 and world.jobs == ["settle"] * 2
    world.bring("desired.json", secret.read_text())  # the same as a plain file is an order
    world.script["orders"] = lambda one: one.record("proved")
    assert world.run() == 0 and world.jobs[-1] == "orders"


def test_a_folder_is_taken_out_and_not_in_the_way(world):
    for _each in range(2):
        (world.folder / "inbox" / "desired.json").mkdir()
        assert world.run() == 0
    world.bring("desired.json", {"stage": ORDER})
    world.script["orders"] = lambda one: one.record("proved")
    assert world.run() == 0 and world.jobs[-1] == "orders"


def left_pending(one):
    one.record("running", change="000001", confirm_by=int(time.time()) + 60)


def test_told_to_stop_it_ends_after_the_job(world):
    """Its end would be the worker's, in the middle of a change."""
    world.bring("desired.json", {"retire": ORDER})

    def told(one):
        os.write(one.stop, b"x")
        left_pending(one)

    world.script["orders"] = told
    assert world.run() == 0
    assert world.jobs == ["settle", "orders"] and world.outbox("reported.json")["retire"]["state"] == "running"


def test_a_commit_that_fails_is_not_tried_at_once(world, monkeypatch):
    world.bring("desired.json", {"retire": ORDER})

    def bring_too(one):
        left_pending(one)
        one.bring("reconnected.json", {"change": "000001"})

    world.script["orders"], world.fails = bring_too, ("commit",)
    inbox, waits = world.inbox(), []

    def stopped(seconds):
        waits.append(seconds)
        return waits.count(seconds) > 1 and seconds > 0

    inbox._stopped = stopped
    assert inbox.run() == 0
    assert world.jobs == ["settle", "orders", "commit"]  # and then it waits, twice


def test_killed_before_it_could_commit(world):
    """The application has said it once, and does not say it again."""
    world.bring("desired.json", {"retire": ORDER})
    world.script["orders"] = left_pending
    os.write(world.stop, b"x")
    world.run()
    world.bring("reconnected.json", {"change": "000001"})
    world.inbox()._take_in()  # and it is killed
    os.read(world.wake, 1)
    world.script = {"commit": lambda one: one.end("proved")}
    assert world.run() == 0 and world.jobs[-1] == "commit"


def test_full_disk_ends_no_worker(world, monkeypatch):
    world.bring("desired.json", {"stage": ORDER})
    world.script["orders"] = lambda one: one.record("proved")
    real = Inbox._put

    def full(_inbox, _name, _document):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Inbox, "_put", full)
    assert world.run() == 1 and world.jobs == ["settle", "orders"]  # the unit starts it again
    monkeypatch.setattr(Inbox, "_put", real)
    assert world.run() == 0 and world.outbox("reported.json")["stage"]["state"] == "proved"


def test_inbox_of_a_device_with_a_session_of_its_own_is_emptied(world):
    """Two front ends must not work on one device, and what stays there would wake the path unit for ever."""
    world.bring("desired.json", {"stage": ORDER})
    clear(world.config)
    assert not os.listdir(world.folder / "inbox") and not world.jobs
