# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What firewalld's files and its table say, and what becomes of them: as data, for real ones are asked in tests/system."""

from __future__ import annotations

import json
import re

import pytest
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.allowlists import (
    firewall_cmd,
    firewalld,
    firewalld_bus,
    firewalld_files,
    own,
    prefixes,
)
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.allowlists.document import place_of
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.errors import CommandFailed

SET = place_of({"path": "output", "backend": "firewalld", "way": "named_set", "set4": "hubs"})
RULES = place_of({"path": "output", "backend": "firewalld", "way": "managed_rules", "policy": "egress"})
# As firewalld writes it, with a comment by hand
IPSET = """\
<?xml version="1.0" encoding="utf-8"?>
<ipset type="hash:net">
  <short>Hubs &amp; more</short>
  <!-- see ticket 4711 -->
  <option name="family" value="inet"/>
  <entry>192.0.2.44</entry>
  <entry>198.51.100.0/24</entry>
  <entry>10.0.0.1-10.0.0.9</entry>
</ipset>
"""
POLICY = """\
<?xml version="1.0" encoding="utf-8"?>
<policy target="DROP">
  <service name="dns"/>
  <rule family="ipv4">
    <destination address="20.1.0.0/16"/>
    <port port="443" protocol="tcp"/>
    <accept/>
  </rule>
  <rule family="ipv4">
    <destination address="20.1.0.0/16"/>
    <port port="443" protocol="tcp"/>
    <log prefix="seen"/>
    <accept/>
  </rule>
  <ingress-zone name="HOST"/>
  <egress-zone name="ANY"/>
</policy>
"""


def item(text, port=0):
    return (prefixes.parse(text), port)


def parsed(text):
    return firewalld_files.parse("/etc/firewalld/x.xml", text.encode())


def test_an_ipset():
    found = parsed(IPSET)
    wide = prefixes.parse("10.0.0.1")._replace(last=prefixes.parse("10.0.0.9").last)
    assert found.items == {item("192.0.2.44/32"), item("198.51.100.0/24"), (wide, 0)}
    assert (found.kind, found.options) == ("hash:net", {"family": "inet"})


@pytest.mark.parametrize(
    "change",
    [
        ('<rule family="ipv4">', '<rule family="ipv4" priority="-5">'),
        ('<rule family="ipv4">', '<rule family="ipv6">'),
        ("<rule", "<role"),
        ('<destination address="20.1.0.0/16"/>', '<destination address="20.1.0.0/16" invert="True"/>'),
        ('<destination address="20.1.0.0/16"/>', '<destination ipset="hubs"/>'),
        ('<destination address="20.1.0.0/16"/>', '<source address="20.1.0.0/16"/>'),
        ('protocol="tcp"', 'protocol="udp"'),
        ('port="443"', 'port="443-445"'),
        ("<accept/>", "<drop/>"),
        ("<accept/>", '<accept><limit value="1/m"/></accept>'),
    ],
)
def test_rules_of_our_form_and_others(change):
    assert parsed(POLICY).items == {item("20.1.0.0/16", 443)}
    text = POLICY.replace(*change)
    text = text.replace("</rule>", "</role>") if change[1] == "<role" else text
    assert parsed(text).items == set()


@pytest.mark.parametrize(
    "text, come, gone",
    [
        (IPSET, [item("20.1.0.0/16"), item("20.2.3.4/32")], [item("192.0.2.44/32")]),
        (POLICY, [item("20.2.0.0/16", 443), item("2603:1030::/32", 8883)], [item("20.1.0.0/16", 443)]),
    ],
)
def test_ours_go_in_and_out_and_the_rest_stays_byte_for_byte(text, come, gone):
    with_ours = firewalld_files.edited(parsed(text), frozenset(), frozenset(come))
    assert parsed(with_ours).items == parsed(text).items | set(come)
    assert set(text.splitlines()) <= set(with_ours.splitlines())
    assert firewalld_files.edited(parsed(with_ours), frozenset(come), frozenset()) == text
    without = firewalld_files.edited(parsed(text), frozenset(gone), frozenset())
    assert parsed(without).items == parsed(text).items - set(gone)
    assert firewalld_files.edited(parsed(text), frozenset(), frozenset()) == text


def test_ours_in_the_form_of_somebody_else():
    """firewalld writes an address without its length, and an editor indents by tabs."""
    text = IPSET.replace("  <entry>192.0.2.44</entry>\n", "\t<entry> 192.0.2.44 </entry>")
    assert "192.0.2.44" not in firewalld_files.edited(parsed(text), frozenset([item("192.0.2.44/32")]), frozenset())


@pytest.mark.parametrize(
    "spoil",
    [
        ("<entry>192.0.2.44</entry>", "<entry><!-- old -->192.0.2.44</entry>"),
        ("<entry>192.0.2.44</entry>", "<entry>192.0.2.44</entry><!-- <entry>198.51.100.0/24</entry> -->"),
    ],
)
def test_what_cannot_be_taken_out_safely_is_not_touched(spoil):
    text = IPSET.replace(*spoil)
    with pytest.raises(CommandFailed, match="not as firewalld writes it") if "<!-- old" in text else _nothing():
        found = firewalld_files.edited(parsed(text), frozenset([item("192.0.2.44/32")]), frozenset())
        assert parsed(found).items == parsed(text).items - {item("192.0.2.44/32")}


class _nothing:
    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        return False


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<ipset",
        "<ipset/>\udcff",
        '<!DOCTYPE x [<!ENTITY a "b">]>\n<ipset>&a;</ipset>',
        "<a>" + " " * firewalld_files.SIZE_MOST,
    ],
)
def test_no_file_of_firewalld(text):
    with pytest.raises(CommandFailed, match="x.xml"):
        firewalld_files.parse("/etc/firewalld/x.xml", text.encode("utf-8", "surrogateescape"))


def match(left, right, op="=="):
    return {"match": {"op": op, "left": left, "right": right}}


DADDR = match({"payload": {"protocol": "ip", "field": "daddr"}}, {"prefix": {"addr": "20.1.0.0", "len": 16}})
DPORT = match({"payload": {"protocol": "tcp", "field": "dport"}}, 443)
NEW = match({"ct": {"key": "state"}}, {"set": ["new", "untracked"]})


@pytest.mark.parametrize(
    "expressions, found",
    [
        ([DADDR, DPORT, {"accept": None}], True),
        ([DADDR, DPORT, NEW, {"accept": None}], True),  # 0.9.3
        ([DADDR, DPORT, {"counter": {"packets": 3, "bytes": 1}}, {"accept": None}], True),  # NftablesCounters of 2.3
        ([DADDR, DPORT, {"drop": None}], False),
        ([DADDR, {"accept": None}], False),
        ([DADDR, DPORT, match({"meta": {"key": "oifname"}}, "eth0"), {"accept": None}], False),
        ([match(DADDR["match"]["left"], DADDR["match"]["right"], "!="), DPORT, {"accept": None}], False),
        ([match(DADDR["match"]["left"], "@hubs"), DPORT, {"accept": None}], False),
        ([DADDR, match(DPORT["match"]["left"], {"range": [443, 445]}), {"accept": None}], False),
    ],
)
def test_a_rule_in_the_kernel(expressions, found):
    assert firewall_cmd._rule(expressions) == (item("20.1.0.0/16", 443) if found else None)


CHAIN = "filter_OUT_policy_egress_allow"
ESTABLISHED = match({"ct": {"key": "state"}}, {"set": ["established", "related"]})
TABLE = [
    {"set": {"name": "hubs", "type": "ipv4_addr", "flags": ["interval"], "elem": ["192.0.2.44"]}},
    {"chain": {"name": CHAIN}},
    {"rule": {"chain": CHAIN, "expr": [DADDR, DPORT, {"accept": None}]}},
    {"rule": {"chain": CHAIN, "expr": [match(DADDR["match"]["left"], "@hubs"), DPORT, {"accept": None}]}},
    {"rule": {"chain": "filter_OUTPUT", "expr": [ESTABLISHED, {"accept": None}]}},
]


def bus(owned=b"b true", state=b's "RUNNING"', panic=b"b false"):
    """What busctl answers; an exception is raised."""

    def run(argv, **_rest):
        assert argv[0] == "busctl"
        answer = {"get-property": state, "call": panic if argv[-1] == "queryPanicMode" else owned}[argv[2]]
        if isinstance(answer, CommandFailed):
            raise answer
        return answer + b"\n"

    return run


@pytest.fixture
def etc(monkeypatch, tmp_path):
    """firewalld's folder and our record in a folder; what firewall-cmd is told goes to a list, it runs, and nft answers TABLE."""
    told = []

    def run(argv, stdin=b"", **_rest):
        told.append(argv)
        return b""

    for kind in ("ipsets", "policies"):
        (tmp_path / kind).mkdir()
    monkeypatch.setattr(firewalld_files, "FOLDER", str(tmp_path))
    monkeypatch.setattr(own, "PATH", str(tmp_path / "own.json"))
    monkeypatch.setattr(firewall_cmd, "run", run)
    monkeypatch.setattr(firewalld_bus, "run", bus())
    monkeypatch.setattr(firewall_cmd, "list_table", lambda _place: json.loads(json.dumps(TABLE)))
    (tmp_path / "ipsets" / "hubs.xml").write_text(IPSET.replace("  <entry>198.51.100.0/24</entry>\n", ""))
    (tmp_path / "policies" / "egress.xml").write_text(POLICY)
    return tmp_path, told


def test_what_is_ours_is_in_the_record_and_on_a_side(etc):
    assert firewall_cmd.read(SET).value(SET) == {"prefixes": []}
    own.save(SET.label, {"192.0.2.44/32", "20.9.0.0/16"})
    assert firewall_cmd.read(SET).value(SET) == {"prefixes": ["192.0.2.44/32"]}
    own.save(SET.label, {"10.0.0.0/30"})
    assert firewall_cmd.read(SET).value(SET) == {"prefixes": []}
    own.save(RULES.label, {"20.1.0.0/16 443", "20.1.0.0/16 8883"})
    assert firewall_cmd.read(RULES).value(RULES) == {"prefixes": ["20.1.0.0/16"], "ports": [443]}
    own.save(RULES.label, ())
    now = firewall_cmd.read(RULES)
    assert (now.value(RULES), now.admitted([443]), now.admitted([443, 8883])) == (
        {"prefixes": [], "ports": []},
        ([prefixes.parse("20.1.0.0/16")], [prefixes.parse("20.1.0.0/16")]),
        ([], [prefixes.parse("20.1.0.0/16")]),
    )


def test_what_is_on_one_side_only_is_damaged(etc):
    folder, _told = etc
    own.save(SET.label, {"192.0.2.44/32"})
    path = folder / "ipsets" / "hubs.xml"
    path.write_text(path.read_text().replace("192.0.2.44", "192.0.2.45"))
    assert firewall_cmd.read(SET).value(SET) == {"prefixes": ["192.0.2.44/32"], "damaged": True}
    path.unlink()
    assert not firewall_cmd.read(SET).found


def test_a_move_tells_what_runs_first_and_then_the_file(etc, monkeypatch):
    folder, told = etc
    path = folder / "ipsets" / "hubs.xml"
    path.chmod(0o640)
    before = path.read_text()
    wanted = {"prefixes": ["20.1.0.0/16", "20.2.0.0/16"]}
    firewall_cmd.move(SET, firewall_cmd.read(SET), wanted)
    add = ["firewall-cmd", "--ipset=hubs", "--add-entry=20.1.0.0/16", "--add-entry=20.2.0.0/16"]
    assert told == [add]
    assert "  <entry>20.2.0.0/16</entry>\n</ipset>" in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o640
    assert own.load(SET.label) == set(wanted["prefixes"])
    firewall_cmd.move(SET, firewall_cmd.read(SET), {"prefixes": []})
    assert (path.read_text(), own.load(SET.label)) == (before, set())


def test_a_stopped_firewalld_is_no_reason_to_keep_ours_in_the_file(etc, monkeypatch):
    folder, _told = etc
    before = (folder / "policies" / "egress.xml").read_text()

    firewall_cmd.move(RULES, firewall_cmd.read(RULES), {"prefixes": ["20.3.0.0/16"], "ports": [443, 8883]})
    monkeypatch.setattr(firewalld_bus, "run", bus(owned=b"b false"))
    monkeypatch.setattr(firewall_cmd, "list_table", lambda _place: None)
    firewall_cmd.move(RULES, firewall_cmd.read(RULES), {"prefixes": [], "ports": []})
    assert (folder / "policies" / "egress.xml").read_text() == before


def test_one_that_hangs_is_tried_again(etc, monkeypatch):
    monkeypatch.setattr(firewalld_bus, "run", bus(state=CommandFailed("did not end within 60 s")))
    with pytest.raises(CommandFailed, match="did not end"):
        firewall_cmd.move(SET, firewall_cmd.read(SET), {"prefixes": []})


@pytest.mark.parametrize("state, runs", [('s "RUNNING"', True), ('s "FAILED"', True), ('s "INIT"', False)])
def test_it_runs_with_its_stock_configuration_too(monkeypatch, state, runs):
    monkeypatch.setattr(firewalld_bus, "run", bus(state=state.encode()))
    assert firewalld_bus.running() is runs
    monkeypatch.setattr(firewalld_bus, "run", bus(state=b""))
    with pytest.raises(CommandFailed, match="gave no answer"):
        firewalld_bus.running()


@pytest.mark.parametrize(
    "panic, words", [(b"b false", ""), (b"b true", "panic mode"), (CommandFailed("no bus"), r"does not answer \(no bus\)")]
)
def test_who_is_in_panic_or_does_not_answer_is_left_alone(monkeypatch, panic, words):
    monkeypatch.setattr(firewalld_bus, "run", bus(panic=panic))
    blockers = firewalld.before_change({}, [RULES])
    assert [one.id for one in blockers] == (["allowlist-tool"] if words else [])
    assert not words or re.search(words, blockers[0].detail)
    assert firewalld.before_change({}, []) == []


def test_what_stands_against_a_policy(etc, monkeypatch):
    assert firewalld.look([RULES])[1] == []
    old = [one for one in TABLE if one.get("rule", {}).get("chain") != "filter_OUTPUT"]
    monkeypatch.setattr(firewall_cmd, "list_table", lambda _place: old)
    (found,) = firewalld.look([RULES])[1]
    assert found.id == "allowlist-place" and "older than 1.0" in found.detail
