# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gateways behind an administrator's ufw, for the tests of allowlists."""

from __future__ import annotations

from lab import filters
from tests.system.allowlist_site import Site

OUTPUT = {"path": "output", "backend": "ufw", "way": "managed_rules"}
FORWARD = {**OUTPUT, "path": "forward"}
# Everything that is loaded, counters and remaining times taken out, and all that boot reads
ALL = r"""
for tool in iptables-save ip6tables-save; do $tool | sed -E '/^#/d; s/\[[0-9]+:[0-9]+\]/[N]/'; done
nft list table inet watch | sed -E 's/expires [0-9a-z]+/expires T/; s/packets [0-9]+ bytes [0-9]+/packets N/'
cat /etc/ufw/*.rules /etc/default/ufw /etc/ufw/ufw.conf
"""


class UfwSite(Site):
    """A Site whose gateways are ruled by ufw."""

    def filter(self, name, *admitted, then=""):
        """The administrator's ufw; by itself it admits the hub's old address. ``then`` is a script of what they did later."""
        self.execute(name, "touch", "/altered-by-a-test")
        filters.install(self.lab, self.gateways[name], "ufw", *(admitted or (self.lab.old_address,)))
        if then:
            self.alter(name, "sh", "-euc", then)

    def rules(self, name):
        return self.execute(name, "sh", "-euc", ALL).stdout.decode()

    def status(self, name):
        """What ufw says of its rules, a list of lines."""
        return self.execute(name, "ufw", "status", "numbered").stdout.decode().splitlines()

    def ours(self, name):
        """What ufw itself says is ours."""
        return "\n".join(line for line in self.status(name) if line.endswith("# rootwave"))


def ids(report):
    """The firewall's blockers. A filter that is in the way is in the way of probes too, which say so themselves."""
    return [one["id"] for one in report["blockers"] if not one["id"].startswith("endpoint-")]
