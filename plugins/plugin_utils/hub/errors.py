# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. What a hub or the way to it said, as one kind of error. Never a key or a token."""

from __future__ import annotations

import json
import os
import re

from ..packages import WHERE

PAGE = "https://learn.microsoft.com/azure/iot-hub/troubleshoot-error-codes"
TEXT_MOST = 500  # characters of a hub's own words in a message
# What to do, by the code's name (PAGE)
ADVICE = {
    "ArgumentInvalid": "mend the request; the hub's words say what it cannot take",
    "DeviceNotFound": "check the device's id and that this is its hub",
    "ModuleNotFound": "check the module's id; make the module identity first",
    "DeviceNotOnline": "the device is not connected: look at its network, its clock and its roots",
    "GatewayTimeout": "the device did not answer in time; it may still be at work, so look before you call again",
    "ConfigurationNotFound": "check the configuration's id",
    "PreconditionFailed": "somebody else changed it meanwhile; read it again and start anew",
    "ThrottlingException": "the hub's quota is used up; wait, call less often, or add units",
    "ThrottlingMaxActiveJobCountExceeded": "another job is running on this hub; wait for its end",
    "IotHubUnauthorizedAccess": "check the policy's key and rights, or the Entra identity's role on this hub "
    "(IoT Hub Data Reader, Twin Contributor, Data Contributor) and that it is of this cloud; then this machine's clock",
    "IotHubUnauthorized": "check key or certificate, and the clock: more than five minutes off is refused",
    "ServiceUnavailable": "wait and try again; see Azure's service health",
    "ServerError": "wait and try again; see Azure's service health",
    "SubscriptionNotFound": "check the subscription's id, and that the identity has a role in it",
    "AuthorizationFailed": "give the identity the role Reader on the subscription or on the resource group",
    "InvalidAuthenticationToken": "the token is for another service or cloud, or expired; check cloud and tenant",
    "BadOptions": "nothing was sent; mend the options or the environment",
    "NoIdentity": "run az login, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET (AWX: an Azure credential)",
    "NoPackage": WHERE,
    "NoToken": "check AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, or what az login left; and the cloud",
    "NoTenant": "check AZURE_TENANT_ID (AWX: AZURE_TENANT), and that the tenant is in this cloud",
    "AADSTS90002": "check AZURE_TENANT_ID (AWX: AZURE_TENANT), and that the tenant is in this cloud",
    "AADSTS700016": "check AZURE_CLIENT_ID, and that it is an application of the tenant in AZURE_TENANT_ID",
    "AADSTS7000215": "set AZURE_CLIENT_SECRET (AWX: AZURE_SECRET) to a secret's value, not to its id",
    "AADSTS7000222": "the client secret is expired: make a new one and set AZURE_CLIENT_SECRET",
    "AADSTS700024": "the client assertion is out of its time: check this machine's clock",
    "AADSTS700027": "the client certificate is none of the application's: check AZURE_CLIENT_CERTIFICATE_PATH",
    "Shortfall": "or set on_shortfall: warn and take what there is",
}
BY_STATUS = {401: "IotHubUnauthorizedAccess", 429: "ThrottlingException", 503: "ServiceUnavailable"}


class HubError(Exception):
    """``status`` is HTTP's or None when no answer came; ``again`` says that the same call may work later."""

    def __init__(self, message: str, status: int | None = None, code: str = "", tracking_id: str = "", number: int | None = None):
        super().__init__(message)
        self.status, self.code, self.tracking_id, self.number = status, code, tracking_id, number

    @property
    def advice(self) -> str:
        return ADVICE.get(self.code) or ADVICE.get(BY_STATUS.get(self.status or 0, ""), f"see {PAGE}")

    @property
    def again(self) -> bool:
        return self.status in (429, 500, 502, 503, 504)

    def as_result(self) -> dict:
        """For a module's failure."""
        result = {
            "msg": f"{self}; {self.advice}",
            "status": self.status,
            "error_code": self.code,
            "tracking_id": self.tracking_id,
        }
        return {name: value for name, value in result.items() if value}


class HubUnreachable(HubError):
    """No answer: name, TCP, proxy or TLS. ``sent`` is True when the hub may have got the request all the same."""

    def __init__(self, message: str, advice: str, sent: bool = False) -> None:
        super().__init__(message)
        self._advice, self.sent = advice, sent

    @property
    def advice(self) -> str:
        return self._advice

    @property
    def again(self) -> bool:
        return self.sent


class HubAuthError(HubError):
    """401, 403, or no token to be had."""


class HubNotFound(HubError):
    """404."""


class HubConflict(HubError):
    """409, 412."""


class HubThrottled(HubError):
    """429."""


KINDS = {401: HubAuthError, 403: HubAuthError, 404: HubNotFound, 409: HubConflict, 412: HubConflict, 429: HubThrottled}


def from_answer(what: str, status: int, headers, text: str) -> HubError:
    """``what`` was asked of whom, for the message; ``text`` is the body as it came, of a hub, of ARM or of DPS."""
    words, tracking, code = _words(text)
    number = re.search(r"errorCode\W{1,5}([45]\d{5})\b", text)
    code = headers.get("iothub-errorcode") or code or (re.match(r"ErrorCode:(\w+)", words) or ["", ""])[1]
    message = f"{what}: {status} {code}: {words.removeprefix(f'ErrorCode:{code};')[:TEXT_MOST]}".rstrip(": ")
    return KINDS.get(status, HubError)(message, status, code, tracking, int(number[1]) if number else None)


def _words(text: str) -> tuple[str, str, str]:
    """(the message, the tracking id, a code that stands in the body)."""
    try:
        document = json.loads(text)
        if isinstance(document.get("error"), dict):  # ARM: {"error": {"code", "message"}}
            return str(document["error"].get("message", "")), "", str(document["error"].get("code", ""))
        if "message" in document:  # DPS: {"errorCode", "trackingId", "message"}
            return f"{document['message']} ({document.get('errorCode')})", str(document.get("trackingId", "")), ""
        words = str(document.get("Message", text))
        tracking = re.search(r"Tracking ID:\s*([\w-]+)", str(document.get("ExceptionMessage", "")))
        if words.startswith("{"):  # a direct method's error is JSON in a text
            inner = json.loads(words)
            return str(inner.get("message", words)), str(inner.get("trackingId", "")), ""
        return words, tracking[1] if tracking else "", ""
    except (ValueError, AttributeError):
        return " ".join(text.split()), "", ""


# What requests and azure-core say when a request cannot have left this machine
NOT_SENT = (
    "NewConnectionError",
    "NameResolutionError",
    "ConnectTimeout",
    "Tunnel connection failed",
    "certificate verify failed",
)
# Of a bundle that cannot be read (requests), and of one without a certificate (OpenSSL)
NO_BUNDLE = ("TLS CA certificate bundle", "NO_CERTIFICATE_OR_CRL_FOUND")


def trusted_bundle() -> str:
    """The file that requests verifies servers with, for a message."""
    import certifi

    return os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or certifi.where()


def unreachable(what: str, error: Exception, ca_file: str) -> HubUnreachable:
    """``ca_file`` is the bundle that was trusted, for who has to look whether it is this machine that lacks the root."""
    words = " ".join(repr(error).split())
    if any(sign in words for sign in NO_BUNDLE):
        advice = "set REQUESTS_CA_BUNDLE to a file of PEM certificates that this user may read"
        return HubUnreachable(f"{what}: this control node's bundle {ca_file} cannot be read", advice)
    if "certificate verify failed" in words:
        if "expired" in words:
            return HubUnreachable(f"{what}: its certificate is expired", "look at this machine's clock, then at the hub")
        if "mismatch" in words or "doesn't match" in words:
            return HubUnreachable(
                f"{what}: its certificate is for another name", "is TLS intercepted, is this the hub's address?"
            )
        advice = f"its chain ends at no root of this control node's own bundle, {ca_file}; add it there or set REQUESTS_CA_BUNDLE"
        return HubUnreachable(f"{what}: its certificate is not trusted here", advice)
    if "NameResolutionError" in words or "Failed to resolve" in words:
        return HubUnreachable(f"{what}: the name does not resolve", "check the name, this machine's DNS, and HTTPS_PROXY")
    if said := re.search(r"Tunnel connection failed: (\d+[\w ]*)", words):
        if said[1].startswith("403"):
            return HubUnreachable(f"{what}: the proxy refuses this name", "allow it at the proxy of HTTPS_PROXY; check the name")
        return HubUnreachable(
            f"{what}: the proxy says {said[1]}", "check HTTPS_PROXY, its user and password, and the proxy itself"
        )
    if "Unable to connect to proxy" in words and "NewConnectionError" in words:
        return HubUnreachable(f"{what}: the proxy does not answer", "check HTTPS_PROXY and the proxy itself")
    sent = not any(sign in words for sign in NOT_SENT)
    if "timed out" in words.lower():
        return HubUnreachable(f"{what}: no answer in time", "check firewall, proxy and the hub's IP rules", sent)
    return HubUnreachable(f"{what}: no connection ({words[:TEXT_MOST]})", "check firewall, proxy (HTTPS_PROXY) and DNS", sent)


__all__ = (
    "HubAuthError",
    "HubConflict",
    "HubError",
    "HubNotFound",
    "HubThrottled",
    "HubUnreachable",
    "from_answer",
    "trusted_bundle",
    "unreachable",
)
