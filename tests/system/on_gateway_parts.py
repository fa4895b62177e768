# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the scripts that run in a throw-away container have in common; they find it beside themselves."""

from __future__ import annotations

import ipaddress

NARROW = (20, 22, 24, 32)


class Host:
    """What a Firewall asks of a gateway."""

    def __init__(self, folder="/nonexistent"):
        self.state_dir = folder

    def container_sessions(self):
        return []


def prefix(chance, sizes=NARROW, wide=()):
    """A prefix out of so few that they meet often; ``wide`` sizes are taken half of the time."""
    if chance.random() < 0.2:
        return f"2603:{chance.randrange(4):x}::/{chance.choice([32, 48])}"
    size = chance.choice(wide if wide and chance.random() < 0.5 else sizes)
    first = (20 << 24 | chance.randrange(4) << 20 | chance.randrange(8) << 8) >> (32 - size) << (32 - size)
    return str(ipaddress.ip_network((first, size)))
