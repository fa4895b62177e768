# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections import namedtuple

import pytest
from ansible_collections.rootwave.iot.plugins.module_utils.gateway import interlock, retirement
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.model import (
    Anchor,
    Desired,
    Endpoint,
    Finding,
    Proof,
)
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.stores.system import Observed

NOW = 1795400000
ANCHOR = Anchor("ab" * 32, "new", "CN=New", "pem")
Session = namedtuple("Session", "address port")


class Store:
    """Holds an anchor or does not; that is all the interlock asks of a store."""

    def __init__(self, held=True):
        self.held = held

    def holds(self, _anchor, _observed):
        return self.held

    def own_file(self, anchor):
        return "/anchors/" + anchor.name


def ids(blockers):
    return [blocker.id for blocker in blockers]


def proof(stage="ok", offer="default", port=8883):
    return Proof("hub.example", port, "hub", "rehearsal", offer, stage, detail="why", address="192.0.2.1")


@pytest.mark.parametrize(("off", "found"), [(0, []), (300, []), (-300, []), (301, ["clock"]), (-301, ["clock"])])
def test_clock(off, found):
    assert ids(interlock.clock(NOW + off, NOW)) == found


@pytest.mark.parametrize(
    ("host", "clouds", "found"),
    [
        ("hub.azure-devices.net", ("public",), []),
        ("hub.azure-devices.us", ("public",), ["sovereign-cloud"]),
        ("hub.azure-devices.cn", ("public", "usgov"), ["sovereign-cloud"]),
        ("hub.azure-devices.us", ("usgov",), []),
    ],
)
def test_sovereign_clouds_are_left_alone(host, clouds, found):
    assert ids(interlock.cloud([Endpoint(host, 8883)], clouds)) == found


@pytest.mark.parametrize(
    ("proofs", "found"),
    [
        pytest.param([proof()], [], id="one address verifies"),
        pytest.param([proof(), proof("tcp")], ["endpoint-tcp"], id="one of two addresses does not answer"),
        pytest.param([proof(), proof("not-offered", "ecdsa")], [], id="no ECDSA certificate there"),
        pytest.param([proof(), proof("tls-untrusted", "ecdsa")], ["endpoint-tls-untrusted"], id="ECDSA chain is old"),
        pytest.param([proof("not-offered")], ["endpoint-unproved"], id="nothing was ever proved"),
        pytest.param([], ["endpoint-unproved"], id="nothing was even tried"),
        pytest.param([proof(), proof("dns", port=443)], ["endpoint-dns"], id="the second endpoint has no name"),
    ],
)
def test_every_endpoint_on_every_address_in_every_offer(proofs, found):
    asked = [Endpoint("hub.example", port) for port in sorted({one.port for one in proofs} | {8883})]
    assert ids(interlock.endpoints(asked, proofs)) == found


@pytest.mark.parametrize(
    ("predicted", "found"),
    [(None, []), (frozenset(["a"]), []), (frozenset(["a", "b"]), ["stale-store"]), (frozenset(), ["stale-store"])],
)
def test_sources_changed_without_the_tool(predicted, found):
    assert ids(interlock.stale_store(Observed("debian", {"a": b""}, None, {}, predicted=predicted))) == found


def retire(store=None, findings=(), **desired):
    wanted = Desired("c", "d", "retire", present=(ANCHOR,), **dict({"safe_after": NOW - 1}, **desired))
    return ids(retirement.not_yet(wanted, store or Store(), None, findings, NOW))


def test_retire_is_permitted_when_all_holds():
    assert retire() == []


def test_retire_blockers_are_all_named_at_once():
    found = retire(
        Store(held=False),
        [Finding("java:x", "blocker", "why"), Finding("old:y", "warning", "why")],
        safe_after=None,
    )
    assert found == ["safe-after", "not-staged", "finding"]


def test_a_session_to_an_endpoint_that_nobody_named():
    assert ids(retirement.unlisted_sessions([Session("198.51.100.7", 8883)])) == ["unlisted-endpoint"]
    assert retirement.unlisted_sessions([]) == []


def test_safe_after_in_the_future_waits():
    assert retire(safe_after=NOW) == ["safe-after"]


def test_an_accepted_finding_no_longer_blocks_but_another_one_does():
    findings = [Finding("java:x", "blocker", "why")]
    assert retire(findings=findings, accept=("java:x",)) == []
    assert retire(findings=findings, accept=("java:z",)) == ["finding"]
