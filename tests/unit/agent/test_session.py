# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a session makes of a hub's words that come in an odd order or size. Of the package, for it has the agent's own paho."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from agent import build

PREPARE = """
import json, socket, ssl, sys
sys.path.insert(0, sys.argv[1])
from agent import config, session
settings = config.from_document({"fleet": "lab", "hub": "h.example", "device": "gw", "key_file": sys.argv[2]})
one = session.Session(settings, lambda _config: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))

class Message:
    def __init__(self, patch):
        self.topic, self.payload = session.DESIRED + "?$version=", json.dumps(patch).encode()

def hear(version, **section):
    one._on_message(None, None, Message({"$version": version, "rootwave": section}))

def twin(version, between=(), **section):
    def ask(_topic, _body):
        for words in between:
            hear(**words)
        return 200, json.dumps({"desired": {"$version": version, "rootwave": section}}).encode()
    one._ask = ask
    one.refresh()
"""


@pytest.fixture
def run(tmp_path):
    """run(script): what it prints, as JSON."""
    package = build.build(tmp_path)
    (tmp_path / "key").write_text("a2V5")

    def run(script: str):
        argv = [sys.executable, "-I", "-c", PREPARE + script, package, tmp_path / "key"]
        return json.loads(subprocess.run([str(one) for one in argv], check=True, capture_output=True, text=True).stdout)

    return run


@pytest.mark.parametrize(
    "script, section, gap",
    [
        pytest.param("twin(5, a=1); hear(6, b=2)", {"a": 1, "b": 2}, False, id="the next one"),
        pytest.param("twin(5, a=1); hear(5, a=3)", {"a": 1}, False, id="known already"),
        pytest.param("twin(5, a=1); hear(6, a=None); hear(6, a=3)", {}, False, id="twice"),
        pytest.param("twin(5, a=1); hear(7, b=2)", {"a": 1, "b": 2}, True, id="one too far"),
        pytest.param("twin(5, between=[dict(version=6, b=2)], a=1)", {"a": 1, "b": 2}, False, id="before the first answer"),
        pytest.param(
            "twin(5, a=1); twin(7, between=[dict(version=8, b=2)], a=2)", {"a": 2, "b": 2}, False, id="before a later answer"
        ),
    ],
)
def test_desired_changes_in_any_order(run, script, section, gap):
    assert run(script + "\nprint(json.dumps([one.section, one.gap]))") == [section, gap]


@pytest.mark.parametrize("size, lost", [(b"\\xff\\xff\\x7f", True), (b"\\xff\\x7f", False)], ids=["2 MB", "16 KB"])
def test_size_of_a_packet_is_bounded(run, size, lost):
    """A packet is announced with its size, and the memory for it is taken before it has come."""
    script = f"""
here, there = socket.socketpair()
here.setblocking(False)
one._client._sock = here
there.sendall(b"\\x30{size.decode()}")
one._client.read_all()
print(json.dumps(one._lost is not None))
"""
    assert run(script) is lost
