# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gateways behind an administrator's iptables and ipset, for the tests of allowlists."""

from __future__ import annotations

from lab import filters
from tests.system.allowlist_site import Site

SET = {"path": "output", "backend": "iptables", "way": "named_set", "set4": "hubs"}
BOTH = {**SET, "set6": "hubs6"}
CHAIN = {"path": "output", "backend": "iptables", "way": "managed_chain", "family": "ip", "chain": "OUTPUT"}
# Everything that is loaded in a comparable order, counters and remaining times taken out, and all that boot reads
ALL = r"""
ipset list -o save | sed -E 's/ initval \S+//; s/ timeout [0-9]+$/ timeout T/; s/ packets [0-9]+ bytes [0-9]+//' | sort
for tool in iptables-save ip6tables-save; do $tool | sed -E '/^#/d; s/\[[0-9]+:[0-9]+\]/[N]/'; done
nft list table inet watch | sed -E 's/expires [0-9a-z]+/expires T/; s/packets [0-9]+ bytes [0-9]+/packets N/'
"""
FILES = "cat /etc/iptables/ipsets /etc/iptables/rules.v4 /etc/iptables/rules.v6"


class IptablesSite(Site):
    """A Site whose gateways are ruled by iptables."""

    def filter(self, name, *admitted, then=""):
        """By itself it admits the hub's old address. ``then`` is a script of what the administrator did later."""
        self.execute(name, "touch", "/altered-by-a-test")
        filters.install(self.lab, self.gateways[name], "iptables", *(admitted or (self.lab.old_address,)))
        if then:
            self.alter(name, "sh", "-euc", then)

    def rules(self, name):
        return self.loaded(name) + self.files(name)

    def loaded(self, name):
        return self.execute(name, "sh", "-euc", ALL).stdout.decode()

    def files(self, name):
        return self.execute(name, "sh", "-euc", FILES).stdout.decode()

    def ours(self, name):
        """What bears our name, in the kernel and in the files, and what is on record as ours."""
        record = self.execute(name, "sh", "-c", "cat /var/lib/rootwave/allowlist-own.json 2>/dev/null").stdout.decode()
        lines = (self.rules(name) + record.replace("{}", "")).splitlines()
        return "\n".join(line for line in lines if "rootwave" in line or "ipset " in line)
