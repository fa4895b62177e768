# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from gateway.errors import BadInput

from agent import config

LEAST = {"fleet": "lab", "hub": "h.azure-devices.net", "device": "gw-01", "key_file": "/etc/rootwave/agent.key"}


def write(path, document, mode=0o600):
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    path.chmod(mode)
    return str(path)


def test_defaults(tmp_path):
    found = config.load(write(tmp_path / "agent.json", LEAST))
    assert (found.module, found.port, found.websocket, found.host) == ("rootwave", 8883, False, "h.azure-devices.net")
    assert found.own_endpoints == [{"host": "h.azure-devices.net", "port": 8883, "role": "hub", "proxy": None}]


def test_behind_an_edge_parent_and_a_proxy(tmp_path):
    more = {
        "address": "edge.example",
        "port": 443,
        "proxy": "http://p.example:3128",
        "endpoints": [{"host": "d.example", "port": 443}],
    }
    found = config.load(write(tmp_path / "agent.json", {**LEAST, **more}))
    assert (found.host, found.websocket) == ("edge.example", True)
    assert [endpoint.get("role") for endpoint in found.own_endpoints] == ["edge-parent", None]
    assert found.own_endpoints[0]["proxy"] == "http://p.example:3128"


@pytest.mark.parametrize(
    "change, words",
    [
        ({"fleet": ""}, "'fleet' is missing"),
        ({"hub": None}, "wrong type"),
        ({"hub": "h/../x"}, "'hub' is not a host name"),
        ({"device": "../gw"}, "'device'"),
        ({"module": "a/b"}, "'module'"),
        ({"port": True}, "wrong type"),
        ({"port": 0}, "'port' must be from 1"),
        ({"keep_alive": 1178}, "'keep_alive' must be"),
        ({"retry_most": 1}, "'retry_most' must be"),
        ({"proxy": "https://p:1"}, "'proxy' must be"),
        ({"front_end": "twin"}, "'front_end'"),
        ({"certificate_file": "/x"}, "either 'key_file'"),
        ({"key_file": ""}, "either 'key_file'"),
        ({"extra": 1}, "unknown field 'extra'"),
        ({"endpoints": ["d.example:443"]}, "'endpoints' has host and port"),
        ({"endpoints": [{"host": "d.example"}]}, "'endpoints' has host and port"),
        ({"endpoints": [{"host": "d.example", "port": 443, "name": "x"}]}, "'endpoints' has host and port"),
        ({"endpoints": [{"host": "d/x", "port": 443}]}, "no host name"),
        ({"endpoints": [{"host": "d.example", "port": True}]}, "a port that is none"),
    ],
)
def test_every_field_is_checked(tmp_path, change, words):
    with pytest.raises(BadInput, match=words):
        config.load(write(tmp_path / "agent.json", {**LEAST, **change}))


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 5000, "7"])
def test_what_is_no_configuration(tmp_path, text):
    with pytest.raises(BadInput):
        config.load(write(tmp_path / "agent.json", text))


def test_only_root_may_write_it(tmp_path):
    with pytest.raises(BadInput, match="writable by nobody else"):
        config.load(write(tmp_path / "agent.json", LEAST, mode=0o666))
    with pytest.raises(BadInput, match="No such file"):
        config.load(str(tmp_path / "none.json"))


def test_an_inbox_needs_no_key(tmp_path):
    document = {**LEAST, "front_end": "inbox", "key_file": ""}
    assert config.load(write(tmp_path / "agent.json", document)).front_end == "inbox"
