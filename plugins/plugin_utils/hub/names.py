# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. Pure: clouds and the names of a hub.

A hub has up to three names: the classic one, and one each for devices and services (azure-docs iot-hub-devguide-endpoints).
All of them are the same hub; the service REST API answers on the classic and the service name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Cloud:
    """Zones, endpoints and token scopes of one Azure cloud."""

    name: str
    zone: str
    provisioning_zone: str
    scope: str  # of the service REST API
    authority: str
    arm: str


# Zones: azure-docs articles/private-link/private-endpoint-dns.md. Scopes: the SDKs' own constants for public and usgov; for China
# none is published, so the public one is used there, as the SDKs do.
CLOUDS = {
    cloud.name: cloud
    for cloud in (
        Cloud(
            "public",
            "azure-devices.net",
            "azure-devices-provisioning.net",
            "https://iothubs.azure.net/.default",
            "login.microsoftonline.com",
            "https://management.azure.com",
        ),
        Cloud(
            "usgov",
            "azure-devices.us",
            "azure-devices-provisioning.us",
            "https://iothubs.azure.us/.default",
            "login.microsoftonline.us",
            "https://management.usgovcloudapi.net",
        ),
        Cloud(
            "china",
            "azure-devices.cn",
            "azure-devices-provisioning.cn",
            "https://iothubs.azure.net/.default",
            "login.chinacloudapi.cn",
            "https://management.chinacloudapi.cn",
        ),
    )
}
LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{1,48}[a-z0-9])")  # azure-docs resource-name-rules: 3 to 50


@dataclass(frozen=True)
class HubNames:
    """The three names of one hub, and its cloud."""

    classic: str
    device: str
    service: str
    cloud: Cloud

    @classmethod
    def of(cls, text: str) -> HubNames:
        """From any of the names; raises ValueError for what is no hub's name."""
        first, _dot, rest = text.strip().lower().rstrip(".").partition(".")
        zone = rest.removeprefix("device.").removeprefix("service.")
        cloud = next((one for one in CLOUDS.values() if one.zone == zone), None)
        if cloud is None or not LABEL.fullmatch(first):
            zones = ", ".join(one.zone for one in CLOUDS.values())
            raise ValueError(f"{text!r} is no IoT hub's host name; it ends with one of {zones}")
        return cls(f"{first}.{zone}", f"{first}.device.{zone}", f"{first}.service.{zone}", cloud)


__all__ = ("CLOUDS", "Cloud", "HubNames")
