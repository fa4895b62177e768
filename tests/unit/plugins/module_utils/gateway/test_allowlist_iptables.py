# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What iptables and ipset list, what they are told, and what becomes of an administrator's files: as data."""

from __future__ import annotations

import pytest
from ansible_collections.rootwave.iot.plugins.module_utils.gateway import transaction
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.allowlists import (
    ipset_text,
    ipsets,
    iptables,
    iptables_files,
    iptables_text,
    own,
    prefixes,
    switch,
    wanted,
)
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.allowlists.document import place_of

SET = {"path": "output", "backend": "iptables", "way": "named_set", "set4": "hubs"}
CHAIN = {"path": "output", "backend": "iptables", "way": "managed_chain", "family": "ip", "chain": "OUTPUT"}
PORTS = [443, 8883]
SETS = """\
# by hand
create hubs hash:net family inet hashsize 1024 maxelem 65536 counters comment bucketsize 12 initval 0x78946bd8
add hubs 1.2.3.4 packets 3 bytes 180 comment "add hubs 9.9.9.9 nomatch\u2028"
add hubs 10.0.0.0/8 packets 0 bytes 0

create six hash:net family inet6 hashsize 1024 maxelem 10 counters
add six 2604::1
create sites list:set size 8
add sites hubs
"""
RULES = """\
# by hand
*nat
:OUTPUT ACCEPT [0:0]
-A OUTPUT -j RETURN
COMMIT
*filter
:INPUT ACCEPT [0:0]
:OUTPUT DROP [7:9]
:egress - [0:0]

[3:180] -A OUTPUT -o lo -m comment --comment "-j egress" -j ACCEPT
-A OUTPUT -j egress
-A INPUT -m set --match-set banned src -j DROP
# the hub
-A egress -p tcp -m set --match-set sites dst -j ACCEPT
COMMIT
"""


def parsed(*texts):
    return [prefixes.parse(text) for text in texts]


def test_a_listing_of_sets_is_read():
    found = ipset_text.sets_of(SETS)
    assert [(one.text, one.packets) for one in found["hubs"].entries] == [("1.2.3.4/32", 3), ("10.0.0.0/8", 0)]
    assert (found["six"].most, found["six"].entries[0].packets, found["six"].options["family"]) == (10, None, "inet6")
    assert [one.text for one in found["sites"].entries] == ["hubs"]
    assert ipset_text.clean(found["hubs"]), "a comment is no option"


@pytest.mark.parametrize("gone, come", [((), ["20.0.0.0/16", "1.2.3.4/32"]), (("1.2.3.4/32",), ["20.0.0.0/16"]), ((), [])])
def test_elements_go_into_a_file_and_out_of_it(gone, come):
    """Of the administrator's lines none changes or moves."""
    text = ipset_text.with_elements(SETS, "hubs", gone, come)
    kept = [line for line in SETS.split("\n") if not (gone and line.startswith("add hubs 1.2.3.4"))]
    assert [line for line in text.split("\n") if line in kept or not line.startswith("add hubs")] == kept
    assert {one.text for one in ipset_text.sets_of(text)["hubs"].entries} == {"1.2.3.4/32", "10.0.0.0/8"} - set(gone) | set(come)
    assert ipset_text.with_elements(text, "hubs", set(come) - {"1.2.3.4/32"}, []) == "\n".join(kept)


@pytest.mark.parametrize("ending", ["", "\n"])
def test_a_set_of_ours_comes_last(ending):
    line = ipset_text.made("rootwave_output4", 4)
    text = ipset_text.with_elements(SETS.rstrip("\n") + ending, "rootwave_output4", (), ["20.0.0.0/16"], line)
    assert text == SETS + line + "\nadd rootwave_output4 20.0.0.0/16\n"
    assert ipset_text.without(text, {"rootwave_output4"}) == SETS
    assert ipset_text.as_made(ipset_text.sets_of(text)["rootwave_output4"], 4)


@pytest.mark.parametrize("wrong", ["timeout 5", "forceadd", "family inet6"])
def test_a_set_of_our_name_that_others_made(wrong):
    line = ipset_text.made("x", 4) + " " + wrong
    assert not ipset_text.as_made(ipset_text.sets_of(line)["x"], 4)


def test_rules_are_read_of_the_table_filter_alone():
    found = iptables_text.rules_of(RULES)
    assert found.chains == {"INPUT": "ACCEPT", "OUTPUT": "DROP", "egress": "-"}
    assert found.of("egress") == ["-p tcp -m set --match-set sites dst -j ACCEPT"]
    assert found.reached("OUTPUT") == {"OUTPUT", "egress"}
    assert found.admits(["sites"], "OUTPUT") and not found.admits(["banned", "hubs"], "OUTPUT")


@pytest.mark.parametrize("path", ["output", "forward"])
def test_our_chain_goes_into_a_file_and_out_of_it(path):
    place = place_of(dict(CHAIN, path=path, chain="egress"))
    text = iptables_text.with_place(RULES, place, 4, PORTS)
    found = iptables_text.rules_of(text)
    assert iptables_text.whole(place, 4, found, PORTS)
    assert found.of("egress")[0] == iptables_text.jump(place), "the jump is not on top"
    assert [line for line in text.split("\n") if "rootwave" not in line] == RULES.split("\n")
    assert iptables_text.with_place(text, place, 4, PORTS) == text
    assert iptables_text.ports_of(found.of(place.own_chain)) == tuple(PORTS)
    assert iptables_text.with_place(text, place, 4, None) == RULES


def test_a_chain_without_rules_gets_the_jump_too():
    place = place_of(dict(CHAIN, chain="egress"))
    text = "*filter\n:OUTPUT DROP [0:0]\n:egress - [0:0]\nCOMMIT\n"
    assert iptables_text.whole(place, 4, iptables_text.rules_of(iptables_text.with_place(text, place, 4, PORTS)), PORTS)


def test_more_ports_than_one_match_takes():
    place, ports = place_of(CHAIN), list(range(1000, 1016))
    rules = iptables_text.expected(place, 4, ports)
    assert len(rules) == 2 and iptables_text.ports_of(rules) == tuple(ports)


def test_a_jump_stays_where_an_administrator_has_put_something_before_it():
    place = place_of(CHAIN)
    found = iptables_text.rules_of(
        iptables_text.with_place(RULES, place, 4, PORTS).replace("*filter\n", "*filter\n-A OUTPUT -j LOG\n")
    )
    assert "OUTPUT" not in iptables_text.change(place, 4, found, [443])
    assert "-I OUTPUT 1" in iptables_text.change(place, 4, iptables_text.rules_of(RULES), PORTS)


@pytest.mark.parametrize(
    "rule",
    [
        "-A egress -j rootwave_output",
        "-A egress -m set --match-set rootwave_output4 dst -j ACCEPT",
        "-A egress -g rootwave_output",
    ],
)
def test_rules_of_others_that_hold_on_to_ours(rule):
    place, text = place_of(CHAIN), iptables_text.with_place(RULES, place_of(CHAIN), 4, PORTS)
    assert iptables_text.rules_of(text).strangers(place) == []
    found = iptables_text.rules_of(text.replace("# the hub", rule))
    assert found.strangers(place) == [rule.partition("egress ")[2]]


@pytest.mark.parametrize(
    "line, why",
    [
        ("create hubs hash:ip,port family inet", "type"),
        ("create hubs hash:net family inet6", "family"),
        ("create hubs hash:net family inet timeout 0", "expire"),
        ("create hubs hash:net family inet counters forceadd", "loses"),
        ("create hubs hash:ip family inet netmask 24", "one size"),
        ("create hubs hash:net family inet\nadd hubs 10.0.0.0/8 nomatch", "nomatch"),
        ("create hubs hash:net family inet counters", ""),
        ("create hubs hash:ip", ""),
    ],
)
def test_which_sets_take_prefixes(line, why):
    found = iptables._unfit(ipset_text.sets_of(line)["hubs"], 4)
    assert why in found and bool(why) == bool(found)


@pytest.mark.parametrize(
    "line, texts, refused",
    [
        ("create hubs hash:net maxelem 2\nadd hubs 10.0.0.0/8", ["20.0.0.0/16"], False),
        ("create hubs hash:net maxelem 2\nadd hubs 10.0.0.0/8", ["20.0.0.0/16", "21.0.0.0/16"], True),
        ("create hubs hash:ip", ["20.0.0.1/32"], False),
        ("create hubs hash:ip", ["20.0.0.0/31"], True),
    ],
)
def test_a_set_has_room(line, texts, refused):
    found = iptables._room(place_of(SET), ipset_text.sets_of(line)["hubs"], texts)
    assert [one.id for one in found] == ["allowlist-set-type"] * refused


@pytest.mark.parametrize(
    "chain, path, blocked",
    [
        ("OUTPUT", "output", False),
        ("egress", "output", False),
        ("INPUT", "output", True),
        ("OUTPUT", "forward", True),
        ("shared", "output", True),
        ("nowhere", "output", True),
        ("lost", "output", True),
    ],
)
def test_a_chain_is_on_its_path_and_on_no_other(chain, path, blocked):
    """A chain that input rules go through too is none that we touch."""
    more = ":lost - [0:0]\n:shared - [0:0]\n-A OUTPUT -j shared\n-A INPUT -g shared\n"
    found = iptables_text.rules_of(RULES.replace(":egress", more + ":egress"))
    now = ipsets.State(True, {}, {}, (4,), {4: found})
    place = place_of(dict(CHAIN, path=path, chain=chain))
    assert [one.id for one in iptables._chain(place, now)] == ["allowlist-place"] * blocked


@pytest.fixture
def boot(tmp_path, monkeypatch):
    """Files for boot in a folder of the test's own."""
    layout = iptables_files.LAYOUTS[0]._replace(sets=str(tmp_path / "ipsets"), rules={4: str(tmp_path / "v4")})
    (tmp_path / "ipsets").write_text(SETS)
    (tmp_path / "v4").write_text(RULES)
    monkeypatch.setattr(iptables_files, "layout", lambda: layout)
    monkeypatch.setattr(own, "PATH", str(tmp_path / "own.json"))
    return tmp_path


def test_what_is_ours_in_the_files_is_part_of_a_value(boot):
    """A kernel and a file that differ are seen, whichever of them was lost."""
    place, record = place_of(SET), {4: {"20.0.0.0/16", "21.0.0.0/16"}}
    assert iptables_files.kept(place, record, {4: []})
    iptables_files.write(iptables_files.future(place, {"prefixes": ["20.0.0.0/16"]}, record))
    assert iptables_files.kept(place, record, {4: ["20.0.0.0/16"]})
    assert not iptables_files.kept(place, record, {4: []})
    assert not iptables_files.kept(place, record, {4: ["20.0.0.0/16", "21.0.0.0/16"]})
    iptables_files.write(iptables_files.future(place, {"prefixes": []}, record))
    assert (boot / "ipsets").read_text() == SETS


def test_our_chain_in_the_files(boot):
    place = place_of(CHAIN)
    assert iptables_files.kept(place, None, {4: None})
    iptables_files.write(iptables_files.future(place, {"prefixes": ["20.0.0.0/16"], "ports": PORTS}))
    assert iptables_files.kept(place, None, {4: (["20.0.0.0/16"], PORTS)})
    assert not iptables_files.kept(place, None, {4: None})
    assert not iptables_files.kept(place, None, {4: (["20.0.0.0/16"], [443])})
    iptables_files.write(iptables_files.future(place, None))
    assert ((boot / "ipsets").read_text(), (boot / "v4").read_text()) == (SETS, RULES)


def test_what_somebody_else_has_added_does_not_become_ours(boot, monkeypatch):
    """And is not taken out with what is ours."""
    place, told = place_of(SET), []
    monkeypatch.setattr(ipsets, "_restore_sets", lambda lines, _lock: told.extend(lines))
    now = ipsets._read_named(place, {4: ipset_text.sets_of(SETS)["hubs"]}, None)
    ipsets.move(place, now, {"prefixes": ["1.2.3.4/32", "20.0.0.0/16"]})
    assert told == ["add hubs 20.0.0.0/16"]
    assert own.load("ipset hubs") == {"20.0.0.0/16"}
    ipsets.move(place, now, {"prefixes": []})
    assert told == ["add hubs 20.0.0.0/16"] and own.load("ipset hubs") == set()
    assert (boot / "ipsets").read_text() == SETS


def test_what_is_admitted_is_not_added_once_more():
    """The elements of a hash:net overlap as they like, so a prefix around somebody else's comes whole."""
    plan = wanted.stage(parsed("20.0.0.0/16", "10.1.0.0/16"), [], [], [], parsed("20.0.5.0/24", "10.0.0.0/8"))
    assert (plan.add, plan.overlaps) == (tuple(parsed("20.0.0.0/16")), ())
    plan = wanted.stage(parsed("20.0.0.0/23"), [], parsed("20.0.0.0/24"), [], parsed("20.0.1.0/24"))
    assert plan.add == (), "the very same element would come"


def test_the_revert_program_has_what_the_tool_needs():
    item = switch.Switch("iptables", SET, {"prefixes": []}, {"prefixes": ["20.0.0.0/24"]})
    names = {name.split("/")[-1] for name in transaction._program((item,)) if "allowlists" in name}
    wanted_names = {"ipsets", "ipset_text", "iptables_text", "iptables_files", "own", "document", "prefixes", "state", "switch"}
    assert names == {name + ".py" for name in {"__init__", *wanted_names}}


@pytest.mark.parametrize("enabled, missing", [(True, ""), (False, "not enabled")])
def test_a_layout_is_told_by_what_is_enabled(tmp_path, monkeypatch, enabled, missing):
    monkeypatch.setattr(iptables_files, "WANTS", str(tmp_path) + "/*.wants/")
    layout = iptables_files.LAYOUTS[1]._replace(sets=str(tmp_path / "s"), rules={4: str(tmp_path / "4"), 6: str(tmp_path / "6")})
    for path in layout.paths:
        open(path, "w").close()
    (tmp_path / "basic.target.wants").mkdir()
    for unit in layout.units if enabled else layout.units[:1]:
        (tmp_path / "basic.target.wants" / unit).touch()
    assert missing in iptables_files.lacking(layout, (4, 6)) and bool(missing) == bool(iptables_files.lacking(layout))


@pytest.mark.parametrize(
    "old, new, line",
    [
        ("", "", ""),
        ("-A egress", "-A egres", "-A egres -p tcp -m set --match-set sites dst -j ACCEPT"),
        (":egress - [0:0]\n", "", "-A OUTPUT -j egress"),
        ("-j egress\n", "-g elsewhere\n", "-A OUTPUT -g elsewhere"),
        ("*filter\n", "*mangle\n:egress - [0:0]\nCOMMIT\n*filter\n", ""),
    ],
)
def test_a_rule_without_its_chain(old, new, line):
    """Which iptables-restore --test takes, and boot does not; a quoted '-j egress' is no target."""
    assert iptables_text.undeclared(RULES.replace(old, new) if old else RULES) == line
