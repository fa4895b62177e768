# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker as a process: what it and the agent are to each other when one of them ends, and that two never work at once."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agent import build, orders, records
from agent.jobs import Job

PATIENCE = 60.0  # seconds
# says something when it is told to, and fails where nobody hears it
SPEAKER = """
import os, select, sys
section = sys.stdin.read()
listener = select.poll()
listener.register(1, 0)
listener.poll(500)  # until nobody listens any more, or not
os.write(1, b"changed\\n")
"""


@pytest.fixture
def package(tmp_path):
    return build.build(tmp_path / "package")


@pytest.fixture
def configuration(tmp_path):
    path = tmp_path / "agent.json"
    document = {"fleet": "lab", "hub": "hub.example", "device": "gw", "front_end": "inbox", "state_dir": str(tmp_path / "state")}
    path.write_text(json.dumps(document))
    path.chmod(0o600)
    (tmp_path / "state").mkdir()
    return path


@pytest.fixture
def speaker(tmp_path, monkeypatch):
    path = tmp_path / "speaker.py"
    path.write_text(SPEAKER)
    monkeypatch.setattr(sys, "argv", [str(path)])


def test_an_agent_that_ends_hears_its_worker_out(speaker):
    """With the pipe closed the worker would break off where it says that a change is armed."""
    job = Job("orders", {}, "none")
    assert job.wait() == 0 and job.ended and not job.failed


def test_a_closed_pipe_would_be_noticed(speaker):
    job = Job("orders", {}, "none")
    job._process.stdout.close()
    assert job._process.wait() == 1


def worker(package, configuration, **more):
    argv = [sys.executable, "-I", package, "work", "orders", "--config", configuration]
    return subprocess.Popen([str(one) for one in argv], stdin=subprocess.PIPE, **more)


def test_a_worker_whose_agent_was_killed_goes_on(package, configuration):
    process = worker(package, configuration, stdout=subprocess.PIPE)
    process.stdout.close()
    process.communicate(b'{"stage": 7}', PATIENCE)
    state = json.loads(configuration.read_text())["state_dir"]
    assert process.returncode == 0 and records.load(state)["stage"]["state"] == "refused"


def test_a_worker_that_hears_nothing_does_nothing(package, configuration):
    """An agent that was killed before it spoke has not withdrawn its orders."""
    state = json.loads(configuration.read_text())["state_dir"]
    known = {"stage": records.new(orders.read({"stage": 7})[0], "accepted")}
    records.save(state, known)
    process = worker(package, configuration)
    process.communicate(b"", PATIENCE)
    assert process.returncode == 1 and records.load(state) == known
    process = worker(package, configuration)
    process.communicate(b"null", PATIENCE)
    assert process.returncode == 0 and records.load(state) == {}


def open_files(pid: int) -> list[str]:
    found = []
    for name in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed since it was listed
            found.append(os.readlink(name))
    return found


def test_two_workers_do_one_after_the_other(package, configuration):
    """The second one reads the records when the first has written its own."""
    from gateway.processes import Lock

    state = json.loads(configuration.read_text())["state_dir"]
    order = orders.read({"retire": 8})[0]
    with Lock(os.path.join(state, "worker.lock")):
        process = worker(package, configuration)
        process.stdin.write(b'{"stage": 7}')
        process.stdin.close()
        deadline = time.monotonic() + PATIENCE
        while os.path.join(state, "worker.lock") not in open_files(process.pid):
            assert time.monotonic() < deadline and process.poll() is None, "it does not wait"
            select.select([], [], [], 0.02)
        records.save(state, {"retire": records.new(order, "proved")})
    assert process.wait(PATIENCE) == 0
    assert {name: record["state"] for name, record in records.load(state).items()} == {"retire": "proved", "stage": "refused"}
