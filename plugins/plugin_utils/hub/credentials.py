# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. Who asks the hub: a shared-access connection string, or any credential that azure-identity finds."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import logging
import os
import re
import time
from dataclasses import dataclass, field
from urllib.parse import quote

from ..packages import not_there
from .errors import TEXT_MOST, HubAuthError, HubError, trusted_bundle, unreachable
from .names import CLOUDS, Cloud, HubNames

LIFETIME = 3600  # seconds of a shared access signature
# AWX's Azure credential type puts these into a job's environment, azure-identity reads the others
FROM_AWX = {"AZURE_TENANT": "AZURE_TENANT_ID", "AZURE_SECRET": "AZURE_CLIENT_SECRET"}
AWX_CLOUDS = {"AzureCloud": "public", "AzureUSGovernment": "usgov", "AzureChinaCloud": "china"}
# What azure-identity says of a credential that is not set up at all, and of a login that could not be asked
ABSENT = ("unavailable", "not found", "not installed", "could not be found", "to be installed", "is required")
ON_THE_WAY = ("certificate verify failed", "CA certificate bundle", "Unable to connect to proxy", "Failed to resolve")


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
        """A signature for the whole hub."""
        return signature(self.host, self.policy, self.key, now)


@dataclass(frozen=True)
class DeviceAccess:
    """A device's own key for its registration at DPS; ``resource`` is <id scope>/registrations/<registration id>."""

    resource: str
    key: str = field(repr=False)

    def token(self) -> str:
        return signature(self.resource, "registration", self.key)


def signature(resource: str, policy: str, key: str, now: float | None = None) -> str:
    """A shared access signature (azure-docs iot-hub-dev-guide-sas); ``key`` is base64."""
    signed, expiry = quote(resource, safe=""), int((time.time() if now is None else now) + LIFETIME)
    digest = hmac.new(base64.b64decode(key), f"{signed}\n{expiry}".encode(), hashlib.sha256).digest()
    proof = quote(base64.b64encode(digest).decode(), safe="")
    return f"SharedAccessSignature sr={signed}&sig={proof}&se={expiry}&skn={quote(policy, safe='')}"


def cloud_of(name: str | None) -> Cloud:
    """By our name, by AWX's (AZURE_CLOUD_ENVIRONMENT), the public one else; raises CredentialError."""
    wanted = name or os.environ.get("AZURE_CLOUD_ENVIRONMENT") or "public"
    cloud = CLOUDS.get(AWX_CLOUDS.get(wanted, wanted))
    if cloud is None:
        raise CredentialError(f"cloud {wanted!r} is none of {', '.join([*CLOUDS, *AWX_CLOUDS])}")
    return cloud


class Entra:
    """azure-identity's DefaultAzureCredential (environment, workload and managed identity, az login) with errors of this port."""

    def __init__(self, authority: str) -> None:
        try:
            from azure.identity import DefaultAzureCredential
        except ImportError as exc:
            raise HubError(not_there("azure-identity", exc), code="NoPackage") from exc
        # what it logs is in the errors; without a handler Python prints it in the middle of Ansible's output
        logging.getLogger("azure.identity").addHandler(logging.NullHandler())
        self._authority = authority.removeprefix("https://")
        try:
            self._chain = DefaultAzureCredential(authority=authority)
        except ValueError as exc:  # a tenant or an authority that cannot be one
            raise HubError(f"no token from Microsoft Entra ID: {exc}", code="BadOptions") from exc

    def get_token(self, *scopes: str, **options):
        """azure-core's protocol TokenCredential."""
        from azure.core.exceptions import ClientAuthenticationError

        try:
            return self._chain.get_token(*scopes, **options)
        except (ClientAuthenticationError, OSError) as exc:
            what = f"no token from Microsoft Entra ID, {self._authority}, for {scopes[0].removesuffix('/.default')}"
            raise no_token(what, exc) from exc


def no_token(what: str, error: Exception) -> HubError:
    """What was tried, without azure-identity's many lines about what is not there."""
    if any(sign in str(error) for sign in ON_THE_WAY):
        return unreachable(what, error, trusted_bundle())
    tried = [" ".join(line.split()) for line in str(error).splitlines() if line.startswith("\t")] or [str(error)]
    told = "; ".join(line for line in tried if "Authentication failed" in line or not any(sign in line for sign in ABSENT))
    number = re.search(r"AADSTS\d+", told)
    code = number[0] if number else "NoTenant" if "authority configuration" in told else "NoToken" if told else "NoIdentity"
    words = told[:TEXT_MOST] or "neither environment, workload identity, managed identity nor az login has an identity"
    return HubAuthError(f"{what}: {words}", code=code)


def entra_credential(cloud: Cloud) -> Entra:
    """Who the environment says that we are; raises HubError."""
    for theirs, ours in FROM_AWX.items():
        if os.environ.get(theirs) and not os.environ.get(ours):
            os.environ[ours] = os.environ[theirs]
    return Entra(os.environ.get("AZURE_AUTHORITY_HOST") or cloud.authority)


__all__ = ("CredentialError", "DeviceAccess", "SharedAccess", "cloud_of", "entra_credential", "signature")
