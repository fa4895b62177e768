# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Allowlists on real gateways behind firewalld 0.9.3, 1.3.3 and 2.3.1."""

from __future__ import annotations

import pytest

from tests.system.allowlist_site import EACH, SAMPLE, ids
from tests.system.firewalld_site import FORWARD, RULES, SET, FirewalldSite
from tests.system.fleet import wait_until

SITE = FirewalldSite
WAYS = {"named_set": SET, "managed_rules": RULES}
# the policies of firewalld 0.9 drop what belongs to a connection, so rules of ours are refused there
BOTH = [(name, way) for name in EACH for way in WAYS if (name, way) != ("gw-01", "managed_rules")]
SOME = [(name, way) for name, way in BOTH if name in SAMPLE]
LISTS = [["nft", "-j", "list", "table", "inet", "firewalld"]]
REVERT = "for one in /var/lib/rootwave/pending/*; do [ -d $one ] && python3 -I $one; done"


@pytest.mark.parametrize("name, way", BOTH)
def test_stage_commit_reboot_revert(site, name, way):
    """The whole way, with what boots in between. Nothing that is not ours changes, at any time."""
    new, old, place = site.lab.new_address, site.lab.old_address, WAYS[way]
    site.filter(name)
    before = site.rules(name)
    assert not site.reaches(name, new), "the filter filters nothing"
    assert site.reaches(name, old)
    planned = site.phase(name, "stage", place, dry_run=True)
    assert (planned["outcome"], site.rules(name)) == ("planned", before), planned
    report = site.phase(name, "stage", place)
    assert (report["outcome"], report["revert"], report["plan"]) == ("pending", "armed", planned["plan"]), report
    assert site.reaches(name, new)
    wait_until(lambda: site.both(name, place, new), "firewalld's look at its files")
    site.ask(name, commit=report["pending"])
    staged = site.rules(name)
    site.alter(name, "firewall-cmd", "--reload")
    assert site.both(name, place, new)
    site.reboot(name)
    assert site.reaches(name, new), "lost at the reboot"
    assert site.rules(name) == staged
    again = site.phase(name, "stage", place)
    assert (again["outcome"], again["changed"], again["ran"]) == ("done", False, LISTS)
    undone = site.phase(name, "revert", place, undo="stage")
    assert undone["outcome"] == "pending", undone
    site.ask(name, commit=undone["pending"])
    assert site.rules(name) == before
    wait_until(lambda: len(set(map(tuple, site.listed(name, place)))) == 1, "firewalld's look at its files")
    assert not site.reaches(name, new)
    site.alter(name, "firewall-cmd", "--reload")
    assert not site.reaches(name, new)


@pytest.mark.parametrize("name, way", SOME)
def test_retire_takes_out_what_only_the_old_ones_needed(site, name, way):
    """Old addresses that stage let in go when the hub has moved. firewalld counts nothing: sessions decide when."""
    new, old, place = site.lab.new_address, site.lab.old_address, WAYS[way]
    site.filter(name, "192.0.2.44")  # not even the hub's present address: the campaign's old list lets it in
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
    assert (taken["prefixes"], taken["packets"]) == ([old + "/32"], [None]), taken
    site.ask(name, commit=report["pending"])
    assert (site.reaches(name, new), site.reaches(name, old)) == (True, False)
    undone = site.phase(name, "revert", place, undo="retire")
    assert undone["outcome"] == "pending", undone
    assert site.reaches(name, old)


@pytest.mark.parametrize("name", SAMPLE)
def test_the_module_commits_over_a_fresh_connection(site, name):
    """Whatever ``confirm`` says. Anchors and addresses in one task, shown by --check --diff before."""
    site.filter(name)
    before = site.rules(name)
    document = site.document("stage", [SET], anchors=True, confirm="auto")
    code, output = site.over_ssh(name, document, "--check", "--diff")
    assert (code, site.rules(name)) == (0, before), output
    assert f"+{site.lab.new_address}/32" in output and "allowlist output: firewalld @hubs" in output, output
    code, output = site.over_ssh(name, document)
    assert code == 0, output
    report = site.report(name)
    assert (report["outcome"], report["revert"], {change["store"] for change in report["plan"]}) == (
        "done",
        "committed",
        {"system", "allowlist"},
    )
    assert not site.pending(name)
    assert site.reaches(name, site.lab.new_address)


ZONE = """\
firewall-cmd -q --permanent --new-zone=cut
firewall-cmd -q --permanent --zone=cut --add-source=ipset:printers
firewall-cmd -q --permanent --zone=cut --set-target=DROP
firewall-cmd -q --permanent --new-policy=printing
firewall-cmd -q --permanent --policy=printing --add-ingress-zone=HOST
firewall-cmd -q --permanent --policy=printing --add-egress-zone=cut
firewall-cmd -q --permanent --policy=printing --set-target=ACCEPT
firewall-cmd -q --reload
systemctl restart other-rules
"""


@pytest.mark.parametrize("name", SAMPLE)
def test_a_bad_allowlist_that_cuts_ssh_reverts_by_itself(site, name):
    """The set that was named is a zone that may be talked to and not talk, and the control node's address comes into it."""
    site.filter(name, then="iptables -F; iptables -X\n" + ZONE)
    before = site.rules(name)
    place = {**SET, "set4": "printers"}
    new = [site.lab.dns_address, site.lab.new_address]  # the name server of the lab is where ansible runs
    code, output = site.over_ssh(name, site.document("stage", [place], new=new, old=[], confirm_within=10))
    assert code != 0, output
    assert "not confirmed, so it reverts by itself" in output, output
    wait_until(lambda: not site.pending(name), "the revert")
    assert site.rules(name) == before
    assert site.report(name)["outcome"] == "reverted"
    assert site.stands(name)


@pytest.mark.parametrize("name, way", SOME)
def test_without_a_commit_it_reverts_by_itself(site, name, way):
    site.filter(name)
    before = site.rules(name)
    report = site.phase(name, "stage", WAYS[way], confirm_within=10)
    assert report["outcome"] == "pending"
    wait_until(lambda: not site.pending(name), "the revert")
    assert site.rules(name) == before
    assert "reverted already" in site.ask(name, commit=report["pending"])["error"]
    assert site.stands(name)


@pytest.mark.parametrize("name, way", SOME)
def test_reboot_while_pending(site, name, way):
    site.filter(name)
    before = site.rules(name)
    assert site.phase(name, "stage", WAYS[way], confirm_within=3600)["outcome"] == "pending"
    site.reboot(name)
    wait_until(lambda: not site.pending(name), "the revert at boot")
    assert site.rules(name) == before
    assert site.stands(name)


@pytest.mark.parametrize("step", ["planned", "rehearsed", "armed", "applied", "proved"])
@pytest.mark.parametrize("way", WAYS)
def test_killed_at_a_step(site, way, step):
    """Old or new, never half: the next run ends what the killed one left, and so does the armed revert program."""
    site.filter("gw-02")
    before = site.rules("gw-02")
    site.phase("gw-02", "stage", WAYS[way], kill_at=step)
    site.execute("gw-02", "sh", "-c", REVERT)
    assert (site.rules("gw-02"), site.pending("gw-02")) == (before, False)
    site.phase("gw-02", "stage", WAYS[way], kill_at=step)
    assert site.staged("gw-02", WAYS[way])["outcome"] == "pending"
    assert site.reaches("gw-02", site.lab.new_address)
    assert site.stands("gw-02")


KILLER = """\
#!/bin/sh
case "$*" in *{verb}*) ;; *) exec /usr/bin/firewall-cmd "$@";; esac
{first} "$@"
kill -9 $PPID
"""


@pytest.mark.parametrize("loaded", [False, True], ids=["before it is told", "after it was told"])
@pytest.mark.parametrize("way", WAYS)
def test_killed_between_what_runs_and_the_file(site, way, loaded):
    """firewall-cmd itself kills the run that has started it: the record is written, then what runs has ours, the file not."""
    site.filter("gw-03")
    before = site.rules("gw-03")
    script = KILLER.format(verb="--add-", first="/usr/bin/firewall-cmd" if loaded else "true")
    wrapper = "/usr/local/sbin/firewall-cmd"
    site.alter("gw-03", "sh", "-euc", f"cat > {wrapper} && chmod 755 {wrapper}", stdin=script.encode())
    site.phase("gw-03", "stage", WAYS[way], kill_at="its own tool")
    assert site.pending("gw-03")
    assert (site.rules("gw-03") == before) == (not loaded)
    site.alter("gw-03", "rm", wrapper)
    site.execute("gw-03", "sh", "-c", REVERT)
    assert (site.rules("gw-03"), site.pending("gw-03")) == (before, False)
    assert site.stands("gw-03")


@pytest.mark.parametrize("way, folder", [("named_set", "ipsets"), ("managed_rules", "policies")])
def test_disk_full_while_persisting(site, way, folder):
    """What firewalld's own command would have emptied is whole."""
    site.filter("gw-03")
    where = f"/etc/firewalld/{folder}"
    # that dd fails is the proof that the file system is full
    fill = f"! dd if=/dev/zero of={where}/.full bs=1k"
    script = f"cp -a {where} /root/kept && mount -t tmpfs -o size=32k tmpfs {where} && cp -a /root/kept/. {where} && {fill}"
    site.alter_mounts("gw-03", script)
    before = site.rules("gw-03")
    report = site.phase("gw-03", "stage", WAYS[way])
    assert report["outcome"] == "reverted", report
    assert "No space left" in report["error"]
    assert (site.rules("gw-03"), site.pending("gw-03")) == (before, False)
    assert site.stands("gw-03")


@pytest.mark.parametrize("name, way", SOME)
def test_the_administrator_uses_firewalld_while_ours_is_pending(site, name, way):
    """What they add on either side, or reload, stays as they want it; ours goes."""
    site.filter(name)
    report = site.phase(name, "stage", WAYS[way])
    wait_until(lambda: site.both(name, WAYS[way], site.lab.new_address), "firewalld's look at its files")
    add = "-q --ipset=hubs --add-entry="
    theirs = f"firewall-cmd --permanent {add}198.51.100.0/24; firewall-cmd {add}198.51.100.0/24; firewall-cmd {add}198.51.101.7; "
    theirs += "firewall-cmd -q --permanent --policy=egress --add-port=123/udp"
    site.alter(name, "sh", "-euc", theirs)
    assert site.ask(name, commit=report["pending"], state="reverted")["outcome"] == "reverted"
    left = site.rules(name)
    assert site.lab.new_address not in left
    runs, lasts = site.listed(name, SET)
    assert "198.51.100.0/24" in runs and "198.51.101.7" in runs
    wait_until(lambda: site.lab.new_address not in str(site.listed(name, WAYS[way])), "firewalld's look at its files")
    assert "198.51.100.0/24" in site.listed(name, SET)[1]
    assert '<port port="123" protocol="udp"/>' in left
    assert site.stands(name)


@pytest.mark.parametrize("name, way", SOME)
def test_firewalld_stopped_while_ours_is_pending(site, name, way):
    """There is nothing in the kernel to take back; the files lose ours all the same, or the next start would bring it back."""
    again = "systemctl restart firewalld; firewall-cmd -q --state"  # with direct rules it flushes what others have in iptables
    site.filter(name, then=again)
    before = site.rules(name)
    report = site.phase(name, "stage", WAYS[way])
    site.alter(name, "systemctl", "stop", "firewalld")
    assert site.ask(name, commit=report["pending"], state="reverted")["outcome"] == "reverted"
    assert not site.pending(name)
    site.alter(name, "sh", "-euc", again)
    assert site.rules(name) == before
    assert site.stands(name)


@pytest.mark.parametrize("name, way", SOME)
def test_firewalld_killed_while_ours_is_pending(site, name, way):
    """Its rules stay in the kernel and nobody keeps them: ours go with nft, for the way in is there."""
    again = "systemctl restart firewalld; firewall-cmd -q --state"
    site.filter(name, then=again)
    before, new = site.rules(name), site.lab.new_address
    report = site.phase(name, "stage", WAYS[way])
    kill = "systemctl kill --signal=KILL firewalld; until ! firewall-cmd -q --state; do :; done; nft list table inet firewalld"
    site.alter(name, "sh", "-euc", f"{kill} | grep -q {new}")
    assert site.reaches(name, new)
    assert site.ask(name, commit=report["pending"], state="reverted")["outcome"] == "reverted"
    assert not site.pending(name) and not site.reaches(name, new)
    assert site.stands(name)
    site.alter(name, "sh", "-euc", f"nft delete table inet firewalld; {again}")  # or it would have each rule twice, by itself
    assert site.rules(name) == before


@pytest.mark.parametrize("way, file", [("named_set", "ipsets/hubs.xml"), ("managed_rules", "policies/egress.xml")])
def test_a_file_that_cannot_be_read_any_more_while_ours_is_pending(site, way, file):
    """What runs is taken back all the same; the revert stays armed until somebody has mended the file."""
    name, new = "gw-02", site.lab.new_address
    site.filter(name)
    before = site.rules(name)
    site.phase(name, "stage", WAYS[way])
    site.alter(name, "sh", "-euc", f"cp /etc/firewalld/{file} /root/kept; echo '<half' > /etc/firewalld/{file}")
    done = site.execute(name, "sh", "-c", REVERT)
    assert done.returncode == 1 and b"cannot be read" in done.stderr, done.stderr
    assert site.pending(name) and not site.reaches(name, new) and site.stands(name)
    site.alter(name, "cp", "/root/kept", f"/etc/firewalld/{file}")
    assert site.execute(name, "sh", "-c", REVERT).returncode == 0
    assert (site.rules(name), site.pending(name)) == (before, False)


def test_a_reload_and_a_restart_in_the_middle(site):
    site.filter("gw-02")
    report = site.staged("gw-02", RULES, SET)
    assert report["outcome"] == "pending"
    # its unit has started before its rules are loaded
    site.alter("gw-02", "sh", "-euc", "systemctl restart firewalld; firewall-cmd -q --state")
    assert site.reaches("gw-02", site.lab.new_address)
    again = site.phase("gw-02", "stage", RULES, SET)
    assert (again["outcome"], again["changed"], again["ran"]) == ("done", False, LISTS)


@pytest.mark.parametrize("way", WAYS)
def test_what_was_lost_on_one_side_is_repaired(site, way):
    place = WAYS[way]
    site.filter("gw-03")
    site.staged("gw-03", place)
    staged = site.rules("gw-03")
    new = site.lab.new_address + "/32"
    rule = f'rule family="ipv4" destination address="{new}" port port="8883" protocol="tcp" accept'
    lose = f"--ipset=hubs --remove-entry={new}" if way == "named_set" else f"--policy=egress '--remove-rich-rule={rule}'"
    for side in ("", "--permanent"):
        wait_until(lambda: site.both("gw-03", place, new), "firewalld's look at its files")
        site.alter("gw-03", "sh", "-euc", f"firewall-cmd -q {side} {lose}")
        report = site.phase("gw-03", "stage", place)
        assert [change["action"] for change in report["plan"]] == ["repair"], report
        site.ask("gw-03", commit=report["pending"])
        assert site.reaches("gw-03", site.lab.new_address)
        assert sorted(site.rules("gw-03").splitlines()) == sorted(staged.splitlines()) or side


@pytest.mark.parametrize("name", SAMPLE)
def test_many_prefixes(site, name):
    new = [f"20.{number // 250}.{number % 250}.0/25" for number in range(509)] + [site.lab.new_address]
    site.filter(name)
    before = site.rules(name)
    report = site.phase(name, "stage", SET, new=new)
    assert report["outcome"] == "pending", report
    wait_until(lambda: site.both(name, SET, new[0]), "firewalld's look at its files")
    assert len(site.listed(name, SET)[0]) == 512  # theirs, ours, and what is behind the last line's end
    assert site.ask(name, commit=report["pending"], state="reverted")["outcome"] == "reverted"
    assert site.rules(name) == before


def test_two_ip_versions(site):
    """Entries go to the set of their version; rules of both are in one policy."""
    site.filter("gw-02")
    before = site.rules("gw-02")
    six, new = "2603:1030:5::/48", site.lab.new_address
    report = site.phase("gw-02", "stage", {**SET, "set6": "hubs6"}, FORWARD, new=[new, six])
    assert report["outcome"] == "pending", report
    wait_until(lambda: site.both("gw-02", FORWARD, six) and site.both("gw-02", {**SET, "set4": "hubs6"}, six), "both sides")
    assert site.ask("gw-02", commit=report["pending"], state="reverted")["outcome"] == "reverted"
    assert site.rules("gw-02") == before


RICH = 'rule family="ipv4" destination address="20.0.0.0/24" port port="443" protocol="tcp" accept'
NO_ZONE = "firewall-cmd -q --permanent --policy=from-containers --remove-ingress-zone=containers; firewall-cmd -q --reload"
NOT_LOADED = "firewall-cmd -q --permanent --new-ipset=fresh --type=hash:net"
INSIDE = "firewall-cmd -q --permanent --ipset=hubs --add-entry=40.74.0.5; firewall-cmd -q --reload"
IPTABLES = "sed -i s/^FirewallBackend.*/FirewallBackend=iptables/ /etc/firewalld/firewalld.conf; systemctl restart firewalld"
NFTABLES = {"path": "output", "backend": "nftables", "way": "named_set", "family": "inet", "table": "firewalld", "set4": "hubs"}
CASES = [
    ("gw-01", "allowlist-place", RULES, ""),
    ("gw-02", "allowlist-place", {**RULES, "policy": "nowhere"}, ""),
    ("gw-02", "allowlist-place", {**RULES, "path": "forward"}, ""),
    ("gw-02", "allowlist-place", {**SET, "set4": "printers"}, ""),
    ("gw-03", "allowlist-place", FORWARD, NO_ZONE),
    ("gw-02", "allowlist-missing-set", {**SET, "set4": "nowhere"}, ""),
    ("gw-02", "allowlist-missing-set", {**SET, "set4": "fresh"}, NOT_LOADED),
    ("gw-02", "allowlist-set-type", {**SET, "set4": "banned"}, ""),
    ("gw-02", "allowlist-set-type", {**SET, "set4": "hubs6"}, ""),
    ("gw-03", "allowlist-not-persistent", SET, "systemctl -q disable firewalld"),
    ("gw-03", "allowlist-not-persistent", SET, "firewall-cmd -q --ipset=hubs --add-entry=198.51.100.0/24"),
    ("gw-03", "allowlist-not-persistent", SET, "mv /etc/firewalld/ipsets/hubs.xml /root"),
    ("gw-03", "allowlist-not-persistent", RULES, "mv /etc/firewalld/policies/egress.xml /root"),
    ("gw-02", "allowlist-ruleset", SET, "sed -i 's/<ipset/<ipsot/' /etc/firewalld/ipsets/hubs.xml"),
    ("gw-02", "allowlist-ruleset", SET, "echo '<policy' > /etc/firewalld/policies/more.xml"),
    ("gw-02", "allowlist-overlap", SET, INSIDE),
    ("gw-03", "allowlist-tool", SET, "systemctl stop firewalld"),
    ("gw-03", "allowlist-tool", SET, IPTABLES),
    ("gw-03", "allowlist-tool", SET, "mv /usr/bin/firewall-cmd /root"),
    ("gw-03", "allowlist-tool", SET, "systemctl kill --signal=STOP firewalld"),
    ("gw-03", "allowlist-tool", SET, "firewall-cmd -q --panic-on"),
    ("gw-03", "allowlist-two-backends", NFTABLES, ""),
]


@pytest.mark.parametrize("name, blocker, place, spoil", CASES)
def test_refused_and_nothing_touched(site, name, blocker, place, spoil):
    site.filter(name, then=spoil)
    before = site.rules(name)
    new = ["40.74.0.0/16"] if blocker == "allowlist-overlap" else None
    report = site.phase(name, "stage", place, new=new)
    assert (report["outcome"], blocker in ids(report)) == ("refused", True), report
    assert (site.rules(name), site.pending(name)) == (before, False)


@pytest.mark.parametrize("number", [101, 1])
def test_rules_that_are_too_many_or_there_already(site, number):
    new = [f"20.0.{one}.0/24" for one in range(number)]
    site.filter("gw-02", then=f"firewall-cmd -q --permanent --policy=egress --add-rich-rule='{RICH}'")
    before = site.rules("gw-02")
    report = site.phase("gw-02", "stage", RULES, new=new)
    assert ids(report) == ["allowlist-place" if number > 1 else "allowlist-overlap"], report
    assert site.rules("gw-02") == before
