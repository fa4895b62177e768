# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is refused of allowlists in nftables, on real gateways: nothing is touched then."""

from __future__ import annotations

import pytest

from tests.system.allowlist_site import CHAIN, RULES, SET, Site

SITE = Site


OTHER = "table inet other {\n chain out {\n type filter hook output priority 5; policy drop;\n accept\n }\n}\n"
LAST = "table inet other {\n chain out {\n type filter hook output priority 5; policy accept;\n ct state established accept\n "
LAST += "meta l4proto { tcp, udp } th dport { 53, 8883 } accept\n "
LAST += "counter drop\n }\n}\n"
ASIDE = """
table inet aside {
  set hubs { type ipv4_addr; flags interval; elements = { 192.0.2.44 } }
  chain unhooked { ip daddr @hubs accept; }
  chain incoming { type filter hook input priority 5; policy accept; tcp dport 25 drop; }
}
"""
HUB = RULES["hub"]
REFUSALS = {
    "allowlist-place": [
        ({}, {"places": []}),
        ({}, {"places": [{**CHAIN, "chain": "egress"}]}),
        ({"hub": "accept"}, {"places": [SET]}),
        ({"hub": "ip daddr @hubs udp dport 161 drop\n accept"}, {"places": [SET]}),
        ({"hub": "ip saddr @hubs accept\n accept"}, {"places": [SET]}),
        ({"extra": ASIDE}, {"places": [{**SET, "table": "aside"}]}),
        ({"extra": ASIDE}, {"places": [{**CHAIN, "table": "aside", "chain": "unhooked"}]}),
        ({"extra": ASIDE}, {"places": [{**CHAIN, "table": "aside", "chain": "incoming"}]}),
        ({}, {"places": [{"path": "output", "backend": "none"}]}),
    ],
    "allowlist-empty": [({}, {"new": []})],
    "allowlist-missing-set": [({}, {"places": [{**SET, "set4": "hub"}]}), ({}, {"places": [{**SET, "table": "egress"}]})],
    "allowlist-set-type": [({}, {"places": [{**SET, "set4": "banned"}]})],
    "allowlist-overlap": [
        ({"elements": "40.74.0.5", "hub": HUB + "\n accept"}, {"new": [{"prefix": "40.74.0.0/16", "source": "test"}]})
    ],
    "allowlist-auto-merge": [({"flags": "flags interval; auto-merge;"}, {})],
    "allowlist-not-persistent": [({"include": ""}, {}), ({"include": 'include "/etc/nowhere/*.nft"\n'}, {})],
    "allowlist-two-backends": [({"extra": OTHER}, {}), ({"extra": LAST}, {})],
}


@pytest.mark.parametrize(
    "blocker, spoil",
    [
        ("allowlist-ruleset", "echo 'table inet {' >> /etc/nftables.conf"),
        ("allowlist-tool", "mv /usr/sbin/nft /usr/sbin/nft.away"),
        ("allowlist-not-persistent", "systemctl -q disable nftables"),
        ("allowlist-not-persistent", "sed -i '/^include/d; 2i include \"/etc/nftables.d/*.nft\"' /etc/nftables.conf"),
        ("allowlist-not-persistent", "sed -i '/^include/d; s#^flush.*#include \"/etc/nftables.d/*.nft\"#' /etc/nftables.conf"),
    ],
    ids=["does not load", "no nft", "not enabled", "included before the table", "the same, and nothing flushed"],
)
def test_refused_for_what_is_around(site, blocker, spoil):
    site.filter("gw-03")
    before = site.rules("gw-03")
    site.alter("gw-03", "sh", "-c", spoil)
    report = site.phase("gw-03", "stage", CHAIN)
    assert (report["outcome"], [one["id"] for one in report["blockers"]]) == ("refused", [blocker]), report
    site.execute("gw-03", "mv", "/usr/sbin/nft.away", "/usr/sbin/nft")
    assert (site.rules("gw-03"), site.ours("gw-03"), site.pending("gw-03")) == (before, "", False)
    assert site.stands("gw-03")


@pytest.mark.parametrize("blocker, number", [(key, number) for key, cases in REFUSALS.items() for number in range(len(cases))])
def test_refused_and_nothing_touched(site, blocker, number):
    changes, section = REFUSALS[blocker][number]
    site.filter("gw-02", **changes)
    before = site.rules("gw-02")
    report = site.phase("gw-02", "stage", SET, section=section)
    assert report["outcome"] == "refused", report
    assert blocker in {one["id"] for one in report["blockers"]}, report["blockers"]
    assert (site.rules("gw-02"), site.ours("gw-02"), site.pending("gw-02")) == (before, "", False)
    assert site.stands("gw-02")
