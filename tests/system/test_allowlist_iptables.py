# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Allowlists on real gateways behind iptables and ipset: ipset 7.10, 7.17 and 7.22, iptables 1.8.7, 1.8.9 and 1.8.11."""

from __future__ import annotations

import re

import pytest

from tests.system.allowlist_site import EACH, SAMPLE, ids
from tests.system.fleet import wait_until
from tests.system.iptables_site import BOTH, CHAIN, SET, IptablesSite

SITE = IptablesSite
WAYS = {"named_set": SET, "managed_chain": CHAIN}
RULES4 = ["iptables-save", "-t", "filter"]
LISTS = {
    "named_set": [RULES4, ["ipset", "save", "hubs"]],
    "managed_chain": [RULES4, ["ipset", "save", "rootwave_output4"]],
}
V6 = "2603:1030:5::/48"
LEGACY = "".join(f"update-alternatives --quiet --set {one} /usr/sbin/{one}-legacy;" for one in ("iptables", "ip6tables"))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", EACH)
def test_stage_commit_reboot_revert(site, name, way):
    """The whole way, with what boots in between. Nothing that is not ours changes, at any time."""
    new, old, place = site.lab.new_address, site.lab.old_address, WAYS[way]
    site.filter(name)
    before, listed = site.rules(name), site.loaded(name).splitlines()
    assert not site.reaches(name, new), "the filter filters nothing"
    assert site.reaches(name, old)
    planned = site.phase(name, "stage", place, dry_run=True)
    assert (planned["outcome"], site.rules(name)) == ("planned", before), planned
    report = site.phase(name, "stage", place)
    assert (report["outcome"], report["revert"], report["plan"]) == ("pending", "armed", planned["plan"]), report
    assert site.reaches(name, new)
    site.ask(name, commit=report["pending"])
    staged = site.loaded(name)
    assert [line for line in staged.splitlines() if line in listed] == listed, "theirs are not where they were"
    site.alter(name, "netfilter-persistent", "reload")
    assert site.loaded(name) == staged, "a reload is not what is there"
    site.reboot(name)
    assert site.loaded(name) == staged, "lost at the reboot"
    assert site.reaches(name, new)
    again = site.phase(name, "stage", place)
    assert (again["outcome"], again["changed"], again["ran"]) == ("done", False, LISTS[way])
    undone = site.phase(name, "revert", place, undo="stage")
    assert undone["outcome"] == "pending", undone
    site.ask(name, commit=undone["pending"])
    assert (site.rules(name), site.ours(name)) == (before, "")
    assert not site.reaches(name, new)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", SAMPLE)
def test_retire_takes_out_what_only_the_old_ones_needed(site, name, way):
    """Old addresses that stage let in go when the hub has moved; what traffic they had decides when."""
    new, old, place = site.lab.new_address, site.lab.old_address, WAYS[way]
    site.filter(name, "198.51.100.44")  # not even the hub's present address: the campaign's old list lets it in
    site.staged(name, place)
    assert site.reaches(name, old)
    refused = site.phase(name, "retire", place)
    assert "allowlist-unproven" in ids(refused), refused["blockers"]
    site.move_hub()
    site.alter(name, "systemctl", "restart", "lab-client")
    noisy = site.phase(name, "retire", place, section={"quiet_period": 3600})
    assert ids(noisy) == ["allowlist-traffic"], noisy["blockers"]
    report = site.retired(name, place)
    (taken,) = [change for change in report["plan"] if change["action"] == "take-out"]
    assert taken["prefixes"] == [old + "/32"] and taken["packets"][0] > 0, taken
    site.ask(name, commit=report["pending"])
    assert (site.reaches(name, new), site.reaches(name, old)) == (True, False)
    undone = site.phase(name, "revert", place, undo="retire")
    assert undone["outcome"] == "pending", undone
    assert site.reaches(name, old)


@pytest.mark.parametrize("way", WAYS)
def test_an_unconfirmed_revert_is_taken_back(site, way):
    """Phase revert is a change like any other: without its commit what was staged is there again."""
    site.filter("gw-02")
    site.staged("gw-02", WAYS[way])
    staged = site.rules("gw-02")
    undone = site.phase("gw-02", "revert", WAYS[way], undo="stage")
    assert not site.reaches("gw-02", site.lab.new_address)
    assert site.ask("gw-02", commit=undone["pending"], state="reverted")["outcome"] == "reverted"
    assert sorted(site.rules("gw-02").splitlines()) == sorted(staged.splitlines())
    assert site.reaches("gw-02", site.lab.new_address)


@pytest.mark.parametrize("name", SAMPLE)
def test_the_module_commits_over_a_fresh_connection(site, name):
    """Whatever ``confirm`` says. Anchors and addresses in one task, shown by --check --diff before."""
    site.filter(name)
    before = site.rules(name)
    document = site.document("stage", [SET], anchors=True, confirm="auto")
    code, output = site.over_ssh(name, document, "--check", "--diff")
    assert (code, site.rules(name)) == (0, before), output
    assert f"+{site.lab.new_address}/32" in output and "allowlist output: iptables @hubs" in output, output
    code, output = site.over_ssh(name, document)
    assert code == 0, output
    report = site.report(name)
    assert (report["outcome"], report["revert"]) == ("done", "committed")
    assert not site.pending(name)
    assert site.reaches(name, site.lab.new_address)


@pytest.mark.parametrize("name", SAMPLE)
def test_a_bad_allowlist_that_cuts_ssh_reverts_by_itself(site, name):
    """A rule before the one that admits the set drops what is in it, and the control node's address comes into it."""
    dropping = "-A OUTPUT -p udp -m udp --dport 53 -j ACCEPT\\n-A OUTPUT -m set --match-set hubs dst -j DROP"
    dropping = f"sed -i '/^:f2b/a {dropping}' /etc/iptables/rules.v4"
    site.filter(name, "192.0.2.45", then=f"{dropping}; netfilter-persistent reload; iptables -A egress -j ACCEPT")
    before = site.rules(name)
    new = [site.lab.dns_address, site.lab.new_address]  # the name server of the lab is where ansible runs
    code, output = site.over_ssh(name, site.document("stage", [SET], new=new, old=[], confirm_within=10))
    assert code != 0, output
    assert "not confirmed, so it reverts by itself" in output, output
    wait_until(lambda: not site.pending(name), "the revert")
    assert (site.rules(name), site.ours(name)) == (before, "")
    assert site.report(name)["outcome"] == "reverted"
    assert site.stands(name)


@pytest.mark.parametrize("way", WAYS)
def test_without_a_commit_it_reverts_by_itself(site, way):
    site.filter("gw-01")
    before = site.rules("gw-01")
    report = site.phase("gw-01", "stage", WAYS[way], confirm_within=10)
    assert report["outcome"] == "pending"
    wait_until(lambda: not site.pending("gw-01"), "the revert")
    assert (site.rules("gw-01"), site.ours("gw-01")) == (before, "")
    late = site.ask("gw-01", commit=report["pending"])
    assert "reverted already" in late["error"]
    assert site.stands("gw-01")


@pytest.mark.parametrize("name", SAMPLE)
@pytest.mark.parametrize("way", WAYS)
def test_reboot_while_pending(site, name, way):
    site.filter(name)
    before = site.rules(name)
    assert site.phase(name, "stage", WAYS[way], confirm_within=3600)["outcome"] == "pending"
    site.reboot(name)
    wait_until(lambda: not site.pending(name), "the revert at boot")
    assert (site.rules(name), site.ours(name)) == (before, "")
    assert site.stands(name)


@pytest.mark.parametrize("step", ["planned", "rehearsed", "armed", "applied", "proved"])
@pytest.mark.parametrize("way", WAYS)
def test_killed_at_a_step(site, way, step):
    """Old or new, never half: the next run ends what the killed one left, and so does the armed revert program."""
    site.filter("gw-02")
    before = site.rules("gw-02")
    site.phase("gw-02", "stage", WAYS[way], kill_at=step)
    site.execute("gw-02", "sh", "-c", "for one in /var/lib/rootwave/pending/*; do [ -d $one ] && python3 -I $one; done")
    assert (site.rules("gw-02"), site.ours("gw-02"), site.pending("gw-02")) == (before, "", False)
    site.phase("gw-02", "stage", WAYS[way], kill_at=step)
    assert site.staged("gw-02", WAYS[way])["outcome"] == "pending"
    assert site.reaches("gw-02", site.lab.new_address)
    assert site.stands("gw-02")


@pytest.mark.parametrize("way", WAYS)
def test_disk_full_while_persisting(site, way):
    site.filter("gw-03")
    # that dd fails is the proof that the file system is full
    fill = "cp -a /etc/iptables /kept; mount -t tmpfs -o size=32k tmpfs /etc/iptables; cp /kept/* /etc/iptables"
    site.alter_mounts("gw-03", f"{fill}; ! dd if=/dev/zero of=/etc/iptables/.full bs=1k")
    before = site.rules("gw-03")
    report = site.phase("gw-03", "stage", WAYS[way])
    assert report["outcome"] == "reverted", report
    assert "No space left" in report["error"]
    assert (site.rules("gw-03"), site.ours("gw-03")) == (before, "")
    assert site.stands("gw-03")


@pytest.mark.parametrize("way", WAYS)
def test_disk_full_after_the_kernel_has_changed(site, way):
    """There was room for the reserve; what fails are the files that boot, and the revert has the reserve's room."""
    site.filter("gw-03")
    site.fill_after("gw-03", "/usr/sbin/ipset", "'-exist restore'", "/etc/iptables")
    before = site.rules("gw-03")
    report = site.phase("gw-03", "stage", WAYS[way])
    assert report["outcome"] == "reverted" and "No space left" in report["error"], report
    site.alter("gw-03", "rm", "/etc/iptables/.full")
    assert (site.rules("gw-03"), site.ours("gw-03"), site.pending("gw-03")) == (before, "", False)
    assert site.stands("gw-03")


@pytest.mark.parametrize("name", SAMPLE)
@pytest.mark.parametrize("way", WAYS)
def test_an_administrator_works_while_ours_is_pending(site, name, way):
    """What they add, and save with ours in it, stays as they want it; ours goes, from their files too."""
    theirs = "ipset add hubs 198.51.100.0/24; iptables -I OUTPUT 1 -d 198.51.100.9/32 -j REJECT; iptables -A egress -j RETURN; "
    theirs += "netfilter-persistent save"
    site.filter(name)
    report = site.phase(name, "stage", WAYS[way])
    site.alter(name, "sh", "-euc", theirs)
    assert site.lab.new_address in site.files(name), "their save has not taken ours too"
    assert site.ask(name, commit=report["pending"], state="reverted")["outcome"] == "reverted"
    assert site.ours(name) == "" and site.lab.new_address not in site.rules(name)
    left, files = site.loaded(name), site.files(name)
    site.renew()
    site.filter(name, then=theirs)
    assert site.loaded(name) == left
    plain = [comparable(text) for text in (files, site.files(name))]
    assert plain[0] == plain[1]


def comparable(files):
    """Saved files without what differs between two saves: counters, dates, seeds, and the order of a set's elements."""
    lines = [re.sub(r" initval \S+| timeout \d+$|\[\d+:\d+\]| packets \d+ bytes \d+", "", line) for line in files.splitlines()]
    sets = sorted(line for line in lines if line.startswith(("add ", "create ")))
    return sets + [line for line in lines if line and not line.startswith(("add ", "create ", "#"))]


@pytest.mark.parametrize("way", WAYS)
def test_everything_is_flushed_while_ours_is_pending(site, way):
    """The kernel has nothing left; the files lose ours all the same, or the next boot would bring it back."""
    site.filter("gw-01")
    files = site.files("gw-01")
    report = site.phase("gw-01", "stage", WAYS[way])
    empty = "netfilter-persistent flush; ipset destroy sites; timeout 20 sh -c 'until ipset destroy; do :; done'"
    site.alter("gw-01", "sh", "-c", empty)
    assert "hubs" not in site.loaded("gw-01")
    assert site.ask("gw-01", commit=report["pending"], state="reverted")["outcome"] == "reverted"
    assert (site.files("gw-01"), site.ours("gw-01"), site.pending("gw-01")) == (files, "", False)
    assert site.stands("gw-01")


@pytest.mark.parametrize("name", SAMPLE)
def test_a_rule_of_others_holds_on_to_our_chain(site, name):
    """It cannot be removed then; it lets nothing through any more, and the revert ends."""
    site.filter(name)
    report = site.phase(name, "stage", CHAIN)
    site.alter(name, "iptables", "-A", "DOCKER-USER", "-j", "rootwave_output")
    assert site.ask(name, commit=report["pending"], state="reverted")["outcome"] == "reverted"
    assert not site.reaches(name, site.lab.new_address)
    assert site.lab.new_address not in site.rules(name)
    site.alter(name, "iptables", "-D", "DOCKER-USER", "-j", "rootwave_output")
    staged = site.staged(name, CHAIN)
    assert [change["action"] for change in staged["plan"]] == ["admit"] and site.reaches(name, site.lab.new_address)
    assert site.stands(name)


def test_a_set_of_ours_that_others_made_anew_is_swapped(site):
    """Under the rules that refer to it, so that nothing is shut meanwhile."""
    site.filter("gw-03")
    site.staged("gw-03", CHAIN)
    staged = site.loaded("gw-03")
    spoil = "ipset create x hash:net; ipset swap x rootwave_output4; ipset destroy x"
    site.alter("gw-03", "sh", "-euc", spoil)
    assert not site.reaches("gw-03", site.lab.new_address)
    site.staged("gw-03", CHAIN)
    assert site.reaches("gw-03", site.lab.new_address)
    assert site.loaded("gw-03") == staged


@pytest.mark.parametrize("lost", ["kernel", "file"])
@pytest.mark.parametrize("way", WAYS)
def test_what_was_lost_is_repaired(site, way, lost):
    site.filter("gw-01")
    files = site.files("gw-01")
    site.staged("gw-01", WAYS[way])
    staged = site.rules("gw-01")
    if lost == "file":
        first = files.partition("# Written")[0]
        site.alter("gw-01", "sh", "-euc", "cat > /etc/iptables/ipsets", stdin=first.encode())
    else:
        name = WAYS[way].get("set4", "rootwave_output4")
        site.alter("gw-01", "ipset", "del", name, site.lab.new_address)
    report = site.staged("gw-01", WAYS[way])
    assert {change["action"] for change in report["plan"]} <= {"repair", "admit"}
    assert sorted(site.rules("gw-01").splitlines()) == sorted(staged.splitlines())


@pytest.mark.parametrize("name", EACH)
def test_both_versions_and_both_paths(site, name):
    chain = {**CHAIN, "family": "inet"}
    forward = {**chain, "path": "forward", "chain": "FORWARD"}
    site.filter(name)
    before = site.rules(name)
    report = site.phase(name, "stage", BOTH, chain, forward, new=[site.lab.new_address, V6])
    assert report["outcome"] == "pending", report
    rules = site.execute(name, "ip6tables-save", "-t", "filter").stdout.decode()
    for path, built_in in (("output", "OUTPUT"), ("forward", "FORWARD")):
        assert f"-A {built_in} -m comment --comment rootwave -j rootwave_{path}\n" in rules
        assert site.execute(name, "ipset", "test", f"rootwave_{path}6", "2603:1030:5::1").returncode == 0
    for name6, address in (("hubs6", "2603:1030:5::1"), ("hubs", site.lab.new_address)):
        assert site.execute(name, "ipset", "test", name6, address).returncode == 0
    assert site.execute(name, "ipset", "test", "hubs6", "2603:1030:6::1").returncode == 1
    site.ask(name, commit=report["pending"])
    assert site.phase(name, "stage", BOTH, chain, forward, new=[site.lab.new_address, V6])["outcome"] == "done"
    undone = site.phase(name, "revert", BOTH, chain, forward, undo="stage")
    site.ask(name, commit=undone["pending"])
    assert (site.rules(name), site.ours(name)) == (before, "")


@pytest.mark.parametrize("name", EACH)
def test_iptables_legacy(site, name):
    """The same rules in the older of the two tables that the kernel has; nft does not list them."""
    site.alter(name, "sh", "-euc", LEGACY)
    done = site.execute(name, "iptables", "-L", "-n")
    if done.returncode:
        pytest.skip("this kernel has no legacy tables: " + done.stderr.decode().strip())
    site.filter(name)
    before = site.rules(name)
    report = site.staged(name, SET, CHAIN)
    assert report["outcome"] == "pending" and site.reaches(name, site.lab.new_address)
    assert b"rootwave_output" in site.execute(name, "iptables-legacy-save").stdout
    undone = site.phase(name, "revert", SET, CHAIN, undo="stage")
    site.ask(name, commit=undone["pending"])
    assert (site.rules(name), site.ours(name)) == (before, "")
    site.alter(name, "sh", "-euc", LEGACY.replace("-legacy", "-nft"))
    refused = site.phase(name, "stage", {"path": "output", "backend": "none"})
    assert "iptables-legacy" in refused["blockers"][0]["detail"], refused


def test_a_set_of_addresses(site):
    """hash:ip takes addresses one by one; a wider prefix is refused for it."""
    anew = "sed -i 's/^create hubs hash:net/create hubs hash:ip/; /hubs .*25$/d' /etc/iptables/ipsets; "
    anew += "iptables -F; ipset destroy sites; ipset destroy hubs; netfilter-persistent start"
    site.filter("gw-02", then=anew)
    wide = site.phase("gw-02", "stage", SET, new=[site.lab.new_address, "20.5.0.0/16"])
    assert ids(wide) == ["allowlist-set-type"], wide
    site.staged("gw-02", SET)
    assert site.reaches("gw-02", site.lab.new_address)


@pytest.mark.parametrize("count", [510, 2000])
@pytest.mark.parametrize("name", SAMPLE)
def test_many_prefixes_at_once(site, name, count):
    new = [f"20.{number // 250}.{number % 250}.0/25" for number in range(count - 1)] + [site.lab.new_address]
    site.filter(name)
    before = site.rules(name)
    report = site.phase(name, "stage", SET, new=new)
    assert report["outcome"] == "pending", report
    listed = site.execute(name, "ipset", "save", "hubs").stdout.decode()
    assert len(re.findall(r"^add hubs 20\.\S+/25", listed, re.M)) == count - 1
    assert site.ask(name, commit=report["pending"], state="reverted")["outcome"] == "reverted"
    assert site.rules(name) == before
