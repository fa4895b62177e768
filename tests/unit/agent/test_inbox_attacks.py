# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who can write the inbox: an application that was broken into. The package as a process of its own, as its unit starts it.

It may bring anything under any name; nothing of it ends the agent, and what it may really do works again afterwards.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from gateway import files

from agent import build
from tests.unit.agent.device import document
from tests.unit.agent.signing import Signer

WAKE_MOST = 60  # seconds; it ends when nothing is to do
NEVER = {"campaign": "x", "digest": "0" * 64}  # members of a section that are no order


@pytest.fixture(scope="session")
def package(tmp_path_factory):
    return build.build(tmp_path_factory.mktemp("package"))


class Device:
    """``wake`` is what the path unit does when a file is there."""

    def __init__(self, folder, package):
        self.state, self._package, self._config = folder / "state", package, folder / "agent.json"
        (self.state / "inbox").mkdir(parents=True)
        self.signer = Signer("lab")
        files.write_json(str(self.state / "keys.json"), self.signer.document, mode=0o644)
        settings = {"fleet": "lab", "hub": "hub.example", "device": "gw", "front_end": "inbox", "state_dir": str(self.state)}
        files.write_json(str(self._config), settings)

    def bring(self, text, name="desired.json"):
        (self.state / "inbox" / name).write_text(text)

    def wake(self):
        argv = [sys.executable, "-I", str(self._package), "inbox", "--config", str(self._config)]
        return subprocess.run(argv, check=False, capture_output=True, text=True, timeout=WAKE_MOST)

    def answer(self, order):
        """What it says of a stage that it is brought."""
        self.bring(json.dumps({"stage": order}))
        done = self.wake()
        assert done.returncode == 0, done.stderr
        said = files.read_json(str(self.state / "outbox" / "reported.json"))["stage"]
        assert said["id"] == order["id"]
        return said


@pytest.fixture
def device(tmp_path, package):
    return Device(tmp_path, package)


def works(device):
    """An order of a stranger is read, judged and refused: the whole way in and out."""
    said = device.answer(Signer("lab").phase(document("stage"), 1))
    return (said["state"], said["reason"].split(":")[0]) == ("refused", "unsigned")


def test_an_unsigned_order_is_refused_and_a_signed_one_is_believed(device):
    """What is signed gets past the signatures: this phase has expired, which is looked at only then."""
    assert works(device)
    late = device.signer.phase(document("stage"), 1, issued=1, not_before=1, expires=1000)
    assert device.answer(late)["reason"].startswith("expired")


@pytest.mark.parametrize("depth", [17, 980, 985, 990, 5000, 60_000])
@pytest.mark.parametrize("brackets", ["[]", '{"stage":}'], ids=["list", "object"])
def test_deep_json(device, depth, brackets):
    """On both sides of what each parser and each writer bears."""
    left, right = brackets[:-1], brackets[-1]
    device.bring((left * depth + ("1" if right == "}" else "") + right * depth)[: 128 * 1024])
    done = device.wake()
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr[-2000:]
    assert not os.listdir(device.state / "inbox")
    assert works(device)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[" * 1024 * 1024, id="huge"),
        pytest.param(
            json.dumps({"stage": {"id": "\ud800", "go": 10**400}, **NEVER}), id="half a pair and a number of 400 digits"
        ),
        pytest.param('{"stage": {"go": NaN}, "retire": {"go": 1e999}}', id="no numbers"),
        pytest.param('{"stage": {"id": "../../etc/passwd", "go": 1, "n": 1, "c0": "../x"}}', id="paths"),
        pytest.param('{"stage": 1, "stage": 2}', id="a name twice"),
        pytest.param("\0" * 4096, id="zeros"),
    ],
)
def test_hostile_documents(device, text):
    before = {path for path in device.state.parent.rglob("*") if path.is_file()}
    device.bring(text)
    done = device.wake()
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr[-2000:]
    written = {path for path in device.state.parent.rglob("*") if path.is_file()} - before
    assert all(path.is_relative_to(device.state) for path in written)
    assert works(device)


@pytest.mark.parametrize("name", ["desired.json", "reconnected.json"])
@pytest.mark.parametrize("full", [False, True], ids=["empty", "full"])
def test_a_folder_where_a_file_should_be(device, name, full):
    """It must not take the place into which files are taken, for then no order would come through any more."""
    for _each in range(2):
        folder = device.state / "inbox" / name
        folder.mkdir()
        if full:
            (folder / "x").write_text("{}")
        done = device.wake()
        assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr[-2000:]
        assert not folder.exists()  # or the path unit would start it for ever
    assert works(device)


def test_a_word_about_a_change_that_is_none(device):
    """Claims of a session for a path, a number, another change: nothing is pending, so nothing is committed."""
    for change in ("../../../etc", 7, None, ["000001"], "000001"):
        device.bring(json.dumps({"change": change}), "reconnected.json")
        assert device.wake().returncode == 0
    assert not (device.state / "history").exists() and not (device.state / "ratchet.json").exists()
    assert works(device)
