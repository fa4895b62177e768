# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a device of the lab is, and which ones a lab has. lab/devices.py is something else: many light ones in one process."""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from dataclasses import dataclass

from .tools import LabError

SUITES = ("bullseye", "bookworm", "trixie")  # Debian 11, 12, 13
# devices_*: the agent has an identity of its own; inbox_*: the device's application holds the connection. The last one is off.
LATE = "inbox_late"
DEVICE_GROUPS = {"devices_canary": 3, "devices_early": 7, "devices_broad": 20}
DEVICE_GROUPS |= {"inbox_canary": 1, "inbox_early": 2, "inbox_broad": 6, LATE: 1}


@dataclass
class Device:
    """One container with the agent, and no way in. ``key`` is its identity's at the hub, for X.509 nobody's."""

    name: str
    group: str
    suite: str
    address: str
    key: str
    authentication: str  # sas, x509
    port: int  # 8883, or 443 for WebSocket

    @property
    def front_end(self) -> str:
        return "inbox" if self.group.startswith("inbox") else "module"

    @property
    def late(self) -> bool:
        return self.group == LATE

    @property
    def session(self) -> str:
        return self.name if self.front_end == "inbox" else f"{self.name}/rootwave"

    @property
    def image(self) -> str:
        """Who builds an image for small devices puts few roots into it."""
        return f"{self.suite}-few-late" if self.late else f"{self.suite}-few-{self.front_end}"


def plan_devices(total: int, addresses: Sequence[str]) -> list[Device]:
    """DEVICE_GROUPS in their proportions; every fourth device has a certificate, every fifth goes by port 443.

    No inbox on Debian 11: the sample application there runs on this machine's virtual environment, too new for that Python.
    """
    if not total:
        return []
    groups = {name: max(1, round(count * total / sum(DEVICE_GROUPS.values()))) for name, count in DEVICE_GROUPS.items()}
    groups["devices_broad"] += total - sum(groups.values())
    if groups["devices_broad"] < 1:
        raise LabError(f"a lab has no devices or at least {len(DEVICE_GROUPS)}, one of each group")
    names = [group for group, count in groups.items() for _each in range(count)]
    return [
        Device(
            name=f"dev-{index + 1:02d}",
            group=group,
            suite=SUITES[1 + index % 2] if group.startswith("inbox") else SUITES[index % 3],
            address=address,
            key=base64.b64encode(os.urandom(32)).decode(),
            authentication="x509" if index % 4 == 1 else "sas",
            port=443 if index % 5 == 2 else 8883,
        )
        for index, (group, address) in enumerate(zip(names, addresses, strict=True))
    ]
