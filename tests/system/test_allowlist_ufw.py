# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Allowlists on real gateways behind ufw 0.36 and 0.36.2, on iptables-nft and iptables-legacy."""

from __future__ import annotations

import subprocess

import pytest

from tests.system.allowlist_site import EACH, SAMPLE
from tests.system.fleet import wait_until
from tests.system.ufw_site import FORWARD, OUTPUT, UfwSite, ids

SITE = UfwSite
LISTS = [["iptables-save", "-c", "-t", "filter"], ["ip6tables-save", "-c", "-t", "filter"]]
V6 = "2603:1030:5::/48"


@pytest.mark.parametrize("name", EACH)
def test_stage_commit_reboot_revert(site, name):
    """The whole way, with what boots in between. Nothing that is not ours changes, at any time."""
    new, old = site.lab.new_address, site.lab.old_address
    site.filter(name)
    before, listed = site.rules(name), site.status(name)
    assert not site.reaches(name, new), "the filter filters nothing"
    assert site.reaches(name, old)
    planned = site.phase(name, "stage", OUTPUT, dry_run=True)
    assert (planned["outcome"], site.rules(name)) == ("planned", before), planned
    report = site.phase(name, "stage", OUTPUT)
    assert (report["outcome"], report["revert"], report["plan"]) == ("pending", "armed", planned["plan"]), report
    assert site.reaches(name, new)
    assert f"{new} 443,5671,8883/tcp" in site.ours(name), site.ours(name)
    theirs = [line for line in listed if line.startswith("[") and "(v6)" not in line]
    assert [line for line in site.status(name) if line in theirs] == theirs, "their rules have other numbers"
    site.ask(name, commit=report["pending"])
    staged = site.rules(name)
    site.alter(name, "ufw", "reload")
    assert site.rules(name) == staged, "ufw writes our rules another way than we do"
    site.reboot(name)
    assert site.rules(name) == staged, "lost at the reboot"
    assert site.reaches(name, new)
    again = site.phase(name, "stage", OUTPUT)
    assert (again["outcome"], again["changed"], again["ran"]) == ("done", False, LISTS)
    undone = site.phase(name, "revert", OUTPUT, undo="stage")
    assert undone["outcome"] == "pending", undone
    site.ask(name, commit=undone["pending"])
    assert site.rules(name) == before
    assert not site.reaches(name, new)


@pytest.mark.parametrize("name", SAMPLE)
def test_retire_takes_out_what_only_the_old_ones_needed(site, name):
    """Old addresses that stage let in go when the hub has moved; what traffic they had decides when."""
    new, old = site.lab.new_address, site.lab.old_address
    site.filter(name, "192.0.2.44")  # not even the hub's present address: the campaign's old list lets it in
    site.staged(name, OUTPUT)
    assert site.reaches(name, old)
    refused = site.phase(name, "retire", OUTPUT)
    assert "allowlist-unproven" in ids(refused), refused["blockers"]
    site.move_hub()
    site.alter(name, "systemctl", "restart", "lab-client")
    noisy = site.phase(name, "retire", OUTPUT, section={"quiet_period": 3600})
    assert ids(noisy) == ["allowlist-traffic"], noisy["blockers"]
    report = site.retired(name, OUTPUT)
    (taken,) = [change for change in report["plan"] if change["action"] == "take-out"]
    assert taken["prefixes"] == [old + "/32"] and taken["packets"][0] > 0, taken
    site.ask(name, commit=report["pending"])
    assert (site.reaches(name, new), site.reaches(name, old)) == (True, False)
    undone = site.phase(name, "revert", OUTPUT, undo="retire")
    assert undone["outcome"] == "pending", undone
    assert site.reaches(name, old)


def test_what_the_administrator_admits_is_not_added_and_stays(site):
    """Their rule has all our ports, so there is nothing to add; retire tells that it keeps the old address open."""
    old, rule = site.lab.old_address, "ufw allow out proto tcp to {} port 443,5671:8883 comment all"
    site.filter("gw-02", then=rule.format(site.lab.old_address))
    report = site.staged("gw-02", OUTPUT)
    assert [change["prefixes"] for change in report["plan"]] == [[site.lab.new_address + "/32"]], report["plan"]
    site.move_hub()
    site.alter("gw-02", "systemctl", "restart", "lab-client")
    retired = site.phase("gw-02", "retire", OUTPUT)
    (found,) = [one for one in retired["findings"] if one["id"].startswith("allowlist-foreign")]
    assert old in found["detail"] and site.reaches("gw-02", old)
    assert (retired["outcome"], retired["changed"]) == ("done", False), retired


@pytest.mark.parametrize("name", SAMPLE)
def test_the_module_commits_over_a_fresh_connection(site, name):
    """Whatever ``confirm`` says. Anchors and addresses in one task, shown by --check --diff before."""
    site.filter(name)
    before = site.rules(name)
    document = site.document("stage", [OUTPUT], anchors=True, confirm="auto")
    code, output = site.over_ssh(name, document, "--check", "--diff")
    assert (code, site.rules(name)) == (0, before), output
    assert f"+{site.lab.new_address}/32" in output and "allowlist output: ufw rules" in output, output
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


@pytest.mark.parametrize("name", SAMPLE)
def test_a_way_in_that_is_lost_reverts_by_itself(site, name):
    """Rules that let through cannot cut SSH, so something else does: the run's first connection is the last one."""
    once = "add table inet once; add chain inet once way { type filter hook input priority -10; }; "
    once += "add rule inet once way tcp dport 22 ct state new limit rate over 1/day burst 1 packets drop"
    site.filter(name, then=f"nft '{once}'")
    before = site.rules(name)
    code, output = site.over_ssh(name, site.document("stage", [OUTPUT], confirm_within=10))
    assert code != 0 and "not confirmed, so it reverts by itself" in output, output
    wait_until(lambda: not site.pending(name), "the revert")
    assert (site.rules(name), site.report(name)["outcome"]) == (before, "reverted")


@pytest.mark.parametrize("name", SAMPLE)
def test_without_a_commit_it_reverts_by_itself(site, name):
    site.filter(name)
    before = site.rules(name)
    report = site.phase(name, "stage", OUTPUT, FORWARD, confirm_within=10)
    assert report["outcome"] == "pending"
    wait_until(lambda: not site.pending(name), "the revert")
    assert site.rules(name) == before
    assert "reverted already" in site.ask(name, commit=report["pending"])["error"]
    assert site.stands(name)


@pytest.mark.parametrize("name", SAMPLE)
def test_reboot_while_pending(site, name):
    site.filter(name)
    before = site.rules(name)
    assert site.phase(name, "stage", OUTPUT, confirm_within=3600)["outcome"] == "pending"
    site.reboot(name)
    wait_until(lambda: not site.pending(name), "the revert at boot")
    assert site.rules(name) == before
    assert site.stands(name)


REVERT = "for one in /var/lib/rootwave/pending/*; do [ -d $one ] && python3 -I $one; done"


@pytest.mark.parametrize("step", ["planned", "rehearsed", "armed", "applied", "proved"])
def test_killed_at_a_step(site, step):
    """Old or new, never half: the next run ends what the killed one left, and so does the armed revert program."""
    site.filter("gw-02")
    before = site.rules("gw-02")
    site.phase("gw-02", "stage", OUTPUT, kill_at=step)
    site.execute("gw-02", "sh", "-c", REVERT)
    assert (site.rules("gw-02"), site.pending("gw-02")) == (before, False)
    site.phase("gw-02", "stage", OUTPUT, kill_at=step)
    assert site.staged("gw-02", OUTPUT)["outcome"] == "pending"
    assert site.reaches("gw-02", site.lab.new_address)
    assert site.stands("gw-02")


KILLER = """\
#!/bin/sh
case "$*" in *--test*) exec {real} "$@";; esac
{first} "$@"
kill -9 $PPID
"""


@pytest.mark.parametrize("phase", ["stage", "retire"])
@pytest.mark.parametrize("tool", ["iptables-restore", "ip6tables-restore"])
@pytest.mark.parametrize("loaded", [False, True], ids=["before it loads", "after it has loaded"])
def test_killed_between_files_and_kernel(site, phase, tool, loaded):
    """The tool that a move starts kills it: IPv4's file, IPv4's kernel, IPv6's file, IPv6's kernel."""
    site.filter("gw-02", "192.0.2.44")
    asked = {"old": [site.lab.old_address, "2603:1030:6::/48"], "new": [site.lab.new_address, V6]}
    if phase == "retire":
        site.staged("gw-02", OUTPUT, **asked)
        site.move_hub()
        site.alter("gw-02", "systemctl", "restart", "lab-client")
        report = site.retired("gw-02", OUTPUT, **asked)
        assert site.ask("gw-02", commit=report["pending"], state="reverted")["outcome"] == "reverted"
    before = site.rules("gw-02")
    real = f"/usr/sbin/xtables-nft-multi {tool}"
    script = KILLER.format(real=real, first=real if loaded else "true")
    wrapper = f"/usr/local/sbin/{tool}"
    site.alter("gw-02", "sh", "-euc", f"cat > {wrapper} && chmod 755 {wrapper}", stdin=script.encode())
    site.phase("gw-02", phase, OUTPUT, kill_at="its own tool", **asked)
    assert site.pending("gw-02")
    # what goes is in the files until the kernel has lost it
    assert (site.rules("gw-02") == before) == ((phase, tool, loaded) == ("retire", "iptables-restore", False))
    site.alter("gw-02", "rm", wrapper)
    site.execute("gw-02", "sh", "-c", REVERT)
    assert not site.pending("gw-02")
    # what comes back after a retire comes back behind the others
    assert sorted(site.rules("gw-02").splitlines()) == sorted(before.splitlines())
    assert phase == "retire" or site.rules("gw-02") == before


def test_disk_full_while_persisting(site):
    site.filter("gw-03")
    # that dd fails is the proof that the file system is full
    fill = "! dd if=/dev/zero of=/etc/ufw/.full bs=1k"
    script = f"cp -a /etc/ufw /root/ufw && mount -t tmpfs -o size=256k tmpfs /etc/ufw && cp -a /root/ufw/. /etc/ufw && {fill}"
    site.alter_mounts("gw-03", script)
    before = site.rules("gw-03")
    report = site.phase("gw-03", "stage", OUTPUT)
    assert report["outcome"] == "reverted", report
    assert "No space left" in report["error"]
    assert (site.rules("gw-03"), site.pending("gw-03")) == (before, False)
    assert site.stands("gw-03")


def test_disk_full_after_the_kernel_has_changed(site):
    """There was room for the reserve; what fails is IPv6's file once IPv4's rules are loaded."""
    site.filter("gw-03")
    site.fill_after("gw-03", "/usr/sbin/iptables-restore", "*--test*) ;; *--noflush*", "/etc/ufw")
    before = site.rules("gw-03")
    report = site.phase("gw-03", "stage", OUTPUT, new=[site.lab.new_address, V6])
    assert report["outcome"] == "reverted" and "No space left" in report["error"], report
    site.alter("gw-03", "rm", "/etc/ufw/.full")
    assert (site.rules("gw-03"), site.pending("gw-03")) == (before, False)
    assert site.stands("gw-03")


@pytest.mark.parametrize("name", SAMPLE)
def test_the_administrator_uses_ufw_while_ours_is_pending(site, name):
    """What they add, delete, insert and reload stays as they want it, ours goes."""
    site.filter(name)
    theirs = "ufw allow out proto tcp to 198.51.100.7 port 443; ufw --force delete deny in from 203.0.113.9; "
    theirs += "ufw insert 1 allow out 123/udp; ufw route allow proto tcp to 198.51.100.8 port 443; ufw reload"
    report = site.phase(name, "stage", OUTPUT, FORWARD)
    site.alter(name, "sh", "-euc", theirs)
    assert site.ours(name).count("# rootwave") == 4, site.ours(name)
    assert site.ask(name, commit=report["pending"], state="reverted")["outcome"] == "reverted"
    left = site.rules(name)
    assert site.lab.new_address not in left and "rootwave" not in left
    site.renew()
    site.filter(name, then=theirs)
    assert site.rules(name) == left


def test_ufw_is_disabled_while_ours_is_pending(site):
    """There is nothing in the kernel to take back; the files lose ours all the same, or ufw would bring it back."""
    site.filter("gw-01")
    files = site.execute("gw-01", "sh", "-c", "cat /etc/ufw/user*.rules").stdout
    report = site.phase("gw-01", "stage", OUTPUT)
    site.alter("gw-01", "ufw", "disable")
    assert site.ask("gw-01", commit=report["pending"], state="reverted")["outcome"] == "reverted"
    assert site.execute("gw-01", "sh", "-c", "cat /etc/ufw/user*.rules").stdout == files
    assert site.stands("gw-01")


def test_ufw_is_disabled_between_plan_and_apply(site):
    """By who arms the revert, the last to run before the change: the kernel has not what the files say, so it goes back."""
    site.filter("gw-01")
    files = site.execute("gw-01", "sh", "-c", "cat /etc/ufw/user*.rules").stdout
    wrapper = '#!/bin/sh\nufw disable > /dev/null\nexec /usr/bin/systemd-run "$@"\n'
    script = "cat > /usr/local/sbin/systemd-run && chmod 755 /usr/local/sbin/systemd-run"
    site.alter("gw-01", "sh", "-euc", script, stdin=wrapper.encode())
    report = site.phase("gw-01", "stage", OUTPUT)
    assert report["outcome"] == "reverted" and "is not as planned" in report["error"], report
    assert site.execute("gw-01", "sh", "-c", "cat /etc/ufw/user*.rules").stdout == files
    assert not site.pending("gw-01")
    assert site.stands("gw-01")


HOLDER = """\
import fcntl, glob, os, sys
lock = open("/run/ufw.lock", "w")
fcntl.lockf(lock, fcntl.LOCK_EX)
print("held", flush=True)
def asked():
    for link in glob.glob("/proc/[0-9]*/fd/*"):
        try:
            if os.readlink(link) == "/run/ufw.lock" and link.split("/")[2] != str(os.getpid()):
                return True
        except OSError:
            continue
if sys.argv[1] == "until asked":
    while not asked():
        pass
else:
    sys.stdin.read()
"""


@pytest.mark.parametrize("how, outcome", [("until asked", "pending"), ("for ever", "refused")])
def test_another_ufw_holds_the_lock(site, how, outcome):
    site.filter("gw-01")
    before = site.rules("gw-01")
    container = site.lab.container(site.gateways["gw-01"])
    argv = ["podman", "exec", "--interactive", container, "python3", "-c", HOLDER, how]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        report = site.phase("gw-01", "stage", OUTPUT)
        holder.stdin.close()
    assert report["outcome"] == outcome, report
    if outcome == "refused":
        assert ids(report) == ["allowlist-tool"] and "/run/ufw.lock" in report["blockers"][0]["detail"]
        assert site.rules("gw-01") == before
    assert site.stands("gw-01")


def test_what_was_lost_or_altered_is_repaired(site):
    """The kernel has lost one of ours and somebody has altered another one: told as such, and made good."""
    site.filter("gw-03")
    site.staged("gw-03", OUTPUT, new=[site.lab.new_address, "20.5.0.0/16", V6])
    staged = site.rules("gw-03")
    lose = f"iptables -D ufw-user-output -p tcp -m multiport --dports 443,5671,8883 -d {site.lab.new_address} -j ACCEPT"
    site.alter("gw-03", "sh", "-euc", f"{lose}; sed -i '/^-A.*20.5.0.0/s/20.5/20.6/' /etc/ufw/user.rules")
    assert not site.reaches("gw-03", site.lab.new_address)
    report = site.phase("gw-03", "stage", OUTPUT, new=[site.lab.new_address, "20.5.0.0/16", V6])
    assert [change["action"] for change in report["plan"]] == ["repair"], report
    site.ask("gw-03", commit=report["pending"])
    assert site.reaches("gw-03", site.lab.new_address)
    assert sorted(site.rules("gw-03").splitlines()) == sorted(staged.splitlines())


@pytest.mark.parametrize("name", EACH)
def test_both_versions_and_both_paths(site, name):
    site.filter(name)
    report = site.staged(name, OUTPUT, FORWARD, new=[site.lab.new_address, V6])
    assert len(report["plan"]) == 2
    found = [line.split("]")[1].split("#")[0].split() for line in site.ours(name).splitlines()]
    output = [[one, "443,5671,8883/tcp", "ALLOW", "OUT", "Anywhere", "(out)"] for one in (site.lab.new_address,)]
    assert output[0] in found and [site.lab.new_address, "443,5671,8883/tcp", "ALLOW", "FWD", "Anywhere"] in found, found
    assert [V6, "443,5671,8883/tcp", "ALLOW", "FWD", "Anywhere", "(v6)"] in found, found
    rules = site.execute(name, "ip6tables-save").stdout.decode()
    for path in ("output", "forward"):
        assert f"-A ufw6-user-{path} -d {V6} -p tcp -m multiport --dports 443,5671,8883 -j ACCEPT" in rules


def test_where_ufw_leaves_ipv6_alone(site):
    site.filter("gw-02", then="sed -i s/^IPV6=.*/IPV6=no/ /etc/default/ufw; ufw disable; ufw --force enable")
    kept = site.execute("gw-02", "cat", "/etc/ufw/user6.rules").stdout
    report = site.phase("gw-02", "stage", OUTPUT, new=[site.lab.new_address, V6])
    assert report["outcome"] == "pending", report
    assert "allowlist-one-version:output: ufw rules" in [one["id"] for one in report["findings"]]
    assert site.execute("gw-02", "cat", "/etc/ufw/user6.rules").stdout == kept
    assert site.reaches("gw-02", site.lab.new_address)


def test_iptables_legacy(site):
    """The same rules in the older of the two tables that the kernel has."""
    use = "".join(f"update-alternatives --quiet --set {one} /usr/sbin/{one}-legacy;" for one in ("iptables", "ip6tables"))
    site.alter("gw-02", "sh", "-euc", use)
    done = site.execute("gw-02", "iptables", "-L", "-n")
    if done.returncode:
        pytest.skip("this kernel has no legacy tables: " + done.stderr.decode().strip())
    site.filter("gw-02")
    before = site.rules("gw-02")
    report = site.staged("gw-02", OUTPUT, FORWARD, new=[site.lab.new_address, V6])
    assert report["outcome"] == "pending" and site.reaches("gw-02", site.lab.new_address)
    undone = site.phase("gw-02", "revert", OUTPUT, FORWARD, undo="stage")
    site.ask("gw-02", commit=undone["pending"])
    assert site.rules("gw-02") == before


@pytest.mark.parametrize("count", [510, 2000])
@pytest.mark.parametrize("name", SAMPLE)
def test_many_prefixes_at_once(site, name, count):
    new = [f"20.{number // 250}.{number % 250}.0/25" for number in range(count - 1)] + [site.lab.new_address]
    site.filter(name)
    before = site.rules(name)
    report = site.phase(name, "stage", OUTPUT, new=new)
    assert report["outcome"] == "pending", report
    assert site.execute(name, "iptables-save").stdout.decode().count("--dports 443,5671,8883") == count + 1  # and the old one
    assert site.ask(name, commit=report["pending"], state="reverted")["outcome"] == "reverted"
    assert site.rules(name) == before
