# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hub's service side as the vendor's own client sees it: azure-iot-hub, unmodified, with its default endpoints."""

from __future__ import annotations

import base64
import os
import uuid

import pytest
from azure.identity import ClientSecretCredential
from azure.iot.hub import IoTHubConfigurationManager, IoTHubJobManager, IoTHubRegistryManager
from azure.iot.hub.models import (
    CloudToDeviceMethod,
    Configuration,
    ConfigurationContent,
    ConfigurationMetrics,
    ExportImportDevice,
    QuerySpecification,
    Twin,
    TwinProperties,
)
from msrest.exceptions import HttpOperationError


@pytest.fixture
def registry(azure):
    return IoTHubRegistryManager.from_connection_string(azure.connection_string)


@pytest.fixture
def device(azure):
    """A device of this test alone."""
    return azure.device(f"service-{uuid.uuid4().hex[:8]}")[0]


def refused(status: int, code: str, call, *arguments):
    with pytest.raises(HttpOperationError) as caught:
        call(*arguments)
    answer = caught.value.response
    assert (answer.status_code, answer.headers["iothub-errorcode"]) == (status, code), answer.text
    return answer


def key() -> str:
    return base64.b64encode(os.urandom(32)).decode()


def test_twin_patch_guarded_by_its_etag(registry, device):
    first = registry.get_twin(device)
    patch = Twin(tags={"site": "a", "gone": None}, properties=TwinProperties(desired={"update": {"id": "r1"}, "list": [1, 2]}))
    changed = registry.update_twin(device, patch, first.etag)
    assert changed.tags == {"site": "a"}
    assert changed.properties.desired["update"] == {"id": "r1"} and changed.properties.desired["$version"] == 2
    assert changed.properties.desired["$metadata"]["update"]["id"]["$lastUpdatedVersion"] == 2
    refused(412, "PreconditionFailed", registry.update_twin, device, patch, first.etag)
    assert registry.get_twin(device).etag == changed.etag
    replaced = registry.replace_twin(device, Twin(tags={"only": 1}, properties=TwinProperties(desired={})), changed.etag)
    assert replaced.tags == {"only": 1} and "update" not in replaced.properties.desired


@pytest.mark.parametrize("desired", [{"a.b": 1}, {"k": "x" * 4097}, {f"k{n}": "x" * 4000 for n in range(9)}, {"n": 2**53}])
def test_twin_over_the_limits(registry, device, desired):
    before = registry.get_twin(device)
    refused(400, "ArgumentInvalid", registry.update_twin, device, Twin(properties=TwinProperties(desired=desired)))
    assert registry.get_twin(device).version == before.version


def test_strange_names_travel(azure, registry):
    name = f"a:b#c%d?e'f$g-{uuid.uuid4().hex[:6]}"
    registry.create_device_with_sas(name, key(), key(), "enabled")
    assert registry.get_twin(name).device_id == name


def test_modules(registry, device):
    registry.create_module_with_sas(device, "rootwave", "", key(), key())
    assert [one.module_id for one in registry.get_modules(device)] == ["rootwave"]
    changed = registry.update_module_twin(device, "rootwave", Twin(properties=TwinProperties(desired={"order": 1})))
    assert (changed.module_id, changed.properties.desired["order"]) == ("rootwave", 1)
    assert registry.get_module_twin(device, "rootwave").properties.desired["order"] == 1
    assert "order" not in registry.get_twin(device).properties.desired
    registry.delete_module(device, "rootwave")
    refused(404, "ModuleNotFound", registry.get_module_twin, device, "rootwave")


def test_identities(registry):
    name = f"identity-{uuid.uuid4().hex[:8]}"
    primary = key()
    made = registry.create_device_with_sas(name, primary, key(), "enabled")
    assert made.authentication.symmetric_key.primary_key == primary
    refused(409, "DeviceAlreadyExists", registry.create_device_with_sas, name, primary, primary, "enabled")
    updated = registry.update_device_with_sas(name, made.etag, primary, primary, "disabled")
    assert updated.status == "disabled" and updated.etag != made.etag
    refused(412, "PreconditionFailed", registry.update_device_with_sas, name, made.etag, primary, primary, "enabled")
    registry.create_device_with_x509(f"{name}-x", "A" * 40, "B" * 40, "enabled")
    assert registry.get_twin(f"{name}-x").authentication_type == "selfSigned"
    registry.create_device_with_certificate_authority(f"{name}-ca", "enabled")
    assert registry.get_device(f"{name}-ca").authentication.type == "certificateAuthority"
    registry.delete_device(name)
    refused(404, "DeviceNotFound", registry.get_device, name)


def test_bulk(registry, device):
    names = [f"{device}-{number}" for number in range(3)]
    made = registry.bulk_create_or_update_devices(
        [ExportImportDevice(id=name, import_mode="create", status="enabled") for name in names]
    )
    assert made.is_successful
    again = registry.bulk_create_or_update_devices([ExportImportDevice(id=names[0], import_mode="create", status="enabled")])
    assert not again.is_successful and again.errors[0].error_status == "DeviceAlreadyExists"
    gone = registry.bulk_create_or_update_devices([ExportImportDevice(id=name, import_mode="delete") for name in names])
    assert gone.is_successful


def test_query_in_pages(azure, registry):
    mark = uuid.uuid4().hex
    azure.seed({f"page-{mark}-{number:02d}": {"tags": {"mark": mark, "n": number}} for number in range(25)})
    text = f"SELECT deviceId, tags.n FROM devices WHERE tags.mark = '{mark}'"
    rows, token, pages = [], None, 0
    while pages == 0 or token:
        answer = registry.query_iot_hub(QuerySpecification(query=text), continuation_token=token, max_item_count=10)
        rows += [item.additional_properties for item in answer.items]
        token, pages = answer.continuation_token, pages + 1
    assert pages == 3 and [row["n"] for row in rows] == list(range(25))
    counted = registry.query_iot_hub(QuerySpecification(query=f"SELECT COUNT() AS n FROM devices WHERE tags.mark = '{mark}'"))
    assert counted.items[0].additional_properties == {"n": 25}
    refused(400, "ArgumentInvalid", registry.query_iot_hub, QuerySpecification(query="SELECT * FROM devices ORDER BY deviceId"))


def test_statistics(azure, registry):
    before = registry.get_device_registry_statistics()
    azure.device()
    after = registry.get_device_registry_statistics()
    assert after.total_device_count == before.total_device_count + 1
    assert registry.get_service_statistics().connected_device_count == 0


def test_method_without_a_device(registry, device):
    answer = refused(
        404, "DeviceNotOnline", registry.invoke_device_method, device, CloudToDeviceMethod(method_name="go", payload={})
    )
    assert "404103" in answer.text


def test_job_changes_twins(azure, registry):
    mark = uuid.uuid4().hex
    azure.seed({f"job-{mark}-{number}": {"tags": {"mark": mark}} for number in range(3)})
    jobs = IoTHubJobManager.from_connection_string(azure.connection_string)
    from azure.iot.hub.protocol.models import JobRequest

    twin = Twin(etag="*", properties=TwinProperties(desired={"update": 2}))
    request = JobRequest(
        job_id=mark,
        type="scheduleUpdateTwin",
        update_twin=twin,
        query_condition=f"tags.mark = '{mark}'",
        max_execution_time_in_seconds=60,
    )
    assert jobs.create_scheduled_job(mark, request).status in ("queued", "running", "completed")
    status = wait_for(lambda: jobs.get_scheduled_job(mark), lambda job: job.status in ("completed", "failed"))
    assert (status.status, status.device_job_statistics.succeeded_count) == ("completed", 3)
    assert registry.get_twin(f"job-{mark}-1").properties.desired["update"] == 2
    rows = registry.query_iot_hub(QuerySpecification(query=f"SELECT * FROM devices.jobs WHERE devices.jobs.jobId = '{mark}'"))
    assert len(rows.items) == 3
    assert jobs.get_scheduled_job("nobody").status == "unknown"
    modules = JobRequest(job_id="m", type="scheduleUpdateTwin", update_twin=twin, query_condition="moduleId = 'x'")
    refused(400, "ArgumentInvalid", jobs.create_scheduled_job, "m", modules)


def test_configuration_comes_and_goes(azure, registry):
    mark = uuid.uuid4().hex[:12]
    name, _key = azure.device(f"conf-{mark}", tags={"mark": mark})
    manager = IoTHubConfigurationManager.from_connection_string(azure.connection_string)
    content = ConfigurationContent(device_content={"properties.desired.update": {"id": mark}})
    metrics = ConfigurationMetrics(queries={"marked": f"SELECT deviceId FROM devices WHERE tags.mark = '{mark}'"})
    condition = f"tags.mark = '{mark}'"
    made = manager.create_configuration(
        Configuration(id=mark, content=content, target_condition=condition, priority=10, metrics=metrics, schema_version="2.0")
    )
    wait_for(lambda: registry.get_twin(name), lambda twin: twin.properties.desired.get("update") == {"id": mark})
    counted = wait_for(lambda: manager.get_configuration(mark), lambda one: one.metrics.results.get("marked") == 1)
    assert counted.system_metrics.results == {"targetedCount": 1, "appliedCount": 1}
    registry.update_twin(name, Twin(tags={"mark": None}))
    wait_for(lambda: registry.get_twin(name), lambda twin: "update" not in twin.properties.desired)
    made.priority = 20
    with pytest.raises(HttpOperationError):  # the SDK sends its ETag without quotes
        manager.update_configuration(made, made.etag)
    assert manager.update_configuration(made, f'"{manager.get_configuration(mark).etag}"').priority == 20
    manager.delete_configuration(mark)
    refused(404, "ConfigurationNotFound", manager.get_configuration, mark)


def wait_for(ask, good, most: int = 300):
    """Ask the hub until it is as it must be; it works at its own pace and tells nobody."""
    import time

    for _each in range(most):
        answer = ask()
        if good(answer):
            return answer
        time.sleep(0.1)
    raise AssertionError(answer)


def test_wrong_key(azure, device):
    wrong = azure.connection_string.rpartition("=")[0].rpartition("SharedAccessKey")[0] + f"SharedAccessKey={key()}"
    refused(401, "IotHubUnauthorizedAccess", IoTHubRegistryManager.from_connection_string(wrong).get_twin, device)


def test_entra_token(azure, device):
    values = azure.environment
    secret = ClientSecretCredential(values["AZURE_TENANT_ID"], values["AZURE_CLIENT_ID"], values["AZURE_CLIENT_SECRET"])
    registry = IoTHubRegistryManager.from_token_credential(azure.host, secret)
    assert registry.get_twin(device).device_id == device
    azure.ask("expire_tokens", {})
    assert "expired" in refused(401, "IotHubUnauthorizedAccess", registry.get_twin, device).text
