# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether old prefixes are quiet: by counters that may begin anew, by sessions, by connection tracking."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible_collections.rootwave.iot.plugins.module_utils.ansible_host import diff_of
from ansible_collections.rootwave.iot.plugins.module_utils.gateway import allowlists
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.allowlists import nft, prefixes, state, traffic
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.allowlists.document import place_of
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.model import PlaceChange, Plan
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.work import Work

from .debian_gateway import wanted as desired
from .test_allowlists import SET, Elsewhere, listed, parsed, section, texts


def counts(forty=None, forty_one=None, counter="a"):
    """Of two prefixes."""
    seen = {"40.0.0.0/8": forty, "41.0.0.0/8": forty_one}
    return {text: traffic.Counted(packets, counter if packets is not None else "") for text, packets in seen.items()}


def test_traffic_by_counters_and_by_sessions():
    seen = traffic.look({}, counts(7), [], [], 1000)
    assert traffic.unquiet(seen, 100, 1050)[0].id == "allowlist-traffic"
    assert traffic.unquiet(seen, 100, 1100) == []
    more = traffic.look(seen, counts(8), [], [], 1100)
    assert "40.0.0.0/8" in traffic.unquiet(more, 100, 1150)[0].detail
    talks = traffic.look(seen, counts(7), parsed("41.1.1.1"), [], 1100)
    assert "41.0.0.0/8" in traffic.unquiet(talks, 100, 1150)[0].detail
    tracked = traffic.look(seen, counts(7), [], parsed("40.1.1.1", "41.1.1.1"), 1100)
    assert (tracked["40.0.0.0/8"]["last"], tracked["41.0.0.0/8"]["last"]) == (None, 1100), (
        "where it counts, tracking is not asked"
    )


def test_a_counter_of_one_place_counts_beside_another_that_has_none(monkeypatch):
    """And what goes through the other one is still looked for."""
    old = prefixes.parse("40.0.0.0/8")
    counts_it = SimpleNamespace(elements={4: [state.Element(old, True, 7)]}, counter="1-2")
    does_not = SimpleNamespace(elements={4: [state.Element(old, True, None)]}, counter="")
    both = traffic.counted([counts_it, does_not], old)
    assert (both.packets, both.partial) == (7, True)
    assert not traffic.counted([counts_it], old).partial and traffic.counted([does_not], old) == traffic.Counted()
    seen = traffic.look({}, {"40.0.0.0/8": both}, [], [], 1000)
    grown = traffic.look(seen, {"40.0.0.0/8": both._replace(packets=8)}, [], [], 1100)
    tracked = traffic.look(seen, {"40.0.0.0/8": both}, [], parsed("40.1.1.1"), 1100)
    silent = traffic.look(seen, {"40.0.0.0/8": both}, [], [], 1100)
    assert [one["40.0.0.0/8"]["last"] for one in (grown, tracked, silent)] == [1100, 1100, None]
    monkeypatch.setattr(traffic, "CONNTRACK", "/proc/none")
    assert [one.id for one in traffic.watch([counts_it, does_not], [old], "/nowhere", 1000)[1]] == ["allowlist-no-conntrack"]
    assert traffic.watch([counts_it], [old], "/nowhere", 1000)[1] == []


@pytest.mark.parametrize(
    "before, after, counter, since, last",
    [
        (7, 0, "a", 1100, None),  # counted from nought: what was before is lost
        (7, 3, "a", 1100, 1100),
        (0, 0, "b", 1100, None),  # loaded again, and what it had seen by then is not known
        (7, 7, "b", 1100, 1100),
        (7, 9, "b", 1100, 1100),
        (None, 0, "a", 1100, None),
        (7, None, "a", 1100, None),
        (7, 7, "a", 1000, None),
    ],
)
def test_a_counter_that_began_anew_is_told(before, after, counter, since, last):
    seen = traffic.look({}, counts(before), [], [], 1000)
    again = traffic.look(seen, counts(after, counter=counter), [], [], 1100)["40.0.0.0/8"]
    assert (again["since"], again["last"], again["packets"]) == (since, last, after)


def test_what_earlier_counters_saw_is_added_up():
    text, record = "40.0.0.0/8", {}
    for packets, counter in ((0, "a"), (7, "a"), (2, "b"), (5, "b")):
        record = traffic.look(record, counts(packets, counter=counter), [], [], 1000)
    assert traffic.total(record[text], traffic.Counted(6, "b")) == 13
    assert traffic.total(record[text], traffic.Counted(1, "c")) == 13
    assert traffic.total(record[text], traffic.Counted()) is None
    assert traffic.total(None, traffic.Counted(4, "b")) == 4


def test_the_counter_is_named_by_boot_table_and_set(monkeypatch, tmp_path):
    """As they come from nft: what is loaded again has new handles, and a table's sets may have their old ones."""
    (tmp_path / "boot").write_text("boot-1\n")
    monkeypatch.setattr(traffic, "BOOT_ID", str(tmp_path / "boot"))
    found = {"set": {"family": "inet", "name": "hubs", "table": "filter", "type": "ipv4_addr", "handle": 2}}
    names = []
    for table in (1, 5):
        now = nft.read(place_of(SET), [{"table": {"family": "inet", "name": "filter", "handle": table}}, found])
        names.append(traffic.counted_by([now]))
    assert names == ["boot-1 1-2", "boot-1 5-2"]


ROWS = """\
ipv4     2 tcp      6 431999 ESTABLISHED src=192.0.2.9 dst=40.1.1.1 sport=5 dport=8883 src=40.1.1.1 dst=192.0.2.9 [ASSURED]
ipv4     2 tcp      6 19 TIME_WAIT src=192.0.2.9 dst=41.1.1.1 sport=6 dport=8883 src=41.1.1.1 dst=192.0.2.9 [ASSURED]
ipv6     10 udp      17 29 src=2001:db8::9 dst=2603:1030::1 sport=7 dport=53 src=2603:1030::1 dst=2001:db8::9
"""


def test_connection_tracking_is_read_only_where_nothing_counts(tmp_path, monkeypatch):
    table = tmp_path / "nf_conntrack"
    monkeypatch.setattr(traffic, "CONNTRACK", str(table))
    assert traffic.tracked_now() is None
    table.write_text("")
    assert traffic.tracked_now() is None, "no rule asks for tracking, so nothing is"
    table.write_text(ROWS)
    assert texts(traffic.tracked_now()) == ["40.1.1.1/32", "192.0.2.9/32", "2001:db8::9/128", "2603:1030::1/128"]
    monkeypatch.setattr(traffic, "tracked_now", lambda: pytest.fail("read in vain"))
    record, findings = traffic.watch([_one_element(7)], parsed("22.0.0.0/8"), str(tmp_path), 1000)
    assert (record["22.0.0.0/8"]["packets"], findings) == (7, [])


def _one_element(packets):
    return nft.State(True, {4: [state.Element(parsed("22.0.0.0/8")[0], True, packets)]}, {4: {}})


def test_neither_counter_nor_tracking_is_a_finding(tmp_path, monkeypatch):
    monkeypatch.setattr(traffic, "CONNTRACK", str(tmp_path / "nf_conntrack"))
    (finding,) = traffic.watch([_one_element(None)], parsed("22.0.0.0/8"), str(tmp_path), 1000)[1]
    assert (finding.id, finding.severity) == ("allowlist-no-conntrack", "warning")
    assert "sockets" in finding.detail and "22.0.0.0/8" in finding.detail
    (tmp_path / "nf_conntrack").write_text(ROWS)
    assert traffic.watch([_one_element(None)], parsed("22.0.0.0/8"), str(tmp_path), 1000)[1] == []


@pytest.mark.parametrize(("old", "lock", "kept"), [([], object(), False), ([], None, True), (listed("22.0.0.0/8"), None, True)])
def test_what_is_no_longer_old_is_no_longer_known_as_watched(old, lock, kept, tmp_path):
    """Else it would count as quiet since long ago, once a campaign names it again."""
    host = Elsewhere()
    host.state_dir = str(tmp_path)
    traffic.save(host.state_dir, {"22.0.0.0/8": {"since": 1, "last": None, "packets": 7, "counter": "", "lost": 0}})
    firewall = allowlists.Firewall(host, desired("stage", allowlist=section(places=[], old=old)))
    firewall.seen = {"place": _one_element(7)}
    firewall.judge(Work(Plan(), (), (), frozenset(), ()), [], lock)
    assert bool(traffic.load(host.state_dir)) is kept


def test_what_is_taken_out_is_listed_with_its_packets():
    change = PlaceChange("output: x", "take-out", ("22.0.0.0/8", "23.0.0.0/8"), (7, None)).as_dict()
    assert change["packets"] == [7, None]
    (diff,) = diff_of({"plan": [change]})
    assert diff["before"] == "22.0.0.0/8  7 packets since stage\n23.0.0.0/8  no counter\n"
