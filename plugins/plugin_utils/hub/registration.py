# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. Which hub a device was assigned to, by DPS's word: the way to the hubs that IoT Central hides.

Source: azure rest-api iot-dps device, Runtime Registration - Device Registration Status Lookup. Unlike a registration it assigns
nothing and moves no device. It needs the device's own symmetric key, because only the device may ask.
"""

from __future__ import annotations

import base64
import binascii
import re

from .credentials import DeviceAccess
from .errors import HubError
from .rest import RestClient

API_VERSION = "2021-06-01"
SCOPE = re.compile(r"0(?:ne|cn)[A-Za-z0-9]{4,16}")  # public clouds 0ne, China 0cn
REGISTRATION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9:._-]{0,126}[A-Za-z0-9])?")


def look_up(host: str, id_scope: str, registration: str, key: str, timeout: float) -> dict:
    """{"id_scope", "registration_id", "status", "assigned_hub"}; ``assigned_hub`` is None until the device has registered."""
    if not SCOPE.fullmatch(id_scope) or not REGISTRATION.fullmatch(registration):
        raise HubError(f"{id_scope!r} with {registration!r} is no id scope with a registration id of DPS")
    try:
        base64.b64decode(key, validate=True)
    except binascii.Error as exc:
        raise HubError(f"the key of registration {registration} is not base64; is it cut off?") from exc
    access = DeviceAccess(f"{id_scope}/registrations/{registration}", key)
    path = f"/{id_scope}/registrations/{registration}"
    answer = RestClient(host, access, "", timeout, API_VERSION).ask("POST", path, {"registrationId": registration})
    hub = answer.get("assignedHub")
    return {
        "id_scope": id_scope,
        "registration_id": registration,
        "status": str(answer.get("status", "")),
        "assigned_hub": str(hub).lower() if hub else None,
    }


__all__ = ("look_up",)
