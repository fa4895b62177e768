# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. Hubs, provisioning services and IoT Central applications of one subscription, as plain values.

Over azure-mgmt-iothub and azure-mgmt-iothubprovisioningservices; what they have no call for comes through arm.py. Everything
raises HubError.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..packages import not_there
from .arm import Arm
from .credentials import entra_credential
from .errors import HubAuthError, HubError, from_answer, unreachable
from .names import Cloud
from .rest import CONNECT_MOST, trusted_bundle

PACKAGES = "azure-mgmt-iothub azure-mgmt-iothubprovisioningservices azure-identity"


class Resources:
    def __init__(self, cloud: Cloud, subscription: str, timeout: float) -> None:
        try:
            from azure.mgmt.iothub import IotHubClient
            from azure.mgmt.iothubprovisioningservices import IotDpsClient
        except ImportError as exc:
            raise HubError(not_there(PACKAGES, exc), code="NoPackage") from exc
        self.subscription, self._arm = subscription, Arm(cloud, timeout)
        common: dict[str, Any] = {"base_url": cloud.arm, "credential_scopes": [cloud.arm + "/.default"]}
        common |= {"connection_timeout": CONNECT_MOST, "read_timeout": timeout}
        self._hubs = IotHubClient(entra_credential(cloud), subscription, **common)
        self._dps = IotDpsClient(entra_credential(cloud), subscription, **common)

    def hubs(self) -> list[dict]:
        """[{"name", "host", "location", "regions", "sku", "units", "min_tls_version", network rules, private endpoints, ...}]"""
        found = self._ask("hubs", lambda: list(self._hubs.iot_hub_resource.list_by_subscription()))
        flags = self._root_flags()
        return [{**_hub(hub), "root_flag": flags.get((hub.id or "").lower())} for hub in found]

    def provisioning_services(self) -> list[dict]:
        """[{"name", "device_host", "service_host", "id_scope", "linked_hubs", ...}]; linked hubs may be anybody's."""
        return [_dps(one) for one in self._ask("DPS", lambda: list(self._dps.iot_dps_resource.list_by_subscription()))]

    def central_applications(self) -> list[dict]:
        """[{"name", "subdomain", "location", ...}]; ARM does not show their hubs."""
        found = self._arm.central_applications(self.subscription)
        return [
            {
                "name": one["name"],
                "resource_id": one["id"],
                "location": one.get("location", ""),
                "subdomain": one.get("properties", {}).get("subdomain", ""),
            }
            for one in found
        ]

    def private_addresses(self, hub: dict) -> list[dict]:
        """[{"name", "state", "addresses": [...]}]; ``addresses`` is None where the identity may not read the endpoint.

        An endpoint that is registered in a private DNS zone may name none itself: then the list is empty.
        """
        shown = []
        for one in hub["private_endpoints"]:
            try:
                addresses = self._arm.private_endpoint(one["id"])
            except HubError:
                addresses = None
            shown.append({"name": one["name"], "state": one["state"], "addresses": addresses})
        return shown

    def _root_flags(self) -> dict[str, str]:
        """v1 or v2 by resource id. A hint of a preview API that may be gone tomorrow: then there is none (azure-facts: only a
        handshake proves the root)."""
        try:
            return self._arm.root_flags(self.subscription)
        except HubError:
            return {}

    def _ask(self, kind: str, call: Callable[[], list]) -> list:
        from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

        what = f"{kind} of subscription {self.subscription}"
        try:
            return call()
        except HttpResponseError as exc:
            answer: Any = exc.response
            if answer is not None:
                raise from_answer(what, answer.status_code, answer.headers, answer.text()) from exc
            words = " ".join(str(exc).split())[:500]
            if isinstance(exc, ClientAuthenticationError):
                raise HubAuthError(f"{what}: no token from Microsoft Entra ID: {words}") from exc
            raise HubError(f"{what}: {words}") from exc
        except AzureError as exc:
            raise unreachable(what, exc, trusted_bundle()) from exc


def _hub(hub) -> dict:
    more = hub.properties
    rules = more.network_rule_sets
    return {
        **_resource(hub),
        "host": (more.host_name or "").lower(),
        "state": more.state,
        "regions": [{"name": _region(place.location), "role": place.role} for place in more.locations or []],
        "sku": hub.sku.name,
        "units": hub.sku.capacity,
        "min_tls_version": more.min_tls_version,
        "public_network_access": more.public_network_access,
        "default_action": rules.default_action if rules else None,
        "ip_rules": [rule.ip_mask for rule in (rules.ip_rules if rules else more.ip_filter_rules) or []],
        "private_endpoints": [_private_endpoint(one) for one in more.private_endpoint_connections or []],
    }


def _dps(dps) -> dict:
    more = dps.properties
    return {
        **_resource(dps),
        "device_host": (more.device_provisioning_host_name or "").lower(),
        "service_host": (more.service_operations_host_name or "").lower(),
        "id_scope": more.id_scope,
        "public_network_access": more.public_network_access,
        "linked_hubs": [(one.name or "").lower() for one in more.iot_hubs or []],
    }


def _resource(one) -> dict:
    return {
        "name": one.name,
        "resource_id": one.id,
        "resource_group": (one.id or "").split("/resourceGroups/")[-1].split("/")[0],
        "location": _region(one.location),
    }


def _private_endpoint(connection) -> dict:
    more = connection.properties
    where, state = more.private_endpoint, more.private_link_service_connection_state
    return {"name": connection.name, "id": where.id if where else "", "state": state.status if state else ""}


def _region(text: str | None) -> str:
    """ARM writes ``West Europe`` in one place and ``westeurope`` in another."""
    return (text or "").replace(" ", "").lower()


__all__ = ("Resources",)
