# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether who connects is who it says: SAS with the identity's keys or a policy's, X.509 by thumbprint or by CA."""

from __future__ import annotations

import hashlib
import time

from cryptography import x509
from cryptography.x509.oid import NameOID

from .. import sas

DEVICE_POLICIES = ("iothubowner", "device")


def proved(hub, identity: dict, key: str, password: str | None, certificate: bytes | None) -> str:
    """ "sas" or "x509", or an empty text for nobody. ``certificate`` is DER that TLS has verified against what the hub trusts."""
    kind = identity["authentication"]["type"]
    if kind == "sas":
        return "sas" if _signed(hub, identity, key, password) else ""
    if certificate is None:
        return ""
    if kind == "selfSigned":
        known = {str(value).replace(":", "").upper() for value in identity["authentication"]["x509Thumbprint"].values() if value}
        seen = {digest(certificate).hexdigest().upper() for digest in (hashlib.sha1, hashlib.sha256)}
        return "x509" if known & seen else ""
    return "x509" if common_name(certificate) == identity["deviceId"] else ""


def common_name(certificate: bytes) -> str:
    names = x509.load_der_x509_certificate(certificate).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""


def _signed(hub, identity: dict, key: str, password: str | None) -> bool:
    device, _slash, module = key.partition("/")
    resource = f"{hub.name}/devices/{device}" + (f"/modules/{module}" if module else "")
    policy = sas.policy_of(password)
    if policy:
        keys = [hub.config["policies"].get(policy)] if policy in DEVICE_POLICIES else []
    else:
        keys = list(identity["authentication"]["symmetricKey"].values())
    return any(one and sas.check_resource(password, resource, one, time.time()) for one in keys)
