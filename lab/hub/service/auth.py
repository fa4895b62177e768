# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may call: a shared access signature of a policy, or an Entra token for IoT Hub's audience."""

from __future__ import annotations

import time

from aiohttp import web

from .. import sas
from ..cloud.login import TokenRefused
from ..errors import HubError

AUDIENCES = {"azure-devices.net": "https://iothubs.azure.net", "azure-devices.us": "https://iothubs.azure.us"}
# Azure's built-in policies and what they may do; reading needs less than changing
RIGHTS = {
    "iothubowner": {"read", "write", "service"},
    "service": {"service"},
    "registryRead": {"read"},
    "registryReadWrite": {"read", "write"},
    "device": set(),
}


def authorise(hub, request: web.Request) -> None:
    """Raises HubError 401."""
    given = request.headers.get("Authorization", "")
    if given.startswith("Bearer "):
        _bearer(hub, given.removeprefix("Bearer "))
    elif given.startswith(sas.PREFIX):
        _signature(hub, request, given)
    else:
        raise unauthorised("the Authorization header is missing or of an unknown kind")


def _bearer(hub, token: str) -> None:
    zone = hub.name.partition(".")[2]
    try:
        hub.world.tokens.check(token, {AUDIENCES[zone]})
    except TokenRefused as exc:
        raise unauthorised(str(exc)) from exc


def _signature(hub, request: web.Request, text: str) -> None:
    policy = sas.policy_of(text)
    key = hub.config["policies"].get(policy)
    if key is None or not any(sas.check_resource(text, name, key, time.time()) for name in hub.names):
        raise unauthorised("the signature is none of this hub's policies, or expired")
    if needed(request) not in RIGHTS[policy]:
        raise unauthorised(f"policy {policy} may not {request.method} {request.path}")


def needed(request: web.Request) -> str:
    """Twins, methods, jobs, configurations and queries need ServiceConnect, identities a right to the registry."""
    first = request.path.split("/")[1]
    if first == "devices" and not request.path.endswith("/query"):
        return "read" if request.method == "GET" else "write"
    if first == "statistics":
        return "read" if request.path.endswith("/devices") else "service"
    return "service"


def unauthorised(message: str) -> HubError:
    return HubError(401, "IotHubUnauthorizedAccess", message)
