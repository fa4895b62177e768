# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. Who asks the hub: a shared-access connection string, or any credential that azure-identity finds."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import time
from dataclasses import dataclass, field
from urllib.parse import quote

from .names import CLOUDS, Cloud, HubNames

LIFETIME = 3600  # seconds of a shared access signature
# AWX's Azure credential type puts these into a job's environment, azure-identity reads the others
FROM_AWX = {"AZURE_TENANT": "AZURE_TENANT_ID", "AZURE_SECRET": "AZURE_CLIENT_SECRET"}
AWX_CLOUDS = {"AzureCloud": "public", "AzureUSGovernment": "usgov", "AzureChinaCloud": "china"}


class CredentialError(Exception):
    """What was given cannot be a credential; the message never repeats it."""


@dataclass(frozen=True)
class SharedAccess:
    """A hub's shared-access policy. The key stays out of every repr."""

    names: HubNames
    host: str
    policy: str
    key: str = field(repr=False)

    @classmethod
    def of(cls, text: str) -> SharedAccess:
        """From HostName=...;SharedAccessKeyName=...;SharedAccessKey=...; raises CredentialError."""
        parts = dict(part.partition("=")[::2] for part in text.strip().split(";") if part)
        missing = [name for name in ("HostName", "SharedAccessKeyName", "SharedAccessKey") if not parts.get(name)]
        if missing:
            raise CredentialError(
                f"the connection string has no {', '.join(missing)}; take it from the hub's shared access policies"
            )
        try:
            base64.b64decode(parts["SharedAccessKey"], validate=True)
            names = HubNames.of(parts["HostName"])
        except binascii.Error as exc:
            raise CredentialError("the connection string's SharedAccessKey is not base64; is it cut off?") from exc
        except ValueError as exc:
            raise CredentialError(f"the connection string's HostName: {exc}") from exc
        return cls(names, parts["HostName"].lower(), parts["SharedAccessKeyName"], parts["SharedAccessKey"])

    @property
    def connection_string(self) -> str:
        return f"HostName={self.host};SharedAccessKeyName={self.policy};SharedAccessKey={self.key}"

    def token(self, now: float | None = None) -> str:
        """A signature for the whole hub (azure-docs iot-hub-dev-guide-sas)."""
        resource, expiry = quote(self.host, safe=""), int((time.time() if now is None else now) + LIFETIME)
        digest = hmac.new(base64.b64decode(self.key), f"{resource}\n{expiry}".encode(), hashlib.sha256).digest()
        signature = quote(base64.b64encode(digest).decode(), safe="")
        return f"SharedAccessSignature sr={resource}&sig={signature}&se={expiry}&skn={quote(self.policy, safe='')}"


def cloud_of(name: str | None) -> Cloud:
    """By our name, by AWX's (AZURE_CLOUD_ENVIRONMENT), the public one else; raises CredentialError."""
    wanted = name or os.environ.get("AZURE_CLOUD_ENVIRONMENT") or "public"
    cloud = CLOUDS.get(AWX_CLOUDS.get(wanted, wanted))
    if cloud is None:
        raise CredentialError(f"cloud {wanted!r} is none of {', '.join([*CLOUDS, *AWX_CLOUDS])}")
    return cloud


def entra_credential(cloud: Cloud):
    """azure-identity's DefaultAzureCredential: environment, workload identity, managed identity, az login, in its order."""
    from azure.identity import DefaultAzureCredential

    for theirs, ours in FROM_AWX.items():
        if os.environ.get(theirs) and not os.environ.get(ours):
            os.environ[ours] = os.environ[theirs]
    return DefaultAzureCredential(authority=os.environ.get("AZURE_AUTHORITY_HOST") or cloud.authority)


__all__ = ("CredentialError", "SharedAccess", "cloud_of", "entra_credential")
