# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which packets a listing decides about, and how; how far a revert goes that fails on the way. Real rulesets: tests/system."""

from __future__ import annotations

import pytest
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.allowlists import detection, iptables_text, reach, switch
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.allowlists.document import place_of
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.errors import CommandFailed

from .test_allowlists import CHAIN, SET

HUBS = {"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "daddr"}}, "right": "@hubs"}}
SOURCES = {"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": "@hubs"}}
OTHERS = {"match": {**HUBS["match"], "op": "!="}}
PORT = {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 8883}}
ACCEPT, DROP, COUNTER = {"accept": None}, {"drop": None}, {"counter": {"packets": 1, "bytes": 2}}
BY_PORT = {"vmap": {"key": PORT["match"]["left"], "data": {"set": [[8883, {"accept": None}], [22, {"drop": None}]]}}}
TO_CHAIN = {"vmap": {"key": {"meta": {"key": "l4proto"}}, "data": {"set": [["tcp", {"goto": {"target": "hub"}}]]}}}


def table(*rules, hook="output", **chains):
    """One base chain ``out`` with the rules, and more chains with one rule each."""
    of = {"family": "inet", "table": "filter"}
    base = dict(of, name="out", type="filter", hook=hook, policy=chains.pop("policy", "drop"))
    found = [{"chain": base}, *({"chain": dict(of, name=name)} for name in chains)]
    for name, expressions in [*(("out", rule) for rule in rules), *chains.items()]:
        found.append({"rule": dict(of, chain=name, handle=1, expr=expressions)})
    return found


@pytest.mark.parametrize(
    "listed, admits",
    [
        (table([HUBS, PORT, COUNTER, ACCEPT]), True),
        (table([HUBS, BY_PORT]), True),
        (table([OTHERS, DROP]), True),
        (table([HUBS, {"jump": {"target": "hub"}}], hub=[PORT, ACCEPT]), True),
        (table([TO_CHAIN], hub=[HUBS, ACCEPT]), True),
        (table([HUBS, DROP]), False),
        (table([OTHERS, ACCEPT]), False),
        (table([HUBS, COUNTER]), False),
        (table([HUBS, {"log": {"prefix": "accept"}}]), False),
        (table([SOURCES, ACCEPT]), False),
        (table([HUBS, ACCEPT], hook="input"), False),
        (table([COUNTER], hub=[HUBS, ACCEPT]), False),
    ],
)
def test_a_set_admits_where_a_rule_on_the_path_lets_its_destinations_by(listed, admits):
    assert reach.admits(listed, "output", "hubs") is admits


def test_the_paths_of_a_chain():
    listed = table([TO_CHAIN], hub=[ACCEPT], aside=[ACCEPT])
    both = listed + table([{"jump": {"target": "hub"}}], hook="input")[:1]
    both[-1]["chain"]["name"] = "in"
    both.append({"rule": {"chain": "in", "expr": [{"jump": {"target": "hub"}}]}})
    assert [reach.hooks_of(listed, name) for name in ("out", "hub", "aside", "nowhere")] == [["output"], ["output"], [], []]
    assert reach.hooks_of(both, "hub") == ["input", "output"]


@pytest.mark.parametrize(
    "rules, stops",
    [
        ([[PORT, ACCEPT], [COUNTER, DROP]], True),
        ([[{"log": {"prefix": "x"}}, {"reject": {"type": "icmp", "expr": "port-unreachable"}}], [PORT, ACCEPT]], True),
        ([[COUNTER, {"xt": {"type": "target", "name": "REJECT"}}]], True),
        ([[PORT, ACCEPT], [COUNTER, {"xt": None}]], True),
        ([[COUNTER, {"xt": None}], [PORT, ACCEPT]], False),
        ([[COUNTER, {"xt": {"type": "target", "name": "LOG"}}]], False),
        ([[PORT, DROP]], False),
        ([[{"log": {"prefix": "drop"}}]], False),
        ([], False),
    ],
)
def test_a_chain_that_stops_what_is_left(rules, stops):
    assert reach.stops_all(rules) is stops
    listed = table(*rules, policy="accept")
    assert detection._stops_what_is_left(listed[0]["chain"], listed) is stops


@pytest.mark.parametrize(
    "chain, rule, path, rules",
    [
        ("filter_OUT_policy_egress_deny", [HUBS, DROP], "output", True),
        ("filter_OUTPUT_POLICIES", [DROP], "output", True),
        ("filter_OUTPUT", [HUBS, {"reject": None}], "output", False),  # RFC3964_IPv4
        ("filter_IN_public_deny", [DROP], "output", False),
        ("filter_OUT_policy_egress_allow", [HUBS, ACCEPT], "output", False),
        ("filter_FORWARD", [{"reject": None}], "forward", True),
    ],
)
def test_firewalld_rules_the_output_path_where_a_policy_stops_something(chain, rule, path, rules):
    listed = [{"rule": {"family": "inet", "table": "firewalld", "chain": chain, "expr": rule}}]
    assert detection._firewalld(path, listed) is rules


@pytest.mark.parametrize(
    "rule, admits",
    [
        ("-p tcp -m set --match-set hubs dst -m multiport --dports 443,8883 -j ACCEPT", True),
        ("-m set --match-set hubs dst -g egress", True),
        ("-m set ! --match-set hubs dst -j REJECT --reject-with icmp-port-unreachable", True),
        ("-m set --match-set hubs dst -j DROP", False),
        ("-m set ! --match-set hubs dst -j ACCEPT", False),
        ("-m set --match-set hubs src -j ACCEPT", False),
        ("-m set --match-set hubs dst -j LOG", False),
        ("-m set --match-set hubs2 dst -j ACCEPT", False),
        ("-m set --match-set hubs dst", False),
    ],
)
def test_a_set_of_iptables_admits_by_the_same_measure(rule, admits):
    found = iptables_text.rules_of(f"*filter\n:OUTPUT DROP [0:0]\n:egress - [0:0]\n-A OUTPUT {rule}\nCOMMIT\n")
    assert found.admits(["hubs"], "OUTPUT") is admits


class Failing:
    """A tool whose second place cannot be moved."""

    def __init__(self):
        self.moved = []

    def read(self, place):
        return self

    found = True

    def value(self, _place):
        return {"prefixes": ["20.1.0.0/16"]}

    def own(self):
        return ["20.1.0.0/16"]

    def others(self):
        return []

    def move(self, place, _now, wanted, _lock):
        if place.set4 == "second":
            raise CommandFailed("busy is something else")
        self.moved.append((place.set4, wanted["prefixes"]))


def test_a_switch_that_fails_does_not_hold_up_the_others(monkeypatch):
    tool = Failing()
    monkeypatch.setattr(switch, "tool_of", lambda _kind: tool)
    places = [{**SET, "set4": name} for name in ("first", "second", "third")]
    taken = [switch.Switch("nftables", place, {"prefixes": []}, {"prefixes": ["20.1.0.0/16"]}) for place in places]
    with pytest.raises(CommandFailed, match="something else"):
        switch.walk_backward(taken)
    assert tool.moved == [("third", []), ("first", [])]


@pytest.mark.parametrize(
    "place, value, sound",
    [
        (CHAIN, None, None),
        (CHAIN, {"prefixes": [], "ports": [], "damaged": True}, {"prefixes": [], "ports": [443]}),
        (CHAIN, {"prefixes": ["20.1.0.0/16"], "ports": [8883], "damaged": True}, {"prefixes": ["20.1.0.0/16"], "ports": [8883]}),
        ({"path": "output", "backend": "ufw"}, {"prefixes": [], "ports": []}, {"prefixes": [], "ports": []}),
        (SET, {"prefixes": [], "damaged": True}, {"prefixes": []}),
    ],
)
def test_what_was_damaged_comes_back_whole(place, value, sound):
    assert switch.sound(place_of(place), value, {"prefixes": ["20.1.0.0/16"], "ports": [443]}) == sound
