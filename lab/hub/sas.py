# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shared access signatures of IoT Hub devices (azure-docs iot-hub-dev-guide-sas): made for clients, checked by the hub."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from urllib.parse import parse_qs, quote

PREFIX = "SharedAccessSignature "


def token(host: str, device: str, key: str, lifetime: float, now: float | None = None) -> str:
    """A device's MQTT password, valid for ``lifetime`` seconds; ``key`` is base64."""
    resource = quote(f"{host}/devices/{device}", safe="")
    expiry = int((time.time() if now is None else now) + lifetime)
    return f"{PREFIX}sr={resource}&sig={quote(_sign(resource, expiry, key), safe='')}&se={expiry}"


def check(text: str | None, host: str, device: str, key: str, now: float) -> bool:
    """Whether a password is a signature of this device's key for this device on this hub, and not expired."""
    if not text or not text.startswith(PREFIX) or len(text) > 4096:
        return False
    fields = parse_qs(text[len(PREFIX) :], keep_blank_values=True)
    try:
        resource, signature, expiry = (fields[name][0] for name in ("sr", "sig", "se"))
        expires = int(expiry)
    except (KeyError, ValueError):
        return False
    if resource.lower() != f"{host}/devices/{device}".lower() or expires <= now:
        return False
    return hmac.compare_digest(signature, _sign(quote(resource, safe=""), expires, key))


def _sign(resource: str, expiry: int, key: str) -> str:
    text = f"{resource}\n{expiry}".encode()
    return base64.b64encode(hmac.new(base64.b64decode(key), text, hashlib.sha256).digest()).decode()
