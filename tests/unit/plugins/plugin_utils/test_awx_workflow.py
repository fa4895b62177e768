# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A workflow has no silent end, no way round an approval, and always the same names."""

from __future__ import annotations

import pytest
from ansible_collections.rootwave.iot.plugins.plugin_utils.awx_workflow import approvals_of, nodes_of, stale

WAYS = ("success", "failure", "always")
OLD = ({"name": "Baltimore CyberTrust Root"},)


def campaign(*waves, absent=OLD):
    return {"waves": [wave if isinstance(wave, dict) else {"group": wave} for wave in waves], "absent": absent}


def graph(found):
    return {node["identifier"]: node for node in found}


def made(*waves, **more):
    return nodes_of(campaign(*waves, **more))


def paths(found, start="assess"):
    """Every way through the workflow, as lists of identifiers."""
    node, known = graph(found)[start], [way for name in WAYS for way in graph(found)[start][name]]
    return [[start, *rest] for way in known for rest in paths(found, way)] if known else [[node["identifier"]]]


SAMPLES = [("canary",), ("canary", "early", "broad"), ("canary", {"group": "devices", "via": "twin"})]


@pytest.mark.parametrize("waves", SAMPLES)
@pytest.mark.parametrize("absent", [OLD, []])
def test_all_ways_end_in_a_report_and_every_node_is_on_one(waves, absent):
    found = made(*waves, absent=absent)
    ways = paths(found)
    assert {name for way in ways for name in way} == set(graph(found)) and len(graph(found)) == len(found)
    assert {graph(found)[way[-1]]["template"] for way in ways} == {"report", "help"}
    for node in found:
        if node["template"] not in ("report", "help"):
            assert node["always"] or (node["success"] and node["failure"]), node
    assert [node["identifier"] for node in found if node["template"] == "report"] == ["end"]


def test_all_that_stops_ends_in_help(waves=("canary", "early")):
    """AWX calls a workflow successful while its last jobs are, so the one that tells that it stopped has to fail."""
    found = graph(made(*waves))
    assert {found[way]["template"] for node in found.values() for way in node["failure"]} == {"help"}


def test_the_hubs_inventory_is_read_first():
    found = graph(nodes_of(campaign("canary"), "plant hub"))
    first = found["inventory"]
    assert (first["kind"], first["template"], first["success"], first["failure"]) == (
        "source",
        "plant hub",
        ["assess"],
        ["help-inventory"],
    )
    assert not any("inventory" in node[way] for node in found.values() for way in WAYS)
    assert "inventory" not in graph(made("canary"))


def test_old_addresses_go_in_retire_too():
    waves = [{"group": "canary"}]
    found = nodes_of({"waves": waves, "absent": [], "allowlist": {"old": [{"prefix": "20.0.0.0/24"}]}})
    assert "retire-canary" in graph(found)


def listed(found):
    """As AWX's API lists nodes: ways by id."""
    ids = {node["identifier"]: number for number, node in enumerate(found)}
    ways = [{f"{way}_nodes": [ids[one] for one in node[way]] for way in WAYS} for node in found]
    return [
        {"id": ids[node["identifier"]], "identifier": node["identifier"], **more} for node, more in zip(found, ways, strict=True)
    ]


@pytest.mark.parametrize("before, after", [("abc", "bac"), ("abc", "cba"), ("ab", "abc"), ("abc", "ac"), ("abc", "abc")])
def test_waves_in_another_order_leave_no_way_that_closes_a_circle(before, after):
    """What stays after the stale nodes are gone has no way but wanted ones, in whatever order the others come."""
    there, wanted = listed(made(*before)), made(*after)
    gone = stale(there, wanted)
    assert bool(gone) is (before != after)
    kept = [node for node in there if node["identifier"] not in gone]
    names = {node["id"]: node["identifier"] for node in there}
    for node in kept:
        for way in WAYS:
            assert {names[one] for one in node[f"{way}_nodes"]} <= set(graph(wanted)[node["identifier"]][way]) | set(gone)


@pytest.mark.parametrize("waves", SAMPLES)
def test_no_wave_but_the_first_starts_without_the_approval_of_the_one_before(waves):
    found = made(*waves)
    for way in paths(found):
        steps = [name for name in way if graph(found)[name]["template"] in ("stage", "order", "retire")]
        for before, after in zip(steps, steps[1:], strict=False):
            between = way[way.index(before) + 1 : way.index(after)]
            assert between[0] == f"gate-{before}" and graph(found)[between[1]]["kind"] == "approval" and len(between) == 2


def test_each_gate_knows_the_approval_that_it_writes_to():
    found = graph(made("canary", "early"))
    known = approvals_of(made("canary", "early"))
    assert known["stage-canary"] == {"identifier": "approve-stage-canary", "name": "stage wave early"}
    assert sorted(known) == ["retire-canary", "stage-canary", "stage-early"]
    assert found["gate-stage-canary"]["extra_data"] == {"rootwave_wave": "canary", "rootwave_phase": "stage"}
    assert found["gate-stage-early"]["success"] == ["approve-cutover"] and found["approve-cutover"]["success"] == [
        "retire-canary"
    ]


def test_waves_through_twins_are_ordered_in_both_phases():
    found = graph(made("canary", {"group": "devices", "via": "twin"}))
    assert [found[name]["template"] for name in ("stage-devices", "retire-devices", "retire-canary")] == [
        "order",
        "order",
        "retire",
    ]
    assert found["retire-devices"]["extra_data"] == {"rootwave_wave": "devices", "rootwave_phase": "retire"}


def test_where_no_root_goes_nothing_is_retired():
    found = graph(made("canary", absent=[]))
    assert found["gate-stage-canary"]["success"] == ["end"] and not any(name.startswith("retire") for name in found)


def test_the_same_campaign_gives_the_same_nodes():
    assert made("canary", "early") == made("canary", "early")
