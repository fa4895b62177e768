# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An administrator's default-drop egress filter on a gateway, in one of four backends, from before anybody heard of Rootwave.

``lab/files/filter-<backend>.sh`` sets it up for good: services enabled, files where the distribution reads them at boot. It lets
DNS, ICMP, loopback, answers and the hub at the given addresses out, drops the rest, and has rules around it that are nobody's
business: foreign tables, comments, sets with timeouts, chains as docker and fail2ban make them.
"""

from __future__ import annotations

from pathlib import Path

from .config import Gateway, Lab
from .tools import run

BACKENDS = ("nftables", "firewalld", "ufw", "iptables")
FILES = Path(__file__).parent / "files"


def install(lab: Lab, gateway: Gateway, backend: str, *admitted: str) -> None:
    """Put it on a running gateway; ``admitted`` are the addresses at which the hub may be reached (443, 8883)."""
    script = (FILES / f"filter-{backend}.sh").read_text()
    run(["podman", "exec", "--interactive", lab.container(gateway), "sh", "-eu", "-s", "--", *admitted], stdin=script)
