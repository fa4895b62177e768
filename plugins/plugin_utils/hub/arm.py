# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. Reads of Azure Resource Manager that no package of requirements.txt has a call for."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from .credentials import entra_credential
from .errors import HubError
from .names import Cloud
from .rest import RestClient

SUBSCRIPTION = "/subscriptions/{subscription}/providers"
SERVICE_TAGS = SUBSCRIPTION + "/Microsoft.Network/locations/{location}/serviceTags"
HUBS = SUBSCRIPTION + "/Microsoft.Devices/IotHubs?api-version=2023-06-30-preview"
CENTRAL = SUBSCRIPTION + "/Microsoft.IoTCentral/iotApps?api-version=2021-06-01"
NETWORK_API_VERSION = "2023-09-01"
PRIVATE_ENDPOINT = re.compile(
    r"/subscriptions/[^/?#]+/resourceGroups/[^/?#]+/providers/Microsoft\.Network/privateEndpoints/[^/?#]+", re.I
)
PAGES_MOST = 100


class Arm:
    """Raises HubError."""

    def __init__(self, cloud: Cloud, timeout: float) -> None:
        self.host = urlsplit(cloud.arm).netloc
        self._rest = RestClient(self.host, entra_credential(cloud), cloud.arm + "/.default", timeout, NETWORK_API_VERSION)

    def service_tags(self, subscription: str, location: str) -> dict:
        """The Service Tag Discovery API's document, its pages put together; ``location`` only picks who answers."""
        document, values = self._list(SERVICE_TAGS.format(subscription=subscription, location=location), "values")
        return {**document, "values": values}

    def central_applications(self, subscription: str) -> list[dict]:
        """IoT Central applications as ARM shows them (azure rest-api iotcentral apps list-by-subscription)."""
        return self._list(CENTRAL.format(subscription=subscription), "value")[1]

    def root_flags(self, subscription: str) -> dict[str, str]:
        """{hub's resource id in lower case: "v1" or "v2"} where ARM has properties.rootCertificate, which previews only do."""
        found = {}
        for hub in self._list(HUBS.format(subscription=subscription), "value")[1]:
            root = (hub.get("properties") or {}).get("rootCertificate")
            if isinstance(root, dict):
                found[str(hub.get("id", "")).lower()] = "v2" if root.get("enableRootCertificateV2") else "v1"
        return found

    def private_endpoint(self, resource: str) -> list[str]:
        """The addresses of a private endpoint, which its own DNS configuration names."""
        if not PRIVATE_ENDPOINT.fullmatch(resource):
            raise HubError(f"{resource!r} is no private endpoint's resource id")
        document = self._rest.ask("GET", resource)
        configurations = document.get("properties", {}).get("customDnsConfigs") or []
        addresses = {address for one in configurations for address in one.get("ipAddresses") or []}
        try:
            return [str(one) for one in sorted(map(ipaddress.ip_address, addresses), key=lambda one: (one.version, one))]
        except ValueError as exc:
            raise HubError(f"private endpoint {resource}: {exc}") from exc

    def _list(self, path: str, items: str) -> tuple[dict, list]:
        """(the first page's document, the items of all pages)."""
        document = page = self._rest.ask("GET", path)
        found: list = []
        for _page in range(PAGES_MOST):
            if not isinstance(page, dict) or not isinstance(page.get(items), list):
                raise HubError(f"{self.host} answers {path.partition('?')[0]} with no list of {items}")
            found += page[items]
            following = page.get("nextLink")
            if not following:
                return document, found
            parts = urlsplit(following)
            if parts.netloc != self.host:
                raise HubError(f"{self.host} sends us on to {parts.netloc}; not followed")
            page = self._rest.ask("GET", f"{parts.path}?{parts.query}")
        raise HubError(f"{self.host} lists {path.partition('?')[0]} on more than {PAGES_MOST} pages")


__all__ = ("Arm",)
