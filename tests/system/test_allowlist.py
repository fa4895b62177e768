# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Allowlists on real gateways behind a default-drop egress filter: nft 0.9.8, 1.0.6 and 1.1.3."""

from __future__ import annotations

import pytest

from tests.system.allowlist_site import CHAIN, EACH, RULES, SAMPLE, SET, Site
from tests.system.fleet import wait_until

SITE = Site
WAYS = {"named_set": SET, "managed_chain": CHAIN}
REVERT = "for one in /var/lib/rootwave/pending/*; do [ -d $one ] && python3 -I $one; done"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", EACH)
def test_stage_commit_reboot_retire_revert(site, name, way):
    """The whole way, with what boots in between. Nothing that is not ours changes, at any time."""
    new, old = site.lab.new_address, site.lab.old_address
    place = WAYS[way]
    site.filter(name)
    before = site.rules(name)
    assert not site.reaches(name, new), "the filter filters nothing"
    assert site.reaches(name, old)
    planned = site.phase(name, "stage", place, dry_run=True)
    assert planned["outcome"] == "planned", planned
    assert site.rules(name) == before
    report = site.phase(name, "stage", place)
    assert report["plan"] == planned["plan"]
    assert (report["outcome"], report["revert"]) == ("pending", "armed"), report
    assert site.reaches(name, new)
    site.ask(name, commit=report["pending"])
    site.reboot(name)
    assert site.reaches(name, new), "lost at the reboot"
    again = site.phase(name, "stage", place)
    assert (again["outcome"], again["changed"], again["ran"]) == (
        "done",
        False,
        [["nft", "-j", "list", "table", "inet", "filter"]],
    )
    undone = site.phase(name, "revert", place, undo="stage")
    assert undone["outcome"] == "pending", undone
    site.ask(name, commit=undone["pending"])
    assert site.rules(name) == before
    assert site.ours(name) == ""
    assert not site.reaches(name, new)


@pytest.mark.parametrize("name", EACH)
def test_retire_takes_out_what_only_the_old_ones_needed(site, name):
    """Old addresses that stage let in go when the hub has moved; what traffic they had decides when."""
    new, old = site.lab.new_address, site.lab.old_address
    site.filter(name, elements="192.0.2.44")  # not even the hub's present address: the campaign's old list lets it in
    site.staged(name, CHAIN)
    assert site.reaches(name, old)
    refused = site.phase(name, "retire", CHAIN)
    assert "allowlist-unproven" in [one["id"] for one in refused["blockers"]], refused["blockers"]
    site.move_hub()
    site.alter(name, "systemctl", "restart", "lab-client")
    noisy = site.phase(name, "retire", CHAIN, section={"quiet_period": 3600})
    assert [one["id"] for one in noisy["blockers"]] == ["allowlist-traffic"], noisy["blockers"]
    report = site.retired(name, CHAIN)
    (taken,) = [change for change in report["plan"] if change["action"] == "take-out"]
    assert taken["prefixes"] == [old + "/32"] and taken["packets"][0] > 0, taken
    site.ask(name, commit=report["pending"])
    assert (site.reaches(name, new), site.reaches(name, old)) == (True, False)
    again = site.phase(name, "stage", CHAIN)  # a campaign that is launched again
    assert (again["outcome"], again["plan"]) == ("done", []), again
    assert [one["id"] for one in again["findings"] if one["id"].startswith("allowlist-retired")], again["findings"]
    assert again["committed_at"] == site.report(name)["committed_at"]
    site.move_hub_back()  # the way back leads through the filter that it opens
    refused = site.phase(name, "stage", CHAIN)
    assert [one["id"] for one in refused["blockers"]] == ["endpoint-tcp"], refused["blockers"]
    undone = site.phase(name, "revert", CHAIN, undo="retire")
    assert undone["outcome"] == "pending", undone
    assert site.reaches(name, old)
    site.ask(name, commit=undone["pending"])
    assert site.phase(name, "stage", CHAIN)["plan"] == [] and site.reaches(name, old)


@pytest.mark.parametrize("name", EACH)
def test_the_module_commits_over_a_fresh_connection(site, name):
    """Whatever ``confirm`` says. Anchors and addresses in one task, shown by --check --diff before."""
    site.filter(name)
    before = site.rules(name)
    document = site.document("stage", [SET], anchors=True, confirm="auto")
    code, output = site.over_ssh(name, document, "--check", "--diff")
    assert (code, site.rules(name)) == (0, before), output
    assert f"+{site.lab.new_address}/32" in output and "allowlist output: inet filter @hubs" in output, output
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


@pytest.mark.parametrize("name", EACH)
def test_a_bad_allowlist_that_cuts_ssh_reverts_by_itself(site, name):
    """To what is in the set that was named goes MQTT and nothing else, and the control node's address comes into it."""
    only = f"meta l4proto udp th dport 53 accept\n {RULES['hub']}\n ip daddr @hubs drop\n ct state established,related accept"
    site.filter(name, established=only, hub="accept")
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


@pytest.mark.parametrize("name", EACH)
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
    site.execute("gw-02", "sh", "-c", REVERT)
    assert (site.rules("gw-02"), site.ours("gw-02"), site.pending("gw-02")) == (before, "", False)
    site.phase("gw-02", "stage", WAYS[way], kill_at=step)
    assert site.staged("gw-02", WAYS[way])["outcome"] == "pending"
    assert site.reaches("gw-02", site.lab.new_address)
    assert site.stands("gw-02")


@pytest.mark.parametrize("same", [True, False], ids=["the same phase", "another campaign"])
def test_two_runs_at_once(site, same):
    """The second waits for the lock. Then the first one's change is pending: the same phase is that one, another is refused."""
    name, new, other = "gw-02", site.lab.new_address, "198.51.100.77"
    site.filter(name)
    before = site.rules(name)
    first = site.start(name, document=site.document("stage", [SET]), hold_at="armed")
    wait_until(lambda: site.execute(name, "test", "-p", "/core/go").returncode == 0, "the first run's stop")
    document = site.document("stage", [SET], **({} if same else {"new": [new, other], "campaign": "other", "digest": "e" * 64}))
    second = site.start(name, document=document)
    opened = "ls -l /proc/[0-9]*/fd 2>/dev/null | grep -c /var/lib/rootwave/lock"
    wait_until(lambda: int(site.execute(name, "sh", "-c", opened).stdout) == 2, "the second run at the lock")
    assert not first.done() and not second.done() and site.rules(name) == before
    site.execute(name, "sh", "-c", "echo > /core/go")
    report, late = first.result(60), second.result(60)
    assert report["outcome"] == "pending", report
    if same:
        assert (late["outcome"], late["pending"], late["changed"]) == ("pending", report["pending"], False), late
    else:
        assert late["outcome"] == "failed" and "waits for its commit" in late["error"], late
    assert site.execute(name, "ls", "/var/lib/rootwave/pending").stdout.decode().split() == [report["pending"]]
    assert (new in site.rules(name), other in site.rules(name)) == (True, False)
    assert site.ask(name, commit=report["pending"], state="reverted")["outcome"] == "reverted"
    assert site.rules(name) == before
    assert site.stands(name)


def test_disk_full_while_persisting(site):
    site.filter("gw-03")
    # that dd fails is the proof that the file system is full
    fill = "! dd if=/dev/zero of=/etc/nftables.d/.full bs=1k"
    site.alter_mounts("gw-03", f"mount -t tmpfs -o size=16k tmpfs /etc/nftables.d && {fill}")
    before = site.rules("gw-03")
    report = site.phase("gw-03", "stage", SET)
    assert report["outcome"] == "reverted", report
    assert "No space left" in report["error"]
    assert (site.rules("gw-03"), site.ours("gw-03")) == (before, "")
    assert site.stands("gw-03")


def test_disk_full_after_the_kernel_has_changed(site):
    """There was room for the reserve; what fails is the file that boots, and the revert has the reserve's room."""
    site.filter("gw-03")
    site.fill_after("gw-03", "/usr/sbin/nft", "'-f -'", "/etc/nftables.d")
    before = site.rules("gw-03")
    report = site.phase("gw-03", "stage", CHAIN)
    assert report["outcome"] == "reverted" and "No space left" in report["error"], report
    assert site.execute("gw-03", "test", "-e", "/etc/nftables.d/.full").returncode == 0
    assert (site.rules("gw-03"), site.ours("gw-03"), site.pending("gw-03")) == (before, "", False)
    assert site.stands("gw-03")


def test_prefixes_of_an_ip_version_that_a_place_has_not(site):
    """They are left out and told; with nothing else there is nothing to stage."""
    site.filter("gw-02")
    before, six = site.rules("gw-02"), "2603:1030:5::/48"
    refused = site.phase("gw-02", "stage", SET, new=[six])
    assert [one["id"] for one in refused["blockers"]] == ["allowlist-empty"], refused
    assert site.rules("gw-02") == before
    report = site.staged("gw-02", SET, new=[site.lab.new_address, six])
    assert [change["prefixes"] for change in report["plan"]] == [[site.lab.new_address + "/32"]], report["plan"]
    assert any(one["id"].startswith("allowlist-one-version") for one in report["findings"]), report["findings"]
    assert site.reaches("gw-02", site.lab.new_address) and six not in site.rules("gw-02")


def test_somebody_else_changes_it_while_ours_is_pending(site):
    """Their element stays, ours goes."""
    site.filter("gw-01")
    report = site.phase("gw-01", "stage", SET)
    site.alter("gw-01", "nft", "add element inet filter hubs { 198.51.100.0/24 }")
    ended = site.ask("gw-01", commit=report["pending"], state="reverted")
    assert ended["outcome"] == "reverted"
    assert "198.51.100.0/24" in site.rules("gw-01")
    assert site.lab.new_address not in site.rules("gw-01")
    assert site.stands("gw-01")


def test_the_service_stopped_while_ours_is_pending(site):
    """Its stop empties the ruleset; the revert has nothing to take back, says so, and ends all the same."""
    site.filter("gw-01")
    report = site.phase("gw-01", "stage", CHAIN)
    site.alter("gw-01", "systemctl", "stop", "nftables")
    assert site.ask("gw-01", commit=report["pending"], state="reverted")["outcome"] == "reverted"
    assert (site.rules("gw-01"), site.ours("gw-01"), site.pending("gw-01")) == ("", "", False)
    assert site.stands("gw-01")


def test_a_commit_of_what_somebody_undid_is_refused(site):
    """What the new connection has proved is not there any more; so it is not committed, and reverts."""
    site.filter("gw-02")
    before = site.rules("gw-02")
    report = site.phase("gw-02", "stage", SET)
    site.alter("gw-02", "nft", f"delete element inet filter hubs {{ {site.lab.new_address} }}")
    refused = site.ask("gw-02", commit=report["pending"])
    assert "is not as it left it any more" in refused["error"] and site.pending("gw-02"), refused
    assert site.ask("gw-02", commit=report["pending"], state="reverted")["outcome"] == "reverted"
    assert (site.rules("gw-02"), site.ours("gw-02"), site.pending("gw-02")) == (before, "", False)
    assert site.stands("gw-02")


@pytest.mark.parametrize("undo", ["while pending", "by phase revert"])
def test_the_repair_of_a_damaged_chain_is_taken_back(site, undo):
    """Its rules are gone, so nobody knows with which ports it was; a revert that waits for those would never end."""
    new = site.lab.new_address
    site.filter("gw-02")
    site.staged("gw-02", CHAIN)
    site.alter("gw-02", "nft", "flush chain inet filter rootwave_output")
    assert not site.reaches("gw-02", new)
    report = site.phase("gw-02", "stage", CHAIN)
    assert (report["outcome"], [one["action"] for one in report["plan"]]) == ("pending", ["repair"]), report
    if undo == "while pending":
        assert site.ask("gw-02", commit=report["pending"], state="reverted")["outcome"] == "reverted"
    else:
        assert site.ask("gw-02", commit=report["pending"])["outcome"] == "done"
        undone = site.phase("gw-02", "revert", CHAIN, undo="stage")
        assert undone["outcome"] == "pending", undone
        assert site.ask("gw-02", commit=undone["pending"])["outcome"] == "done"
    assert not site.pending("gw-02") and site.reaches("gw-02", new) and site.stands("gw-02")


def test_the_disk_is_read_only_while_ours_is_pending(site):
    """The kernel is the way in, so it is taken back at once; the rest once the disk takes writes again."""
    site.filter("gw-02")
    before = site.rules("gw-02")
    assert site.phase("gw-02", "stage", SET)["outcome"] == "pending"
    state = "/var/lib/rootwave"
    site.alter_mounts("gw-02", f"mount --bind {state} {state} && mount -o remount,bind,ro {state}")
    done = site.execute("gw-02", "sh", "-c", f"! touch {state}/x && {REVERT}")
    assert done.returncode == 1 and b"Read-only file system" in done.stderr, done.stderr
    assert site.rules("gw-02") == before and site.ours("gw-02")
    site.alter_mounts("gw-02", f"umount {state}")
    site.execute("gw-02", "sh", "-c", REVERT)
    assert (site.rules("gw-02"), site.ours("gw-02"), site.pending("gw-02")) == (before, "", False)
    assert site.stands("gw-02")


KILLER = """\
#!/bin/sh
[ "$*" = "-f -" ] || exec /usr/sbin/nft "$@"
{first} "$@"
kill -9 $PPID
"""


@pytest.mark.parametrize("loaded", [False, True], ids=["before it is told", "after it was told"])
@pytest.mark.parametrize("way", WAYS)
def test_killed_between_kernel_and_file(site, way, loaded):
    """nft itself kills the run that has started it."""
    site.filter("gw-03")
    before = site.rules("gw-03")
    script = KILLER.format(first="/usr/sbin/nft" if loaded else "true")
    wrapper = "/usr/local/sbin/nft"
    site.alter("gw-03", "sh", "-euc", f"cat > {wrapper} && chmod 755 {wrapper}", stdin=script.encode())
    site.phase("gw-03", "stage", WAYS[way], kill_at="its own tool")
    site.alter("gw-03", "rm", wrapper)
    assert (site.pending("gw-03"), site.rules("gw-03") == before, site.ours("gw-03")) == (True, not loaded, "")
    site.execute("gw-03", "sh", "-c", REVERT)
    assert (site.rules("gw-03"), site.ours("gw-03"), site.pending("gw-03")) == (before, "", False)
    assert site.stands("gw-03")


@pytest.mark.parametrize(
    "place, spoil",
    [
        (CHAIN, "nft rename chain inet filter output egress"),
        (SET, "sed -i 's/hubs/hub/' /etc/nftables.conf; systemctl restart nftables"),
    ],
    ids=["chain renamed", "set renamed"],
)
def test_the_place_is_gone_between_plan_and_apply(site, place, spoil):
    """Somebody works while the revert is armed: nothing is made anew under the name that was named."""
    name = "gw-02"
    site.filter(name)
    run = site.start(name, document=site.document("stage", [place]), hold_at="armed")
    wait_until(lambda: site.execute(name, "test", "-p", "/core/go").returncode == 0, "the run's stop")
    site.alter(name, "sh", "-euc", spoil)
    spoilt = site.rules(name)
    site.execute(name, "sh", "-c", "echo > /core/go")
    report = run.result(120)
    assert (report["outcome"], report["revert"]) == ("reverted", "reverted"), report
    assert (site.rules(name), site.ours(name), site.pending(name)) == (spoilt, "", False)
    assert site.stands(name)


def test_a_gateway_behind_its_own_filter_is_rescued(site):
    """The hub has moved, only the allowlist knows: what the rehearsal cannot reach is proved after apply."""
    site.filter("gw-02")
    site.move_hub()
    report = site.phase("gw-02", "stage", CHAIN)
    assert report["outcome"] == "pending", report
    assert site.reaches("gw-02", site.lab.new_address)


def test_an_endpoint_that_stays_unreachable_reverts_at_once(site):
    """Rehearsal lets it pass, for its address is to be admitted; nobody listens there on our ports."""
    site.filter("gw-02")
    before = site.rules("gw-02")
    site.move_hub()
    report = site.phase("gw-02", "stage", CHAIN, section={"ports": [443]})
    assert report["outcome"] == "reverted", report
    assert (site.rules("gw-02"), site.ours("gw-02")) == (before, "")


@pytest.mark.parametrize("count", [510, 2000])
@pytest.mark.parametrize("name", SAMPLE)
def test_many_prefixes_in_one_transaction(site, name, count):
    new = [f"20.{number // 250}.{number % 250}.0/25" for number in range(count - 1)] + [site.lab.new_address]
    site.filter(name)
    before = site.rules(name)
    report = site.phase(name, "stage", SET, new=new)
    assert report["outcome"] == "pending", report
    assert site.rules(name).count('comment "rootwave"') == count
    assert site.ask(name, commit=report["pending"], state="reverted")["outcome"] == "reverted"
    assert site.rules(name) == before
    assert site.stands(name)
