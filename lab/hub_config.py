# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``python -m lab.hub`` is to run: three hubs, DPS, an IoT Central application, one tenant. Secrets are made once and kept.

The fleet is at HUB. HUB_WEST is for what needs a second hub, HUB_GOV stands in a sovereign cloud.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import uuid
from dataclasses import dataclass
from pathlib import Path

HUB, HUB_WEST, HUB_GOV = "lab-hub.azure-devices.net", "lab-west.azure-devices.net", "lab-gov.azure-devices.us"
DPS_HOST = "global.azure-devices-provisioning.net"
POLICIES = ("iothubowner", "service", "registryRead", "registryReadWrite", "device")
NAMESPACE = uuid.UUID("6f1b7a52-3f0e-4a0e-9a55-6c3c1d1c0f4e")  # of the lab's tenant, subscription and workspace


@dataclass(frozen=True)
class Where:
    """Addresses and ports. ``hubs`` and ``dps`` are what devices talk to; the rest is on ``loopback`` for the control node."""

    loopback: str
    admin: int
    proxy: int
    cloud: int
    imds: int
    hubs: dict[str, str]
    dps: str
    mqtt: int = 8883
    https: int = 443


def write(path: Path, where: Where, devices: dict[str, str], **changes) -> dict:
    """Write the configuration (mode 0600) and return it; keys and the client's secret of an earlier one stay."""
    kept = json.loads(path.read_text()) if path.exists() else {}
    document = {**make(path.parent, where, devices, kept.get("secrets") or _secrets()), **changes}
    path.touch(mode=0o600)
    path.write_text(json.dumps(document, indent=1))
    return document


def make(state_dir: Path, where: Where, devices: dict[str, str], secret: dict) -> dict:
    ports = {"mqtt": where.mqtt, "https": where.https}
    hub = {"resource_group": "lab", "sku": "S1", "units": 1, "ports": ports, "chain": "v1", "configuration_cycle": 2}
    hub |= {"policies": secret["policies"], "devices": {}}
    places = {HUB: "eastus", HUB_WEST: "westeurope", HUB_GOV: "usgovvirginia"}
    hubs = [{**hub, "name": name, "location": place, "listen": [where.hubs[name]]} for name, place in places.items()]
    hubs[0]["devices"] = devices
    return {
        "state_dir": str(state_dir),
        "secrets": secret,
        **{name: {"host": where.loopback, "port": getattr(where, name)} for name in ("admin", "proxy", "cloud", "imds")},
        "tenant": {
            "id": str(uuid.uuid5(NAMESPACE, "tenant")),
            "subscription": str(uuid.uuid5(NAMESPACE, "subscription")),
            "workspace": str(uuid.uuid5(NAMESPACE, "workspace")),
            "clients": [
                {
                    "client_id": str(uuid.uuid5(NAMESPACE, "client")),
                    "secret": secret["client"],
                    "federated": secret["federated"],
                    "certificate": str(state_dir / "client.pem"),  # there once somebody puts it there
                }
            ],
        },
        "hubs": hubs,
        "dps": {
            "name": "lab-dps",
            "id_scope": "0ne00LAB001",
            "location": "eastus",
            "host": DPS_HOST,
            "listen": [where.dps],
            "ports": ports,
            "chain": "v1",
            "hubs": [HUB],
            "enrollments": {"late-device": secret["enrollment"]},
        },
        "central": [{"name": "lab-central", "location": "eastus", "subdomain": "lab-central", "hubs": [HUB_WEST]}],
    }


def connection_string(document: dict, hub: str = HUB, policy: str = "iothubowner") -> str:
    key = next(item["policies"][policy] for item in document["hubs"] if item["name"] == hub)
    return f"HostName={hub};SharedAccessKeyName={policy};SharedAccessKey={key}"


def _secrets() -> dict:
    return {
        "policies": {name: _key() for name in POLICIES},
        "client": secrets.token_urlsafe(24),
        "federated": secrets.token_urlsafe(24),
        "enrollment": _key(),
    }


def _key() -> str:
    return base64.b64encode(os.urandom(32)).decode()
