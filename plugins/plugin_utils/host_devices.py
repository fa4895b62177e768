# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. Pure: which devices hosts of the inventory stand for."""

from __future__ import annotations

import json

from .hub.errors import HubError


def devices_of(hosts: list[str], hostvars) -> dict[str, str]:
    """{host: device}: its variable rootwave_device_id, or its name. Raises HubError for a device that is two hosts."""
    found = json.loads(json.dumps({host: str(hostvars[host].get("rootwave_device_id") or host) for host in hosts}))
    owner: dict[str, str] = {}
    for host, device in found.items():
        if device in owner:
            raise HubError(f"{host} and {owner[device]} are one device, {device}", code="BadOptions")
        owner[device] = host
    return found


__all__ = ("devices_of",)
