# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is refused on a gateway behind iptables and ipset, before anything is touched."""

from __future__ import annotations

import pytest

from tests.system.allowlist_site import ids
from tests.system.iptables_site import CHAIN, SET, IptablesSite

SITE = IptablesSite


FULL = "ipset create small hash:net maxelem 2; ipset add small 1.1.1.1; ipset add small 2.2.2.2; "
FULL += "iptables -A OUTPUT -m set --match-set small dst -j ACCEPT; netfilter-persistent save"
DROP = "nft add table inet o; nft 'add chain inet o c { type filter hook output priority 5; policy drop; accept; }'"
REFUSALS = [
    ("allowlist-missing-set", {**SET, "set4": "hub"}, ""),
    ("allowlist-set-type", {**SET, "set4": "lan"}, ""),
    ("allowlist-set-type", {**SET, "set4": "banned"}, ""),
    ("allowlist-set-type", {**SET, "set4": "doors"}, ""),
    ("allowlist-set-type", {**SET, "set4": "hubs6"}, ""),
    ("allowlist-set-type", {**SET, "set4": "small"}, FULL),
    ("allowlist-place", {**SET, "set4": "other"}, "ipset create other hash:net"),
    ("allowlist-place", {**SET, "path": "forward"}, ""),
    ("allowlist-place", {**CHAIN, "chain": "INPUT"}, ""),
    ("allowlist-place", {**CHAIN, "chain": "f2b-sshd"}, ""),
    ("allowlist-place", {**CHAIN, "chain": "exits"}, ""),
    ("allowlist-place", {**CHAIN, "path": "forward"}, ""),
    ("allowlist-place", {"path": "output", "backend": "none"}, ""),
    ("allowlist-not-persistent", SET, "systemctl -q disable netfilter-persistent"),
    ("allowlist-not-persistent", CHAIN, "dpkg --purge ipset-persistent"),
    ("allowlist-not-persistent", SET, "rm /etc/iptables/ipsets"),
    ("allowlist-not-persistent", SET, "sed -i '/ hubs /d' /etc/iptables/ipsets"),
    ("allowlist-not-persistent", SET, "sed -i '/match-set hubs /d' /etc/iptables/rules.v4"),
    ("allowlist-not-persistent", {**CHAIN, "chain": "fresh"}, "iptables -N fresh; iptables -A OUTPUT -j fresh"),
    ("allowlist-ruleset", CHAIN, "sed -i 's/^-A egress/-A egres/' /etc/iptables/rules.v4"),
    ("allowlist-tool", SET, "mv /usr/sbin/ipset /usr/sbin/ipset.away"),
    ("allowlist-two-backends", SET, DROP),
    ("allowlist-two-backends", CHAIN, "iptables-legacy -P OUTPUT DROP; iptables-legacy -A OUTPUT -j ACCEPT"),
]


@pytest.mark.parametrize("number", range(len(REFUSALS)))
def test_refused_and_nothing_touched(site, number):
    blocker, place, spoil = REFUSALS[number]
    site.filter("gw-03", then=spoil)
    before = site.rules("gw-03")
    report = site.phase("gw-03", "stage", place)
    assert (report["outcome"], ids(report)) == ("refused", [blocker]), report
    assert (site.rules("gw-03"), site.ours("gw-03"), site.pending("gw-03")) == (before, "", False)


def test_a_table_of_iptables_is_no_place_of_nftables(site):
    """Newer ones write rules that look like nft's own, and would refuse to work once ours are among them."""
    site.filter("gw-03", then="iptables -D OUTPUT -p icmp -j ACCEPT; iptables -t raw -A OUTPUT -d 192.0.2.1/32 -j DROP")
    listed = site.execute("gw-03", "nft", "-j", "list", "table", "ip", "raw").stdout
    assert b'"xt"' not in listed and b"OUTPUT" in listed
    place = {"path": "output", "backend": "nftables", "way": "managed_chain", "family": "ip", "table": "raw", "chain": "OUTPUT"}
    report = site.phase("gw-03", "stage", place)
    assert ids(report) == ["allowlist-place"] and "kept by iptables-nft" in report["blockers"][0]["detail"], report
    native = "nft delete table ip raw; nft 'add table ip raw { set s { type ipv4_addr; }; chain OUTPUT { "
    native += "type filter hook output priority -300; ip daddr @s counter drop; }; }'"
    site.alter("gw-03", "sh", "-euc", native)
    report = site.phase("gw-03", "stage", place)
    assert not any("kept by iptables-nft" in one["detail"] for one in report["blockers"]), report
