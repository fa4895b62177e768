# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. The hub port over azure-core alone: for control nodes where azure-iot-hub cannot be installed.

No retries here: what may be asked again, and when, is throttle.py's to decide, the same for both implementations.
"""

from __future__ import annotations

import json
import os
from typing import Any
from urllib.parse import quote

from .credentials import SharedAccess
from .errors import HubAuthError, HubError, from_answer, unreachable
from .nodelay import mount
from .service import ANSWER_MOST, HubService, Page

API_VERSION = "2021-04-12"
CONNECT_MOST = 10  # seconds


class PipelineHub(HubService):
    """``credential`` is SharedAccess or a TokenCredential; ``timeout`` in seconds is for one call."""

    def __init__(self, host: str, credential, scope: str, timeout: float) -> None:
        try:
            from azure.core import PipelineClient
            from azure.core.pipeline.policies import BearerTokenCredentialPolicy, UserAgentPolicy
            from azure.core.pipeline.transport import RequestsTransport
            from requests import Session
        except ImportError as exc:
            raise HubError(f"azure-core cannot be imported ({exc}): pip install azure-core azure-identity") from exc
        self.host, self._timeout = host, timeout
        self._access = credential if isinstance(credential, SharedAccess) else None
        policies: list = [UserAgentPolicy(base_user_agent="rootwave.iot")]
        if self._access is None:
            policies.append(BearerTokenCredentialPolicy(credential, scope))
        session = Session()
        mount(session)
        transport = RequestsTransport(session=session, session_owner=False)
        self._client: PipelineClient = PipelineClient(f"https://{host}", policies=policies, transport=transport)

    def get_twin(self, device, module=None):
        return self._ask("GET", twin_path(device, module))

    def patch_twin(self, device, patch, etag="*", module=None):
        return self._ask("PATCH", twin_path(device, module), patch, etag)

    def replace_twin(self, device, twin, etag="*", module=None):
        return self._ask("PUT", twin_path(device, module), twin, etag)

    def query_page(self, text, size=100, continuation=None):
        headers = {"x-ms-max-item-count": str(size), **({"x-ms-continuation": continuation} if continuation else {})}
        answer = self._send("POST", "/devices/query", {"query": text}, headers)
        return Page(answer.json(), answer.headers.get("x-ms-item-type", ""), answer.headers.get("x-ms-continuation"))

    def get_identity(self, device, module=None):
        return self._ask("GET", "/devices/" + below(device, module))

    def list_modules(self, device):
        return self._ask("GET", f"/devices/{part(device)}/modules")

    def invoke_method(self, device, name, payload, response_timeout=30, connect_timeout=0, module=None):
        body = {"methodName": name, "payload": payload, "responseTimeoutInSeconds": response_timeout}
        body["connectTimeoutInSeconds"] = connect_timeout
        return self._ask("POST", twin_path(device, module) + "/methods", body, longer=response_timeout + connect_timeout)

    def create_job(self, job, document):
        return self._ask("PUT", f"/jobs/v2/{part(job)}", {**document, "jobId": job})

    def get_job(self, job):
        return self._ask("GET", f"/jobs/v2/{part(job)}")

    def cancel_job(self, job):
        return self._ask("POST", f"/jobs/v2/{part(job)}/cancel")

    def get_configuration(self, name):
        return self._ask("GET", f"/configurations/{part(name)}")

    def put_configuration(self, name, document, etag=None):
        return self._ask("PUT", f"/configurations/{part(name)}", {**document, "id": name}, etag)

    def delete_configuration(self, name, etag="*"):
        self._send("DELETE", f"/configurations/{part(name)}", headers={"If-Match": quoted(etag)})

    def list_configurations(self):
        return self._ask("GET", "/configurations")

    def test_configuration(self, target_condition, metric_queries):
        body = {"targetCondition": target_condition, "customMetricQueries": metric_queries}
        return self._ask("POST", "/configurations/testQueries", body)

    def registry_statistics(self):
        return self._ask("GET", "/statistics/devices")

    def service_statistics(self):
        return self._ask("GET", "/statistics/service")

    def _ask(self, method: str, path: str, body: Any = None, etag: str | None = None, longer: float = 0) -> Any:
        headers = {} if etag is None else {"If-Match": quoted(etag)}
        answer = self._send(method, path, body, headers, longer)
        try:
            return answer.json()
        except ValueError as exc:
            raise HubError(f"{method} {path} of {self.host}: the answer is not JSON", answer.status_code) from exc

    def _send(self, method: str, path: str, body: Any = None, headers: dict | None = None, longer: float = 0):
        from azure.core.exceptions import AzureError, ClientAuthenticationError
        from azure.core.rest import HttpRequest

        what = f"{method} {path} of {self.host}"
        headers = {"Accept": "application/json", **(headers or {})}
        if self._access:  # a fresh signature each time: it costs nothing and never expires under way
            headers["Authorization"] = self._access.token()
        request = HttpRequest(
            method, f"https://{self.host}{path}", params={"api-version": API_VERSION}, headers=headers, json=body
        )
        most = {"connection_timeout": CONNECT_MOST, "read_timeout": self._timeout + longer}
        try:
            answer = self._client.send_request(request, stream=True, **most)
            text = read_limited(answer.iter_bytes(), what)
        except ClientAuthenticationError as exc:
            raise HubAuthError(f"{what}: no token from Microsoft Entra ID: {' '.join(str(exc).split())[:500]}") from exc
        except AzureError as exc:
            raise unreachable(what, exc, trusted_bundle()) from exc
        if answer.status_code >= 300:
            raise from_answer(what, answer.status_code, answer.headers, text.decode(errors="replace"))
        return Answer(answer.status_code, answer.headers, text)


class Answer:
    def __init__(self, status_code: int, headers, body: bytes) -> None:
        self.status_code, self.headers, self._body = status_code, headers, body

    def json(self) -> Any:
        return json.loads(self._body)


def read_limited(chunks, what: str) -> bytes:
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > ANSWER_MOST:
            raise HubError(f"{what}: the answer is longer than {ANSWER_MOST} bytes")
    return bytes(body)


def part(name: str) -> str:
    return quote(name, safe="")


def below(device: str, module: str | None) -> str:
    return f"{part(device)}/modules/{part(module)}" if module else part(device)


def twin_path(device: str, module: str | None) -> str:
    return "/twins/" + below(device, module)


def quoted(etag: str) -> str:
    """The hub wants its ETags in quotes, ``*`` too is taken so (RFC 9110, 8.8.3)."""
    return etag if etag == "*" else '"' + etag.strip('"') + '"'


def trusted_bundle() -> str:
    """The file that requests verifies servers with, for a message."""
    import certifi

    return os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or certifi.where()


__all__ = ("PipelineHub", "quoted", "trusted_bundle")
