# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. The hub port over azure-core alone: for control nodes where azure-iot-hub cannot be installed."""

from __future__ import annotations

from urllib.parse import quote

from .rest import RestClient, quoted
from .service import HubService, Page, no_step

API_VERSION = "2021-04-12"


class PipelineHub(HubService):
    """``credential`` is SharedAccess or a TokenCredential; ``timeout`` in seconds is for one call."""

    def __init__(self, host: str, credential, scope: str, timeout: float) -> None:
        self.host, self._rest = host, RestClient(host, credential, scope, timeout, API_VERSION)

    def get_twin(self, device, module=None):
        return self._rest.ask("GET", twin_path(device, module))

    def patch_twin(self, device, patch, etag="*", module=None):
        return self._rest.ask("PATCH", twin_path(device, module), patch, etag)

    def replace_twin(self, device, twin, etag="*", module=None):
        return self._rest.ask("PUT", twin_path(device, module), twin, etag)

    def query_page(self, text, size=100, continuation=None):
        headers = {"x-ms-max-item-count": str(size), **({"x-ms-continuation": continuation} if continuation else {})}
        answer = self._rest.send("POST", "/devices/query", {"query": text}, headers)
        return Page(answer.json(), answer.headers.get("x-ms-item-type", ""), answer.headers.get("x-ms-continuation"))

    def get_identity(self, device, module=None):
        return self._rest.ask("GET", "/devices/" + below(device, module))

    def put_identity(self, device, document, etag=None, module=None):
        body = {**document, "deviceId": device, **({"moduleId": module} if module else {})}
        return self._rest.ask("PUT", "/devices/" + below(device, module), body, etag)

    def delete_identity(self, device, etag="*", module=None):
        self._rest.send("DELETE", "/devices/" + below(device, module), headers={"If-Match": quoted(etag)})

    def list_modules(self, device):
        return self._rest.ask("GET", f"/devices/{part(device)}/modules")

    def invoke_method(self, device, name, payload, response_timeout=30, connect_timeout=0, module=None):
        body = {"methodName": name, "payload": payload, "responseTimeoutInSeconds": response_timeout}
        body["connectTimeoutInSeconds"] = connect_timeout
        return self._rest.ask("POST", twin_path(device, module) + "/methods", body, longer=response_timeout + connect_timeout)

    def create_job(self, job, document):
        return self._rest.ask("PUT", f"/jobs/v2/{part(job)}", {**document, "jobId": job})

    def get_job(self, job):
        return self._rest.ask("GET", f"/jobs/v2/{part(job)}")

    def cancel_job(self, job):
        return self._rest.ask("POST", f"/jobs/v2/{part(job)}/cancel")

    def get_configuration(self, name):
        return self._rest.ask("GET", f"/configurations/{part(name)}")

    def put_configuration(self, name, document, etag=None):
        return self._rest.ask("PUT", f"/configurations/{part(name)}", {**document, "id": name}, etag)

    def delete_configuration(self, name, etag="*"):
        self._rest.send("DELETE", f"/configurations/{part(name)}", headers={"If-Match": quoted(etag)})

    def list_configurations(self):
        return self._rest.ask("GET", "/configurations")

    def test_configuration(self, target_condition, metric_queries):
        body = {"targetCondition": target_condition, "customMetricQueries": metric_queries}
        return self._rest.ask("POST", "/configurations/testQueries", body)

    def registry_statistics(self):
        return self._rest.ask("GET", "/statistics/devices")

    def service_statistics(self):
        return self._rest.ask("GET", "/statistics/service")


def part(name: str) -> str:
    """As one part of a path, and never another path."""
    return quote(no_step(name), safe="")


def below(device: str, module: str | None) -> str:
    return f"{part(device)}/modules/{part(module)}" if module else part(device)


def twin_path(device: str, module: str | None) -> str:
    return "/twins/" + below(device, module)


__all__ = ("PipelineHub",)
