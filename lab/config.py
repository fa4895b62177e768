# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one lab is: its name, its network, its gateways and devices. Written once to ``<state>/lab.json``, read by all."""

from __future__ import annotations

import base64
import json
import os
import zlib
from dataclasses import asdict, dataclass, field
from pathlib import Path

from .device import SUITES, Device, plan_devices
from .hub_config import DPS_HOST, HUB, HUB_GOV, HUB_WEST, Where
from .tools import LabError

ROOT = Path(__file__).resolve().parents[1]
GROUPS = {"canary": 1, "early": 3, "broad": 8, "holdout": 2}
HOSTS_MOST = 200
ADMIN_PORT = 18080  # of the first lab; others stand at this distance from their own


@dataclass
class Gateway:
    """One container. ``device`` is its identity at the hub; ``local_copy``: Lab Baltimore also as a local file; ``few_roots``: it
    trusts few of the distribution's roots.

    ``filter`` is the backend of its default-drop egress filter, or empty (filters.py); ``boxed``: its hub client lives in a
    container whose traffic it forwards.
    """

    name: str
    group: str
    suite: str
    address: str
    key: str
    local_copy: bool = False
    layout: str = "debian"
    faketime: str = ""
    filter: str = ""
    boxed: bool = False
    few_roots: bool = False
    late = False

    @property
    def session(self) -> str:
        """What the hub knows its connection by."""
        return self.name

    @property
    def image(self) -> str:
        kind = "rhel" if self.layout == "rhel" else ("local" if self.local_copy else "plain")
        return f"{self.suite}-few-{kind}" if self.few_roots else f"{self.suite}-{kind}"


@dataclass
class Lab:
    name: str
    subnet: int  # the third number of 10.91.x.0/24
    admin_port: int
    gateways: list[Gateway] = field(default_factory=list)
    devices: list[Device] = field(default_factory=list)
    filters: str = ""  # what filters.assign was asked for

    @property
    def state_dir(self) -> Path:
        return state_dir_of(self.name)

    @property
    def network(self) -> str:
        return f"rootwave-{self.name}"

    def address(self, last: int) -> str:
        return f"10.91.{self.subnet}.{last}"

    @property
    def dns_address(self) -> str:
        return self.address(1)

    @property
    def old_address(self) -> str:
        return self.address(2)

    @property
    def new_address(self) -> str:
        return self.address(3)

    @property
    def spare_address(self) -> str:
        """For tests that need one more: an endpoint with a good and a bad address."""
        return self.address(4)

    @property
    def where(self) -> Where:
        """Where the hub's process listens; beside the fleet's own addresses two more hubs' and DPS's."""
        hubs = {HUB: self.old_address, HUB_WEST: self.address(5), HUB_GOV: self.address(6)}
        offset = self.admin_port - ADMIN_PORT
        return Where("127.0.0.1", self.admin_port, 18400 + offset, 18700 + offset, 19000 + offset, hubs, self.address(7))

    @property
    def names(self) -> dict[str, list[str]]:
        """What the lab's name server answers on the first day."""
        where = self.where
        found: dict[str, list[str]] = {}
        for hub, address in where.hubs.items():
            first, _dot, zone = hub.partition(".")
            found |= {name: [address] for name in (hub, f"{first}.device.{zone}", f"{first}.service.{zone}")}
        return found | {DPS_HOST: [where.dps]}

    @property
    def hub_addresses(self) -> tuple[str, ...]:
        """All that the bridge must hold."""
        return (*(self.address(last) for last in range(2, 8)),)

    @property
    def hosts(self) -> list[Gateway | Device]:
        return [*self.gateways, *self.devices]

    def container(self, host: Gateway | Device) -> str:
        return f"{self.network}-{host.name}"

    def save(self) -> None:
        self.state_dir.mkdir(parents=True, exist_ok=True, mode=0o755)
        path = self.state_dir / "lab.json"
        path.with_suffix(".tmp").write_text(json.dumps(asdict(self), indent=1))
        os.chmod(path.with_suffix(".tmp"), 0o600)
        os.replace(path.with_suffix(".tmp"), path)


def mac(address: str) -> str:
    """A hardware address (locally administered, unicast) that belongs to an IPv4 address."""
    return ":".join(["02", "5a", *(f"{int(number):02x}" for number in address.split("."))])


def state_dir_of(name: str) -> Path:
    return Path(os.environ.get("ROOTWAVE_LAB_DIR", ROOT / ".lab")).resolve() / name


def load(name: str) -> Lab | None:
    """The lab of this name as it was made, or None."""
    path = state_dir_of(name) / "lab.json"
    if not path.exists():
        return None
    document = json.loads(path.read_text())
    # a lab that an earlier version made has no devices
    devices = [Device(**item) for item in document.get("devices", [])]
    return Lab(**dict(document, gateways=[Gateway(**item) for item in document["gateways"]], devices=devices))


def plan(
    name: str,
    groups: dict[str, int],
    layout: str = "debian",
    faketime: dict[str, str] | None = None,
    devices: int = 0,
    few_roots: bool = False,
) -> Lab:
    """A new lab: gateways numbered over the groups in order, suites in turn, a local Baltimore on every third triple."""
    total = sum(groups.values())
    if not 1 <= total <= HOSTS_MOST - devices:
        raise LabError(f"a lab has 1 to {HOSTS_MOST} gateways and devices, not {total + devices}")
    number = 0 if name == "lab" else 1 + zlib.crc32(name.encode()) % 250
    lab = Lab(name, number, ADMIN_PORT + number)
    index = 0
    for group, count in groups.items():
        for _each in range(count):
            gateway = Gateway(
                name=f"gw-{index + 1:02d}",
                group=group,
                suite="trixie" if layout == "rhel" else SUITES[index % 3],
                address=lab.address(20 + index),
                key=base64.b64encode(os.urandom(32)).decode(),
                local_copy=(index // 3) % 3 == 0,
                layout=layout,
                few_roots=few_roots,
            )
            gateway.faketime = (faketime or {}).get(gateway.name, "")
            lab.gateways.append(gateway)
            index += 1
    first = 20 + len(lab.gateways)
    lab.devices = plan_devices(devices, [lab.address(first + index) for index in range(devices)])
    return lab


def spread(total: int) -> dict[str, int]:
    """The default groups in their proportions over another number of gateways; small fleets keep a canary."""
    if total == sum(GROUPS.values()):
        return dict(GROUPS)
    holdout = round(total * 2 / 14) if total > 3 else 0
    early = round(total * 3 / 14) if total > 2 else 0
    groups = {"canary": 1, "early": early, "broad": total - 1 - early - holdout, "holdout": holdout}
    return {name: count for name, count in groups.items() if count > 0}
