# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One contract, both implementations of the hub port, against the lab's hub; each good call has a bad twin."""

from __future__ import annotations

import base64
import datetime
import os
import uuid

import pytest
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub import errors
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub.connect import connect
from azure.iot.device import IoTHubDeviceClient, MethodResponse, ProxyOptions

from lab import hub_config
from tests.hub.test_service_sdk import wait_for

DEFAULTS = {"sku": "S1", "units": 20, "timeout": 30, "time_budget": 60}
KEYS = ("sdk", "pipeline")


@pytest.fixture(params=KEYS)
def implementation(request):
    return request.param


@pytest.fixture(params=["connection string", "entra"])
def port(azure, implementation, request):
    who = {"connection_string": azure.connection_string} if request.param == "connection string" else {"hub": azure.host}
    return connect({**DEFAULTS, **who, "implementation": implementation})


@pytest.fixture
def one(azure, implementation):
    """The same with one kind of credential, for what does not depend on it."""
    return connect({**DEFAULTS, "connection_string": azure.connection_string, "implementation": implementation}).inner


@pytest.fixture
def device(azure):
    return azure.device(f"port-{uuid.uuid4().hex[:8]}")[0]


def test_twins(port, device):
    first = port.get_twin(device)
    changed = port.patch_twin(device, {"tags": {"a": 1, "b": None}, "properties": {"desired": {"x": {"y": 1}}}}, first["etag"])
    assert changed["tags"] == {"a": 1} and changed["properties"]["desired"]["x"] == {"y": 1}
    with pytest.raises(errors.HubConflict) as caught:
        port.patch_twin(device, {"tags": {"a": 2}}, first["etag"])
    assert (caught.value.status, caught.value.code) == (412, "PreconditionFailed") and caught.value.tracking_id
    assert port.patch_twin(device, {"properties": {"desired": {"x": None}}})["properties"]["desired"].get("x") is None
    assert port.replace_twin(device, {"tags": {"only": 1}, "properties": {"desired": {}}})["tags"] == {"only": 1}
    with pytest.raises(errors.HubNotFound) as caught:
        port.get_twin("nobody-here")
    assert caught.value.code == "DeviceNotFound" and "nobody-here" in str(caught.value)
    with pytest.raises(errors.HubError) as caught:
        port.patch_twin(device, {"tags": {"a.b": 1}})
    assert caught.value.status == 400 and "a.b" in str(caught.value)


def test_modules(azure, one, device):
    azure.seed({f"{device}/rootwave": {}})
    assert [module["moduleId"] for module in one.list_modules(device)] == ["rootwave"]
    assert one.get_identity(device, "rootwave")["moduleId"] == "rootwave"
    assert one.patch_twin(device, {"properties": {"desired": {"n": 1}}}, module="rootwave")["properties"]["desired"]["n"] == 1
    assert one.get_twin(device, "rootwave")["moduleId"] == "rootwave"
    with pytest.raises(errors.HubNotFound):
        one.get_twin(device, "nobody")


def test_identities(one):
    """A device and its module: made with keys of the hub's, changed under an ETag, gone with its twin."""
    name = f"made-{uuid.uuid4().hex[:8]}"
    device = one.put_identity(name, {"status": "enabled"})
    assert len(base64.b64decode(device["authentication"]["symmetricKey"]["primaryKey"])) == 32
    module = one.put_identity(name, {"authentication": {"type": "certificateAuthority"}}, module="rootwave")
    assert (module["deviceId"], module["moduleId"], module["authentication"]["type"]) == (
        name,
        "rootwave",
        "certificateAuthority",
    )
    with pytest.raises(errors.HubConflict):
        one.put_identity(name, {"status": "enabled"})
    changed = one.put_identity(name, {"status": "disabled"}, device["etag"])
    assert changed["status"] == "disabled"
    with pytest.raises(errors.HubConflict):
        one.put_identity(name, {"status": "enabled"}, "c3RhbGU=")
    one.delete_identity(name, module="rootwave")
    with pytest.raises(errors.HubNotFound):
        one.get_identity(name, "rootwave")
    one.delete_identity(name, changed["etag"])
    with pytest.raises(errors.HubNotFound):
        one.get_twin(name)
    with pytest.raises(errors.HubNotFound):
        one.delete_identity(name)


def test_queries(azure, one):
    mark = uuid.uuid4().hex
    azure.seed({f"q-{mark}-{number:02d}": {"tags": {"mark": mark, "n": number}} for number in range(25)})
    pages = list(one.pages(f"SELECT deviceId, tags.n FROM devices WHERE tags.mark = '{mark}'", 10))
    assert [len(page.items) for page in pages] == [10, 10, 5]
    assert [row["n"] for page in pages for row in page.items] == list(range(25))
    assert pages[0].item_type == "Raw"
    (page,) = one.pages(f"SELECT * FROM devices WHERE deviceId = 'q-{mark}-01'")
    assert page.item_type == "Twin" and page.items[0]["tags"]["n"] == 1
    with pytest.raises(errors.HubError) as caught:
        one.query_page("SELECT nonsense")
    assert caught.value.status == 400


def test_continuation_that_ran_out(azure, one):
    mark = uuid.uuid4().hex
    azure.seed({f"c-{mark}-{number}": {"tags": {"mark": mark}} for number in range(3)})
    text = f"SELECT deviceId FROM devices WHERE tags.mark = '{mark}'"
    first = one.query_page(text, 2)
    azure.fault("continuation-expired")
    with pytest.raises(errors.HubError, match="expired"):
        one.query_page(text, 2, first.continuation)
    azure.clear()
    assert len(one.query_page(text, 2, first.continuation).items) == 1


def test_method(one, device):
    with pytest.raises(errors.HubNotFound) as caught:
        one.invoke_method(device, "go", {"a": 1}, 5)
    assert caught.value.number == 404103 and caught.value.tracking_id


@pytest.mark.parametrize("payload", [None, 0, "", False, {"a": [1, {"b": None}]}])
def test_method_that_the_device_answers(azure, one, payload):
    name, key = azure.device(f"port-{uuid.uuid4().hex[:8]}")
    trusted, proxy = azure.ca_file.read_text(), ProxyOptions("HTTP", *azure.proxy)
    client = IoTHubDeviceClient.create_from_symmetric_key(
        key, azure.host, name, proxy_options=proxy, server_verification_cert=trusted
    )
    client.on_method_request_received = lambda asked: client.send_method_response(
        MethodResponse.create_from_method_request(asked, 207, {"got": asked.payload, "name": asked.name})
    )
    client.connect()
    try:
        answered = wait_for(lambda: answer_of(one, name, payload), lambda answer: answer is not None)
        assert answered == {"status": 207, "payload": {"got": payload, "name": "go"}}
    finally:
        client.shutdown()


def answer_of(one, name, payload):
    """None until the device has subscribed."""
    try:
        return one.invoke_method(name, "go", payload, 5)
    except errors.HubNotFound:
        return None


def test_job_that_is_cancelled(azure, one):
    mark = uuid.uuid4().hex
    later = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)).isoformat()
    update = {"etag": "*", "properties": {"desired": {"update": 1}}}
    asked = {"type": "scheduleUpdateTwin", "updateTwin": update, "queryCondition": "deviceId = 'nobody'", "startTime": later}
    one.create_job(mark, asked)
    one.cancel_job(mark)
    assert one.get_job(mark)["status"] in ("cancelled", "canceled")


def test_configuration_of_modules(azure, one, device):
    name = uuid.uuid4().hex
    azure.seed({f"{device}/rootwave": {"tags": {"mark": name}}})
    content = {"moduleContent": {"properties.desired.update": {"id": name}}}
    one.put_configuration(
        name, {"content": content, "targetCondition": f"FROM devices.modules WHERE tags.mark = '{name}'", "priority": 1}
    )
    try:
        changed = wait_for(lambda: one.get_twin(device, "rootwave"), lambda twin: twin["properties"]["desired"].get("update"))
        assert changed["properties"]["desired"]["update"] == {"id": name}
        assert "update" not in one.get_twin(device)["properties"]["desired"]
    finally:
        one.delete_configuration(name)


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_an_id_is_no_step_in_a_path(one, device, name):
    for ask in (
        lambda: one.get_twin(name),
        lambda: one.delete_identity(device, module=name or ".."),
        lambda: one.get_configuration(name),
    ):
        with pytest.raises(errors.HubError, match="nothing was sent"):
            ask()
    assert one.get_identity(device)["deviceId"] == device


# docs/hub.md, "Who may ask": the least policy for each kind of call, and one that does not suffice
POLICIES = {
    "service": {"twin", "query", "configuration"},
    "registryRead": {"identity", "statistics"},
    "registryReadWrite": {"identity", "statistics", "write"},
    "device": set(),
}


@pytest.mark.parametrize("policy", POLICIES)
def test_policies(azure, implementation, device, policy):
    text = hub_config.connection_string(azure.config, policy=policy)
    port = connect({**DEFAULTS, "connection_string": text, "implementation": implementation})
    calls = {
        "twin": lambda: port.get_twin(device),
        "query": lambda: port.query_page("SELECT COUNT() AS n FROM devices"),
        "configuration": port.list_configurations,
        "identity": lambda: port.get_identity(device),
        "statistics": port.registry_statistics,
        "write": lambda: port.put_identity(f"{device}-{policy}", {}),
    }
    allowed = set()
    for name, call in calls.items():
        try:
            call()
            allowed.add(name)
        except errors.HubAuthError as exc:
            assert exc.status == 401
    assert allowed == POLICIES[policy]


def test_jobs(azure, one):
    mark = uuid.uuid4().hex
    azure.seed({f"j-{mark}": {"tags": {"mark": mark}}})
    update = {"etag": "*", "properties": {"desired": {"update": 1}}}
    asked = {"type": "scheduleUpdateTwin", "updateTwin": update, "queryCondition": f"tags.mark = '{mark}'"}
    one.create_job(mark, asked)
    done = wait_for(lambda: one.get_job(mark), lambda job: job["status"] == "completed")
    assert done["deviceJobStatistics"]["succeededCount"] == 1
    with pytest.raises(errors.HubError) as caught:
        one.cancel_job(mark)
    assert caught.value.status == 405
    with pytest.raises(errors.HubError, match="not modules"):
        one.create_job(f"{mark}-m", {**asked, "queryCondition": "FROM devices.modules"})


def test_configurations(one):
    name = uuid.uuid4().hex
    content = {"deviceContent": {"properties.desired.update": {"id": name}}}
    made = one.put_configuration(name, {"content": content, "targetCondition": f"tags.none = '{name}'", "priority": 1})
    changed = one.put_configuration(name, {**made, "priority": 2}, made["etag"])
    assert changed["priority"] == 2 and one.get_configuration(name)["priority"] == 2
    with pytest.raises(errors.HubConflict):
        one.put_configuration(name, {**made, "priority": 3}, made["etag"])
    assert name in [configuration["id"] for configuration in one.list_configurations()]
    assert one.test_configuration("tags.a = 1", {}) == {"targetConditionError": None, "customMetricQueryErrors": {}}
    assert one.test_configuration("tags.a LIKE 1", {})["targetConditionError"]
    one.delete_configuration(name)
    with pytest.raises(errors.HubNotFound):
        one.get_configuration(name)


def test_statistics(azure, one):
    before = one.registry_statistics()["totalDeviceCount"]
    azure.device()
    assert one.registry_statistics()["totalDeviceCount"] == before + 1
    assert one.service_statistics() == {"connectedDeviceCount": 0}


@pytest.mark.parametrize("status, kind", [(429, errors.HubThrottled), (500, errors.HubError), (503, errors.HubError)])
def test_faults_are_told_and_not_retried_below(azure, one, device, status, kind):
    azure.fault("status", status=status, path="^/twins/", count=1)
    with pytest.raises(kind) as caught:
        one.get_twin(device)
    assert caught.value.status == status and caught.value.again
    one.get_twin(device)


def test_dropped_connection(azure, one, device):
    azure.fault("drop-tcp", count=1)
    with pytest.raises(errors.HubUnreachable) as caught:
        one.get_twin(device)
    assert caught.value.sent
    one.get_twin(device)


def test_wrong_key_is_not_repeated_in_the_message(azure, implementation, device):
    wrong = base64.b64encode(os.urandom(32)).decode()
    text = azure.connection_string.rpartition("SharedAccessKey=")[0] + f"SharedAccessKey={wrong}"
    with pytest.raises(errors.HubAuthError) as caught:
        connect({**DEFAULTS, "connection_string": text, "implementation": implementation}).get_twin(device)
    assert caught.value.status == 401 and wrong not in repr(caught.value) + str(caught.value.as_result())


@pytest.mark.parametrize(
    "variable, value, code",
    [
        ("AZURE_CLIENT_SECRET", "wrong", "AADSTS7000215"),
        ("AZURE_TENANT_ID", "11111111-1111-1111-1111-111111111111", "enant"),
    ],
)
def test_wrong_login(azure, implementation, device, monkeypatch, variable, value, code):
    monkeypatch.setenv(variable, value)
    with pytest.raises(errors.HubAuthError, match=code):
        connect({**DEFAULTS, "hub": azure.host, "implementation": implementation}).get_twin(device)


def test_hub_that_does_not_exist(azure, implementation):
    port = connect({**DEFAULTS, "hub": "nowhere.azure-devices.net", "implementation": implementation})
    with pytest.raises(errors.HubUnreachable, match="proxy refuses"):
        port.get_twin("one")


def test_our_own_trust_store_is_named(azure, implementation, monkeypatch, tmp_path):
    from lab import pki

    (tmp_path / "other.pem").write_text(pki.make_root("Another root").pem)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "other.pem"))
    port = connect({**DEFAULTS, "connection_string": azure.connection_string, "implementation": implementation})
    with pytest.raises(errors.HubUnreachable, match="not trusted here") as caught:
        port.get_twin("one")
    assert str(tmp_path / "other.pem") in caught.value.advice
