# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nft lists, and what it is told: as data, for real ones are asked in tests/system."""

from __future__ import annotations

import pytest
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.allowlists import (
    nft,
    nft_chains,
    nft_moves,
    nftables,
    state,
    switch,
)
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.allowlists.document import place_of
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.errors import CommandFailed

from .test_allowlists import CHAIN, SET, parsed


def test_names_that_end_like_the_marks_of_a_switch_stay_data():
    place = place_of(SET)
    now = nft.State(True, {4: [state.Element(parsed("20.0.0.0/24")[0], True, None)]}, {4: {}})
    assert nft_moves.commands(place, now, {"prefixes": ["21.0.0.0/24"]}) == (
        'delete element inet filter hubs { 20.0.0.0/24 }\nadd element inet filter hubs { 21.0.0.0/24 comment "rootwave" }\n'
    )


@pytest.mark.parametrize("origin, blocked", [("fwd", False), ("egress", True)])
def test_our_chain_is_not_moved_from_one_place_to_another(origin, blocked):
    """What was jumped to from there would be shut, and a revert knows but the place that it was asked for."""
    base = {"family": "ip", "table": "filter", "type": "filter", "hook": "forward", "policy": "drop", "prio": 0}
    names = ("fwd", "egress", "rootwave_forward")
    table = [{"chain": dict(base, name=name)} for name in names]
    table += [{"rule": {"chain": origin, "handle": 9, "expr": [{"jump": {"target": "rootwave_forward"}}]}}]
    place = place_of(CHAIN)
    found = nft_chains.stands_against(place, nft.read(place, table), table)
    assert [one.id for one in found] == ["allowlist-place"] * blocked
    assert not blocked or "from chain egress" in found[0].detail


@pytest.mark.parametrize(
    "before, after, transactions",
    [
        (["20.0.0.0/25"], ["20.0.0.0/24"], 2),  # a cut is taken back
        (["20.0.0.0/24"], ["20.0.0.0/25"], 1),  # a cut
        (["20.0.0.0/25"], ["20.0.0.0/25", "20.0.0.128/25"], 1),
        (["20.0.0.0/25", "2603::/32"], ["21.0.0.0/24"], 1),
    ],
)
def test_an_element_comes_back_around_ours_in_two_transactions(monkeypatch, before, after, transactions):
    """nft 0.9.8 refuses a single one, and the revert would try it for ever."""
    held, given = set(before), []

    def read(_place):
        elements = {
            version: [state.Element(one, True, None) for one in parsed(*held) if one.version == version] for version in (4, 6)
        }
        return nft.State(True, elements, {4: {}, 6: {}})

    def run(_argv, stdin=b"", **_rest):
        lines = [line.split(" ", 6) for line in stdin.decode().splitlines()]
        given.append([(line[0], line[6].strip("{ }")) for line in lines])
        for verb, text in given[-1]:
            names = [one.split()[0] for one in text.split(", ")]
            held.difference_update(names) if verb == "delete" else held.update(names)

    monkeypatch.setattr(nft, "read", read)
    monkeypatch.setattr(nft_moves, "run", run)
    place = place_of(dict(SET, set6="hubs6"))
    nft_moves.move(place, read(place), {"prefixes": after})
    assert (held, len(given)) == (set(after), transactions)


def test_elements_in_every_form_that_nft_lists():
    elem = [
        "20.0.0.1",
        {"prefix": {"addr": "21.0.0.0", "len": 8}},
        {"range": ["22.0.0.1", "22.0.0.9"]},
        {"elem": {"val": "23.0.0.1", "comment": "rootwave", "counter": {"packets": 3, "bytes": 9}}},
        {"elem": {"val": {"prefix": {"addr": "24.0.0.0", "len": 8}}, "comment": "rootwave too", "expires": 5}},
    ]
    table = [{"set": {"name": "hubs", "type": "ipv4_addr", "flags": ["interval"], "elem": elem}}]
    state = nft.read(place_of(SET), table)
    assert (state.own(), len(state.others()), state.found) == (["23.0.0.1/32"], 4, True)
    assert nft.read(place_of(dict(SET, set6="hubs6")), table).found is False


@pytest.mark.parametrize(
    "kind, elem",
    [
        ("inet_service", [80, {"range": [8000, 8010]}, {"elem": {"val": 443, "comment": "web"}}]),
        ("ifname", ["eth0", "wlan0"]),
        ("ipv6_addr", [{"prefix": {"addr": "2001:db8::1:0", "len": 112}}, "2001:db8::5"]),
        (["ipv4_addr", "inet_service"], [{"concat": ["20.0.0.1", 53]}]),
    ],
)
def test_a_set_of_something_else_is_refused_by_its_type(kind, elem):
    """Its elements are not even looked at."""
    place, table = place_of(SET), [{"set": {"name": "hubs", "type": kind, "flags": ["interval"], "elem": elem}}]
    found = nft.read(place, table)
    assert found.others() == []
    assert [one.id for one in nftables._sets(place, found)] == ["allowlist-set-type"]


def test_a_jump_with_a_condition_is_somebody_elses():
    ours, theirs = [{"jump": {"target": "rootwave_forward"}}], [{"counter": None}, {"jump": {"target": "rootwave_forward"}}]
    table = [{"rule": {"chain": "fwd", "handle": 9, "expr": ours}}, {"rule": {"chain": "fwd", "handle": 10, "expr": theirs}}]
    assert nft.read(place_of(CHAIN), table).jumps == (("fwd", 9),)


@pytest.mark.parametrize("words, left", [("Error: Could not process rule: Device or resource busy", True), ("no memory", False)])
def test_a_revert_ends_though_somebody_refers_to_our_chain(monkeypatch, words, left):
    """It lets nothing through any more, and is told; whatever else nft says is tried again."""
    given = []

    def run(_argv, stdin=b"", **_rest):
        given.append(stdin.decode())
        if "delete chain" in given[-1]:
            raise CommandFailed("nft ended with code 1: " + words, code=1)

    now = nft.State(True, {4: []}, {4: {}}, True, True, (443,), (("fwd", 9),))
    monkeypatch.setattr(nft_moves, "run", run)
    monkeypatch.setattr(nft_moves, "read", lambda _place: now)
    ours = switch.Switch("nftables", CHAIN, None, {"prefixes": [], "ports": [443]})
    if not left:
        with pytest.raises(CommandFailed, match="no memory"):
            switch.walk_backward([ours])
        return
    assert switch.walk_backward([ours]) == ["forward: ip filter chain fwd"]
    assert given[1:] == [
        "delete rule ip filter fwd handle 9\nflush chain ip filter rootwave_forward\nflush set ip filter rootwave_forward4\n"
    ]


RULE = [{"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "daddr"}}, "right": "192.0.2.1"}}, {"drop": None}]


@pytest.mark.parametrize(
    "chain, rule, more, kept",
    [
        ({}, [{"xt": {"type": "match", "name": "comment"}}], [], True),
        ({}, [{"counter": {"packets": 0, "bytes": 0}}, *RULE], [], True),
        ({}, RULE, [], False),
        ({}, [{"counter": {}}, *RULE], [{"set": {"name": "hubs"}}], False),
        ({"name": "output"}, [{"counter": {}}, *RULE], [], False),
        ({"prio": -10}, [{"counter": {}}, *RULE], [], False),
    ],
)
def test_a_table_that_iptables_keeps(chain, rule, more, kept):
    """Also where none of its rules has a match of xtables."""
    base = {"family": "ip", "table": "filter", "name": "OUTPUT", "type": "filter", "hook": "output", "policy": "drop", "prio": 0}
    table = [{"chain": dict(base, **chain)}, {"rule": {"chain": "OUTPUT", "handle": 9, "expr": rule}}, *more]
    assert nft_chains._kept_by_iptables(place_of(dict(CHAIN, path="output", chain="OUTPUT")), table) == kept
