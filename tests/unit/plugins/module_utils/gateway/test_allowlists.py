# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of allowlists that ask nobody: the document's section, arithmetic, what is wanted, what is quiet, what nft says."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest
from ansible_collections.rootwave.iot.plugins.module_utils.gateway import allowlists, sessions, transaction
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.allowlists import (
    checking,
    nft,
    prefixes,
    switch,
    wanted,
)
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.allowlists.document import from_document, place_of
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.errors import BadInput, CommandFailed
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.model import PlaceChange, Plan, Proof

from .debian_gateway import wanted as desired
from .test_sessions import ESTABLISHED, HTTPS, MQTT, V4, process

SET = {"path": "output", "backend": "nftables", "way": "named_set", "family": "inet", "table": "filter", "set4": "hubs"}
CHAIN = {"path": "forward", "backend": "nftables", "way": "managed_chain", "family": "ip", "table": "filter", "chain": "fwd"}


def section(**changes):
    return dict({"new": [{"prefix": "20.1.0.0/16", "source": "tag"}], "places": [SET]}, **changes)


def listed(*texts):
    return [{"prefix": text, "source": "test"} for text in texts]


def test_a_section_and_its_defaults():
    found = from_document(section(places=[SET, CHAIN, {"path": "output", "backend": "none"}]))
    assert (found.ports, found.private, found.quiet_period, found.old) == ((443, 5671, 8883), False, 86400, ())
    assert [place.label for place in found.places] == [
        "output: inet filter @hubs",
        "forward: ip filter chain fwd",
        "output: no filter",
    ]
    assert place_of(found.places[1].as_dict()) == found.places[1]
    assert (found.places[1].set_of(4), found.places[1].set_of(6), found.places[0].set_of(6)) == ("rootwave_forward4", None, None)


def test_a_document_without_one_imports_nothing():
    name = "ansible_collections.rootwave.iot.plugins.module_utils.gateway"
    script = (
        "import sys, {0}.reconcile, {0}.desired, {0}.host; print([one for one in sys.modules if 'allowlists' in one])".format(
            name
        )
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, stdout=subprocess.PIPE, env={"PYTHONPATH": ":".join(sys.path)}
    )
    assert done.stdout.strip() == b"[]"


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"new": listed("0.0.0.0/0")}, "admits everything"),
        ({"new": listed("::/0")}, "admits everything"),
        ({"new": listed("32.0.0.0/7")}, "wider than /8"),
        ({"old": listed("2000::/15")}, "wider than /16"),
        ({"new": listed("10.1.0.0/16")}, "is private"),
        ({"old": listed("fd00::/8")}, "is private"),
        ({"new": listed("20.1.0.1/16")}, "right of its length"),
        ({"new": listed("20.1.0.0/33")}, "is not an address prefix"),
        ({"new": listed("20.1.0.0/-1")}, "is not an address prefix"),
        ({"new": listed("20.1.0.0/ 8")}, "is not an address prefix"),
        ({"new": listed("20.1.0.0/")}, "is not an address prefix"),
        ({"new": listed("20.1")}, "is not an address prefix"),
        ({"new": listed(5)}, "is not an address prefix"),
        ({"new": listed("127.0.0.0/8"), "private": True}, "no hub has"),
        ({"new": listed("224.0.0.0/8")}, "no hub has"),
        ({"new": listed("20.1.0.0/16") * 4097}, "at most 4096"),
        ({"new": ["20.1.0.0/16"]}, "prefix and source"),
        ({"new": [{"prefix": "20.1.0.0/16", "source": "x" * 1001}]}, "short text"),
        ({"new": {}}, "must be a list"),
        ({"places": [SET] * 9}, "at most 8"),
        ({"places": [SET, SET]}, "the same"),
        ({"places": [CHAIN, dict(CHAIN, chain="other")]}, "share one chain"),
        ({"places": [dict(SET, backend="pf")]}, "none that this version knows"),
        ({"places": [dict(SET, path="input")]}, "none that this version knows"),
        ({"places": [dict(SET, set4="hubs; flush ruleset")]}, "is not a name"),
        ({"places": [dict(SET, table="a b")]}, "is not a name"),
        ({"places": [dict(SET, family="bridge")]}, "family is inet"),
        ({"places": [dict(SET, family="ip6")]}, "family is inet"),
        ({"places": [dict(SET, chain="output")]}, "needs"),
        ({"places": [{key: SET[key] for key in SET if key != "set4"}]}, "needs"),
        ({"places": ["output"]}, "objects of texts"),
        ({"ports": []}, "1 to 16 ports"),
        ({"ports": [70000]}, "whole number"),
        ({"ports": [True]}, "whole number"),
        ({"private": 1}, "true or false"),
        ({"quiet_period": -1}, "whole number"),
        ({"more": 1}, "unknown key 'more'"),
    ],
)
def test_a_bad_section_is_named(changes, message):
    with pytest.raises(BadInput, match=message):
        desired("stage", allowlist=section(**changes))


def test_private_prefixes_that_are_meant():
    assert from_document(section(new=listed("10.0.0.0/8", "fd00::/16"), private=True)).private


def chance_intervals(chance):
    found = []
    for _each in range(chance.randint(0, 8)):
        size = chance.randint(20, 32)
        first = chance.getrandbits(12) >> (32 - size) << (32 - size)
        found.append(prefixes.Interval(4, first, first + (1 << (32 - size)) - 1))
    return found


def addresses(intervals):
    return {number for one in intervals for number in range(one.first, one.last + 1)}


def test_arithmetic_against_sets_of_addresses():
    chance = random.Random(5)
    for _each in range(300):
        some, others = chance_intervals(chance), chance_intervals(chance)
        assert addresses(prefixes.subtract(prefixes.distinct(some), others)) == addresses(some) - addresses(others)
        assert addresses(prefixes.union(some)) == addresses(prefixes.distinct(some)) == addresses(some)
        cover = prefixes.Cover(others)
        for one in some:
            assert cover.holds(one) == (addresses([one]) <= addresses(others))
            assert bool(cover.meeting(one)) == bool(addresses([one]) & addresses(others))
            assert addresses(map(prefixes.parse, prefixes.prefixes_of(one))) == addresses([one])


def parsed(*texts):
    return [prefixes.parse(text) for text in texts]


def texts(intervals):
    return [text for one in intervals for text in prefixes.prefixes_of(one)]


def test_stage_owns_only_what_was_not_covered():
    plan = wanted.stage(parsed("20.0.0.0/24", "21.0.0.0/24"), parsed("22.0.0.0/24"), [], parsed("20.0.0.0/16"))
    assert texts(plan.add) == ["21.0.0.0/24", "22.0.0.0/24"]
    assert plan.overlaps == ()


def test_stage_refuses_what_contains_an_element_of_somebody_else():
    plan = wanted.stage(parsed("20.0.0.0/16"), [], [], parsed("20.0.5.5"))
    assert [texts(pair) for pair in plan.overlaps] == [["20.0.0.0/16", "20.0.5.5/32"]]


def test_old_and_new_are_never_collapsed():
    """What only the old prefix needs is apart from the start, so that retire only deletes."""
    new, old = parsed("20.0.0.0/25"), parsed("20.0.0.0/24")
    staged = wanted.stage(new, old, [], [])
    assert texts(staged.add) == ["20.0.0.0/25", "20.0.0.128/25"]
    retired = wanted.retire(new, old, list(staged.add), [])
    assert (texts(retired.delete), retired.add, retired.missing) == (["20.0.0.128/25"], (), ())


def test_retire_keeps_what_a_wide_element_of_ours_did_for_the_new_ones():
    retired = wanted.retire(parsed("20.0.0.0/25"), parsed("20.0.0.0/24"), parsed("20.0.0.0/24"), [])
    assert (texts(retired.delete), texts(retired.add)) == (["20.0.0.0/24"], ["20.0.0.0/25"])


def test_retire_tells_what_is_not_staged_and_what_is_not_ours():
    retired = wanted.retire(parsed("20.0.0.0/25"), parsed("40.0.0.0/8"), [], parsed("40.1.0.0/16"))
    assert (texts(retired.missing), texts(retired.foreign), retired.delete) == (["20.0.0.0/25"], ["40.1.0.0/16"], ())


def test_the_revert_program_has_what_a_switch_needs_and_nothing_else_has():
    assert not [name for name in transaction._program() if "allowlists" in name]
    item = switch.Switch("nftables", SET, {"prefixes": []}, {"prefixes": ["20.0.0.0/24"]})
    assert {name for name in transaction._program((item,)) if "allowlists" in name} == {
        "gateway/allowlists/{0}.py".format(name)
        for name in ("__init__", "document", "nft", "nft_moves", "nft_own_chain", "prefixes", "state", "switch")
    }


class Elsewhere:
    """Asked for a state directory and for what containers do."""

    state_dir = "/nonexistent"
    found: list = []

    def clock(self):
        return 1000

    def container_sessions(self):
        return self.found


@pytest.mark.parametrize(
    "session, blocked",
    [
        (sessions.Session("198.51.100.1", 8883), True),
        (sessions.Session("20.1.2.3", 443), True),
        (sessions.Session("198.51.100.1", 443), False),
    ],
)
def test_a_container_with_a_hub_session_needs_a_forward_place(session, blocked):
    firewall = allowlists.Firewall(
        Elsewhere(), desired("stage", allowlist=section(places=[{"path": "output", "backend": "none"}]))
    )
    firewall.host.found = [session]
    assert [one.id for one in firewall._forwarded()] == ["allowlist-forward"] * blocked


def test_sessions_of_other_namespaces_only(tmp_path):
    process(tmp_path, "1", 1, tcp=[(V4, MQTT, ESTABLISHED)])
    process(tmp_path, "300", 2, tcp=[(V4, HTTPS, ESTABLISHED)])
    (tmp_path / "self" / "ns").mkdir(parents=True)
    (tmp_path / "self" / "ns" / "net").symlink_to("net:[1]")
    assert sessions.of_containers(str(tmp_path)) == [sessions.Session("192.0.2.4", 443)]
    assert sessions.peers(str(tmp_path)) == {"192.0.2.4"}


@pytest.mark.parametrize("whole, ports", [(True, [443, 5671, 8883]), (False, [8883])])
@pytest.mark.parametrize("phase", ["stage", "retire"])
def test_a_campaign_closes_no_port_of_another(phase, whole, ports):
    """One chain serves all of them. What somebody else wrote into it is no port of ours."""
    firewall = allowlists.Firewall(Elsewhere(), desired(phase, allowlist=section(places=[], ports=[8883])))
    state = nft.State(True, {4: []}, {4: {}}, True, whole, (443, 5671))
    assert firewall._asked_of(place_of(CHAIN), state)[0].value["ports"] == ports


def test_an_answer_outside_is_a_finding(monkeypatch):
    monkeypatch.setattr(checking, "HOSTS", {})
    firewall = allowlists.Firewall(Elsewhere(), desired("assess", allowlist=section(places=[])))
    proofs = [
        Proof("hub.example", 8883, "hub", "bundle", "default", "ok", address=address) for address in ("20.1.2.3", "198.51.100.1")
    ]
    blockers, findings = firewall.judge(allowlists_work(), proofs, None)
    assert (blockers, [one.id for one in findings]) == ([], ["outside-allowlist:hub.example"])


@pytest.mark.parametrize(
    "role, address, held",
    [
        ("hub", "198.51.100.1", True),
        ("dps", "22.1.2.3", True),
        ("edge-parent", "192.168.7.1", False),
        ("other", "198.51.100.1", False),
        ("other", "22.1.2.3", True),
        ("edge-parent", "20.1.2.3", False),
    ],
)
def test_retire_waits_for_the_hub_and_not_for_a_parent_in_the_factory(role, address, held):
    """Unless that one stands on an address that is to go."""
    firewall = allowlists.Firewall(Elsewhere(), desired("retire", allowlist=section(places=[], old=listed("22.0.0.0/8"))))
    taken = allowlists_work()._replace(plan=Plan((), (PlaceChange("output", "take-out", ("22.0.0.0/8",)),)))
    proof = Proof("name.example", 8883, role, "bundle", "default", "ok", address=address)
    blockers, findings = firewall.judge(taken, [proof], None)
    assert [one.id for one in blockers] == ["allowlist-unproven"] * held
    assert [one.id for one in findings] == ["outside-allowlist:name.example"] * held


def allowlists_work():
    from ansible_collections.rootwave.iot.plugins.module_utils.gateway.work import Work

    return Work(Plan(), (), (), frozenset(), ())


@pytest.mark.parametrize(
    "changes, blocker", [({"new": [], "places": []}, "allowlist-empty"), ({"places": []}, "allowlist-place")]
)
def test_nothing_asked_is_refused_and_check_mode_agrees(gateway, changes, blocker):
    from .debian_gateway import run

    before = gateway.snapshot()
    for dry_run in (True, False):
        report = run(gateway, "stage", dry_run=dry_run, allowlist=section(**changes))
        assert (report["outcome"], [one["id"] for one in report["blockers"]]) == ("refused", [blocker])
    assert gateway.snapshot() == before


def test_a_ruleset_that_cannot_be_read_hinders_no_look_and_no_revert_of_roots(gateway, monkeypatch):
    """As for an assessment without root. What would change the ruleset is refused."""
    from .debian_gateway import run

    def denied(argv, **_rest):
        raise CommandFailed("nft ended with code 1: Operation not permitted (you must be root)", argv=argv, code=1)

    assert run(gateway, "stage")["outcome"] == "done"
    monkeypatch.setattr(nft, "run", denied)
    monkeypatch.setattr(allowlists.backends, "missing_nft", list)
    outcomes = {}
    for phase, undo in (("assess", None), ("stage", None), ("revert", "stage")):
        report = run(gateway, phase, undo=undo, allowlist=section())
        outcomes[phase] = report["outcome"], [one["id"] for one in report["blockers"]]
    assert outcomes == {
        "assess": ("assessed", ["allowlist-tool"]),
        "stage": ("refused", ["allowlist-tool"]),
        "revert": ("done", []),
    }
