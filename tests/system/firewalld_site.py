# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gateways behind an administrator's firewalld, for the tests of allowlists."""

from __future__ import annotations

from lab import filters, fleet
from lab.tools import run
from tests.system.allowlist_site import Site

SET = {"path": "output", "backend": "firewalld", "way": "named_set", "set4": "hubs"}
RULES = {"path": "output", "backend": "firewalld", "way": "managed_rules", "policy": "egress"}
FORWARD = {**RULES, "path": "forward", "policy": "from-containers"}
# Everything that is loaded, counters and remaining times taken out, then all that boot reads. firewalld lists rules of one
# policy in no order of its own after a reload, and keeps the last form of each file beside it.
ALL = r"""
nft list ruleset 2>/dev/null | sed -E 's/packets [0-9]+ bytes [0-9]+/packets N/; s/expires [0-9a-z]+/expires T/' | sort
find /etc/firewalld -name '*.xml' | sort | xargs tail -n +1
cat /etc/firewalld/firewalld.conf
"""
SIDES = ["", "--permanent"]


class FirewalldSite(Site):
    """A Site whose gateways are ruled by firewalld."""

    def filter(self, name, *admitted, then=""):
        """The administrator's firewalld; by itself it admits the hub's old address. ``then`` is a script of theirs, later."""
        self.execute(name, "touch", "/altered-by-a-test")
        filters.install(self.lab, self.gateways[name], "firewalld", *(admitted or (self.lab.old_address,)))
        if then:
            self.alter(name, "sh", "-euc", then)

    def reboot(self, name):
        """Back when systemd says so; while its bus is not there yet it says nothing of use."""
        gateway = self.gateways[name]
        run(["podman", "restart", "--time", "0", self.lab.container(gateway)])
        fleet.wait_ready(self.lab, gateway)
        self.alter(name, "firewall-cmd", "--quiet", "--state")

    def rules(self, name):
        return self.execute(name, "sh", "-euc", ALL).stdout.decode()

    def listed(self, name, place):
        """What firewall-cmd itself says: (what runs, what is permanent), as sorted lists of lines."""
        where, what = f"--ipset={place.get('set4')}", "--get-entries"
        if place["way"] == "managed_rules":
            where, what = f"--policy={place['policy']}", "--list-rich-rules"
        asked = [[side, where, what] for side in SIDES]
        answers = [self.execute(name, "firewall-cmd", *filter(None, argv)) for argv in asked]
        return tuple(sorted(done.stdout.decode().split("\n")) for done in answers)

    def both(self, name, place, text):
        """Whether firewall-cmd has a text on both sides, and these are the same."""
        runs, lasts = self.listed(name, place)
        return runs == lasts and any(text in line for line in runs)
