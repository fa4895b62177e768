# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. The hub port over the vendor's package azure-iot-hub, the default where it can be installed.

Its generated operations are asked for the raw answer: its models lose projections, and its managers hide error bodies and send
configuration ETags without quotes. Its retries are off, because they do not know a hub's 429 (throttle.py does).
"""

from __future__ import annotations

from typing import Any

from ..packages import not_there
from .credentials import SharedAccess
from .errors import HubError, from_answer, trusted_bundle, unreachable
from .nodelay import mount
from .rest import CONNECT_MOST, quoted
from .service import ANSWER_MOST, HubService, Page, no_step

PACKAGES = "azure-iot-hub six"  # six is needed but not declared


class SdkHub(HubService):
    """``credential`` is SharedAccess or a TokenCredential; ``timeout`` in seconds is for one call."""

    def __init__(self, host: str, credential, scope: str, timeout: float) -> None:
        try:
            from azure.iot.hub.auth import AzureIdentityCredentialAdapter, ConnectionStringAuthentication
            from azure.iot.hub.protocol.iot_hub_gateway_service_ap_is import IotHubGatewayServiceAPIs
        except ImportError as exc:
            words = f"{not_there(PACKAGES, exc)}, or set implementation=pipeline, which needs azure-core only"
            raise HubError(words, code="NoPackage") from exc
        self.host, self._timeout = host, timeout
        if isinstance(credential, SharedAccess):
            proof = ConnectionStringAuthentication(credential.connection_string)
        else:
            proof = AzureIdentityCredentialAdapter(credential, scope)
        self._api = IotHubGatewayServiceAPIs(proof, f"https://{host}")
        self._api.config.retry_policy.retries = 0
        self._api.config.retry_policy.policy.status_forcelist = ()  # else a 5xx loses its body
        self._api.config.connection.timeout = CONNECT_MOST
        self._api.config.session_configuration_callback = mount

    def get_twin(self, device, module=None):
        return self._twin("get_twin", device, module)

    def patch_twin(self, device, patch, etag="*", module=None):
        return self._twin("update_twin", device, module, patch, quoted(etag))

    def replace_twin(self, device, twin, etag="*", module=None):
        return self._twin("replace_twin", device, module, twin, quoted(etag))

    def query_page(self, text, size=100, continuation=None):
        answer = self._ask(self._api.query.get_twins, {"query": text}, continuation, str(size))
        headers = answer.headers
        return Page(answer.json(), headers.get("x-ms-item-type", ""), headers.get("x-ms-continuation"))

    def get_identity(self, device, module=None):
        return self._twin("get_identity", device, module)

    def put_identity(self, device, document, etag=None, module=None):
        body = {**document, "deviceId": device, **({"moduleId": module} if module else {})}
        guard = None if etag is None else quoted(etag)
        return self._twin("create_or_update_identity", device, module, body, guard)

    def delete_identity(self, device, etag="*", module=None):
        group, who = (self._api.modules, (device, module)) if module else (self._api.devices, (device,))
        self._ask(group.delete_identity, *who, quoted(etag))

    def list_modules(self, device):
        return self._ask(self._api.modules.get_modules_on_device, device).json()

    def invoke_method(self, device, name, payload, response_timeout=30, connect_timeout=0, module=None):
        body = {"methodName": name, "payload": payload, "responseTimeoutInSeconds": response_timeout}
        body["connectTimeoutInSeconds"] = connect_timeout
        return self._twin("invoke_method", device, module, body, longer=response_timeout + connect_timeout)

    def create_job(self, job, document):
        return self._ask(self._api.jobs.create_scheduled_job, job, {**document, "jobId": job}).json()

    def get_job(self, job):
        return self._ask(self._api.jobs.get_scheduled_job, job).json()

    def cancel_job(self, job):
        return self._ask(self._api.jobs.cancel_scheduled_job, job).json()

    def get_configuration(self, name):
        return self._ask(self._api.configuration.get, name).json()

    def put_configuration(self, name, document, etag=None):
        guard = None if etag is None else quoted(etag)
        return self._ask(self._api.configuration.create_or_update, name, {**document, "id": name}, guard).json()

    def delete_configuration(self, name, etag="*"):
        self._ask(self._api.configuration.delete, name, quoted(etag))

    def list_configurations(self):
        return self._ask(self._api.configuration.get_configurations).json()

    def test_configuration(self, target_condition, metric_queries):
        body = {"targetCondition": target_condition, "customMetricQueries": metric_queries}
        return self._ask(self._api.configuration.test_queries, body).json()

    def registry_statistics(self):
        return self._ask(self._api.statistics.get_device_statistics).json()

    def service_statistics(self):
        return self._ask(self._api.statistics.get_service_statistics).json()

    def _twin(self, call: str, device: str, module: str | None, *more, longer: float = 0) -> Any:
        group = self._api.modules if module else self._api.devices
        who = (device, module) if module else (device,)
        return self._ask(getattr(group, call), *who, *more, longer=longer).json()

    def _ask(self, call, *arguments, longer: float = 0):
        """The requests.Response of one call of the SDK."""
        from msrest.exceptions import ClientException, HttpOperationError

        ids = [no_step(one) for one in arguments[:2] if isinstance(one, str)]
        what = f"{call.__name__} {' '.join(ids)} of {self.host}"
        try:
            answer = call(*arguments, raw=True, timeout=(CONNECT_MOST, self._timeout + longer)).response
        except HttpOperationError as exc:
            raise from_answer(what, exc.response.status_code, exc.response.headers, exc.response.text) from exc
        except ClientException as exc:
            raise unreachable(what, exc.inner_exception or exc, trusted_bundle()) from exc
        except OSError as exc:  # requests has no bundle to verify with
            raise unreachable(what, exc, trusted_bundle()) from exc
        if len(answer.content) > ANSWER_MOST:
            raise HubError(f"{what}: the answer is longer than {ANSWER_MOST} bytes")
        return answer


__all__ = ("SdkHub",)
