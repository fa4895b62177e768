# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shared access signatures of IoT Hub (azure-docs iot-hub-dev-guide-sas): made for clients, checked by hub and DPS."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from urllib.parse import parse_qs, quote

PREFIX = "SharedAccessSignature "


def token(host: str, device: str, key: str, lifetime: float, now: float | None = None) -> str:
    """A device's MQTT password, valid for ``lifetime`` seconds; ``key`` is base64."""
    return sign(f"{host}/devices/{device}", key, lifetime, now)


def sign(resource: str, key: str, lifetime: float, now: float | None = None) -> str:
    """A signature for any resource: a hub, a device, a DPS registration."""
    resource = quote(resource, safe="")
    expiry = int((time.time() if now is None else now) + lifetime)
    return f"{PREFIX}sr={resource}&sig={quote(_sign(resource, expiry, key), safe='')}&se={expiry}"


def check(text: str | None, host: str, device: str, key: str, now: float) -> bool:
    """Whether a password is a signature of this key for this device (or device/modules/module) on this hub, and not expired."""
    return check_resource(text, f"{host}/devices/{device}", key, now)


def check_resource(text: str | None, resource: str, key: str, now: float) -> bool:
    """Whether a text is a signature with this key for this resource, or for one above it, and not expired."""
    fields = _fields(text)
    if not {"sr", "sig", "se"} <= set(fields) or not fields["se"].isdigit() or int(fields["se"]) <= now:
        return False
    signed = fields["sr"].lower()
    if not f"{resource.lower()}/".startswith(f"{signed}/"):
        return False
    return hmac.compare_digest(fields["sig"], _sign(quote(fields["sr"], safe=""), int(fields["se"]), key))


def policy_of(text: str | None) -> str:
    return _fields(text).get("skn", "")


def expiry_of(text: str | None) -> float:
    """Epoch seconds; 0 where there is none."""
    expiry = _fields(text).get("se", "")
    return float(expiry) if expiry.isdigit() else 0.0


def _fields(text: str | None) -> dict[str, str]:
    if not text or not text.startswith(PREFIX) or len(text) > 4096:
        return {}
    return {name: values[0] for name, values in parse_qs(text[len(PREFIX) :], keep_blank_values=True).items()}


def _sign(resource: str, expiry: int, key: str) -> str:
    text = f"{resource}\n{expiry}".encode()
    return base64.b64encode(hmac.new(base64.b64decode(key), text, hashlib.sha256).digest()).decode()
