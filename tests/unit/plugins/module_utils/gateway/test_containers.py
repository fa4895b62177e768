# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which endpoints are proved from within which containers; the real ones are in tests/system/on_gateway_proof.py."""

from __future__ import annotations

import json
import socket
import threading

import pytest
from ansible_collections.rootwave.iot.plugins.module_utils.gateway import containers, namespaces, sessions, unprivileged
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.errors import ProofFailed
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.model import Endpoint, Timeouts

from .debian_gateway import wanted
from .test_allowlists import listed, section
from .test_sessions import ESTABLISHED, MQTT, V4, process

HUB, WEB, DPS = (Endpoint("localhost", 8883), Endpoint("localhost", 443), Endpoint("localhost", 443, "dps"))
ELSEWHERE = sessions.Session("198.51.100.1", 443)
SHORT = Timeouts(3.0, 1.0, 1.0)


def held(*ports, versions=(4,)):
    return containers.Held("net:[7]", "container x", ports, versions)


class Box:
    """A gateway with containers; what is asked of them is noted, or answered from here itself."""

    def __init__(self, store, found=(), ended=False):
        self.store, self.found, self.ended = store, found, ended

    def containers(self):
        return self.found

    def prove_within(self, _namespace, function, _timeout):
        return [] if self.ended else json.loads(json.dumps(function()))

    def clock(self):
        return 1000


def test_who_holds_a_hub_session():
    """By the hub's own ports wherever they lead, by 443 only where the allowlist knows the address."""
    found = [
        sessions.Container("net:[1]", "a", (sessions.Session("198.51.100.1", 8883), sessions.Session("2001:db8::1", 5671))),
        sessions.Container("net:[2]", "b", (ELSEWHERE,)),
        sessions.Container("net:[3]", "c", (sessions.Session("22.1.1.1", 443), ELSEWHERE)),
    ]
    asked = wanted("retire", allowlist=section(old=listed("22.0.0.0/8"))).allowlist
    assert containers.holding(Box(None, found), asked) == [
        containers.Held("net:[1]", "a", (5671, 8883), (4, 6)),
        containers.Held("net:[3]", "c", (443,), (4,)),
    ]


@pytest.mark.parametrize(
    "ports, endpoints, expected",
    [
        ((8883,), (HUB, WEB, DPS), [HUB]),
        ((443,), (HUB, WEB, DPS), [WEB, DPS]),
        ((5671,), (HUB, DPS), [HUB]),  # on none of the campaign's ports: all of the hub
        ((8883,), (HUB._replace(proxy="http://proxy:3128"), HUB._replace(role="other")), []),
    ],
)
def test_what_is_asked_of_a_container(ports, endpoints, expected):
    assert containers._asked(held(*ports), endpoints) == expected


def test_a_container_that_cannot_connect_fails_and_one_that_ended_does_not(gateway):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))  # and does not listen
        endpoint = Endpoint("localhost", listener.getsockname()[1])
        document = json.loads(json.dumps({"endpoints": [endpoint], "timeouts": SHORT, "held": [held(8883), held(8883)]}))
        (proof,) = containers.proofs_again(Box(gateway.store), document, 1000)  # and no second container is asked
        assert (proof.stage, proof.address, proof.trust) == ("tcp", "127.0.0.1", "hashed inside container x")
        with pytest.raises(ProofFailed, match=r"not committed: localhost:.* inside container x.* reverts by itself"):
            containers.check_again(Box(gateway.store), document)
        assert containers.proofs_again(Box(gateway.store, ended=True), document, 1000) == []


def test_a_name_that_the_gateway_does_not_know(gateway):
    (proof,) = containers.proofs_within(Box(gateway.store), [Endpoint("no-such-host.invalid", 8883)], SHORT, [held(8883)], 1000)
    assert (proof.stage, proof.ok) == ("dns", False)


def test_a_namespace_is_named_by_container_and_program(tmp_path):
    (tmp_path / "self" / "ns").mkdir(parents=True)
    (tmp_path / "self" / "ns" / "net").symlink_to("net:[1]")
    process(tmp_path, "10", 1, tcp=[(V4, MQTT, ESTABLISHED)])
    process(tmp_path, "20", 2, tcp=[(V4, MQTT, ESTABLISHED)])
    (tmp_path / "20" / "comm").write_text("edgeHub\n")
    (tmp_path / "20" / "cgroup").write_text("0::/system.slice/docker-" + "0123456789ab" + "c" * 52 + ".scope\n")
    (found,) = sessions.containers(str(tmp_path))
    assert found == sessions.Container(
        "net:[2]", "container 0123456789ab (net:[2], edgeHub)", (sessions.Session("192.0.2.4", 8883),)
    )
    assert namespaces.path_of("net:[2]", str(tmp_path)) == str(tmp_path / "20" / "ns" / "net")
    assert namespaces.path_of("net:[3]", str(tmp_path)) is None


def test_a_namespace_that_cannot_be_entered_is_no_proof(monkeypatch, tmp_path):
    """No second answer from where the child was before."""
    monkeypatch.setattr(unprivileged.os, "setgroups", lambda _groups: None)
    monkeypatch.setattr(unprivileged.os, "setgid", lambda _gid: None)
    monkeypatch.setattr(unprivileged.os, "setuid", lambda _uid: None)
    (tmp_path / "net").write_text("")
    with pytest.raises(ProofFailed, match="no answer"):
        unprivileged.as_nobody(threading.active_count, 5, str(tmp_path / "net"))
    assert unprivileged.as_nobody(lambda: 1, 5) == 1
