# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. Reads of Azure Resource Manager that no package of requirements.txt has a call for."""

from __future__ import annotations

from urllib.parse import urlsplit

from .credentials import entra_credential
from .errors import HubError
from .names import Cloud
from .rest import RestClient

SERVICE_TAGS = "/subscriptions/{subscription}/providers/Microsoft.Network/locations/{location}/serviceTags"
NETWORK_API_VERSION = "2023-09-01"
PAGES_MOST = 100


class Arm:
    """Raises HubError."""

    def __init__(self, cloud: Cloud, timeout: float) -> None:
        self.host = urlsplit(cloud.arm).netloc
        self._rest = RestClient(self.host, entra_credential(cloud), cloud.arm + "/.default", timeout, NETWORK_API_VERSION)

    def service_tags(self, subscription: str, location: str) -> dict:
        """The Service Tag Discovery API's document, its pages put together; ``location`` only picks who answers."""
        path = SERVICE_TAGS.format(subscription=subscription, location=location)
        document = self._rest.ask("GET", path)
        if not isinstance(document, dict) or not isinstance(document.get("values"), list):
            raise HubError(f"{self.host} answers with no service tags document")
        following = document.get("nextLink")
        for _page in range(PAGES_MOST):
            if not following:
                return document
            parts = urlsplit(following)
            if parts.netloc != self.host:
                raise HubError(f"{self.host} sends us on to {parts.netloc}; not followed")
            page = self._rest.ask("GET", f"{parts.path}?{parts.query}")
            document["values"] = [*document["values"], *page["values"]]
            following = page.get("nextLink")
        raise HubError(f"{self.host} lists its service tags on more than {PAGES_MOST} pages")


__all__ = ("Arm",)
