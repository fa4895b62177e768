# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When the hosts that certificate checking needs are asked for, and what is said of them; a real filter is in tests/system."""

from __future__ import annotations

import socket

import pytest
from ansible_collections.rootwave.iot.plugins.module_utils.gateway import allowlists
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.allowlists import checking
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.model import PlaceChange, Plan, Proof

from .certificates import G2_SHA256
from .debian_gateway import wanted
from .test_allowlists import Elsewhere, allowlists_work, section


@pytest.fixture
def listener(monkeypatch):
    """Who answers instead of DigiCert; a socket that is bound and does not listen refuses."""
    with socket.socket() as stream:
        stream.bind(("127.0.0.1", 0))
        monkeypatch.setattr(checking, "HOSTS", {G2_SHA256: ("localhost",)})
        monkeypatch.setattr(checking, "PORT", stream.getsockname()[1])
        yield stream


def ids(findings):
    return [one.id for one in findings]


def test_shut_and_open(listener):
    asked = wanted("assess")
    assert ids(checking.findings(asked, [])) == ["checking-blocked:localhost"]
    assert checking.findings(asked, [])[0].severity == "warning"
    listener.listen()
    assert checking.findings(asked, []) == []


def test_the_root_that_verified_counts_beside_the_wanted_ones(listener):
    asked = wanted("assess", present=[], absent=[])
    assert checking.findings(asked, []) == []
    proof = Proof("hub.example", 8883, "hub", "bundle", "default", "ok", anchor=G2_SHA256)
    assert ids(checking.findings(asked, [proof])) == ["checking-blocked:localhost"]
    assert checking.findings(asked, [proof._replace(stage="tcp")]) == []


@pytest.mark.parametrize(
    "changes, expected",
    [
        ({"endpoints": [{"host": "hub.azure-devices.cn", "port": 8883}]}, []),
        ({"endpoints": [{"host": "hub.example", "port": 8883, "proxy": "http://proxy:3128"}]}, ["checking-not-tried"]),
    ],
)
def test_sovereign_clouds_and_proxies(monkeypatch, changes, expected):
    monkeypatch.setattr(checking, "_asked", lambda _hosts: pytest.fail("a connection was tried"))
    found = checking.findings(wanted("assess", **changes), [])
    assert ids(found) == expected and all(one.severity == "info" for one in found)


def test_a_host_without_a_name_is_told_once(monkeypatch):
    hosts = ("one.invalid", "two.invalid")
    monkeypatch.setattr(checking, "HOSTS", {G2_SHA256: hosts})
    (found,) = checking.findings(wanted("assess"), [])
    assert (found.id, found.severity) == ("checking-unresolved", "info") and all(host in found.detail for host in hosts)


@pytest.mark.parametrize(
    "phase, places, asked",
    [("assess", (), True), ("stage", ("some",), True), ("stage", (), False), ("retire", ("some",), False)],
)
def test_only_an_assess_or_a_change_asks(monkeypatch, phase, places, asked):
    """A pass with nothing to do makes no connection for it."""
    seen = []
    monkeypatch.setattr(checking, "findings", lambda *_args: seen.append(1) or [])
    plan = Plan((), tuple(PlaceChange("output: " + one, "admit") for one in places))
    firewall = allowlists.Firewall(Elsewhere(), wanted(phase, allowlist=section(places=[])))
    firewall.judge(allowlists_work()._replace(plan=plan), [], None)
    assert bool(seen) == asked
