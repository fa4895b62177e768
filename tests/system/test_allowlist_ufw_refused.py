# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is refused on a gateway behind ufw, before anything is touched, and what looks like it and is not."""

from __future__ import annotations

import pytest

from tests.system.ufw_site import OUTPUT, UfwSite, ids

SITE = UfwSite


REFUSALS = [
    ("allowlist-tool", "ufw disable"),
    ("allowlist-tool", "mv /usr/sbin/ufw /usr/sbin/ufw.away"),
    ("allowlist-tool", "systemctl start ufw; systemctl stop ufw"),
    ("allowlist-tool", "iptables -F ufw-before-output; iptables -F ufw-user-output; iptables -X ufw-user-output"),
    ("allowlist-not-persistent", "systemctl -q disable ufw"),
    ("allowlist-place", "ufw deny out to {wide}"),
    ("allowlist-place", "ufw reject out 8883/tcp"),
    ("allowlist-place", "ufw limit out proto tcp to {new} port 8000:9000"),
    ("allowlist-ruleset", "echo rubbish >> /etc/ufw/user.rules"),
    ("allowlist-ruleset", "echo rubbish >> /etc/ufw/before6.rules"),
    ("allowlist-ruleset", "sed -i '/^### END RULES/d' /etc/ufw/user6.rules"),
    (
        "allowlist-two-backends",
        "nft add table inet o; nft 'add chain inet o c {{ type filter hook output priority 5; policy drop; }}'",
    ),
]


@pytest.mark.parametrize("number", range(len(REFUSALS)))
def test_refused_and_nothing_touched(site, number):
    blocker, spoil = REFUSALS[number]
    new = site.lab.new_address
    site.filter("gw-03", then=spoil.format(new=new, wide=new.rpartition(".")[0] + ".0/24"))
    before = site.rules("gw-03")
    report = site.phase("gw-03", "stage", OUTPUT)
    assert (report["outcome"], ids(report)) == ("refused", [blocker]), report
    assert (site.rules("gw-03"), site.pending("gw-03")) == (before, False)


def test_a_deny_that_decides_about_something_else_is_no_matter(site):
    """The negative twins of what is refused: another protocol, other ports, other addresses, the way in, behind ours."""
    spoil = "ufw deny out proto udp to {0}; ufw deny out proto tcp to {0} port 25; ufw deny out to 10.200.0.0/16; "
    spoil += "ufw deny in from {0}; ufw route deny to {0}"
    site.filter("gw-03", then=spoil.format(site.lab.new_address))
    site.staged("gw-03", OUTPUT)
    site.alter("gw-03", "ufw", "deny", "out", "to", site.lab.new_address)
    assert site.phase("gw-03", "stage", OUTPUT)["outcome"] == "done"
    assert site.reaches("gw-03", site.lab.new_address)
    site.alter("gw-03", "ufw", "insert", "1", "deny", "out", "to", "any", "port", "8883", "proto", "tcp")
    report = site.phase("gw-03", "stage", OUTPUT)
    assert ids(report) == ["allowlist-place"] and "comes before it" in report["blockers"][0]["detail"], report
