# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module hub_connections in real ansible runs, with the vendor's device SDK on the other side of the lab's hub."""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from types import SimpleNamespace

import pytest
from azure.iot.device import IoTHubDeviceClient, IoTHubModuleClient, ProxyOptions
from azure.iot.device.exceptions import NoConnectionError
from azure.iot.hub import IoTHubRegistryManager
from azure.iot.hub.models import Twin

from lab import hub_config, pki
from lab.hub_config import HUB_WEST
from tests.hub.ansible_run import module

PATIENCE = 30  # seconds
HOUR = 3600.0
LENIENT = {"baseline": 1, "max_drop_percent": 100}  # other tests' devices are in the metric too
JAVA = "com.microsoft.azure.sdk.iot.iot-device-client/{} (11.0.2; Linux; amd64)"


@pytest.fixture
def registry(azure):
    return IoTHubRegistryManager.from_connection_string(azure.connection_string)


@pytest.fixture(scope="module")
def measured(running_hub):
    """A metric that is older than the hub, which may have been started a second ago."""
    past(running_hub, connectedDeviceCount=[[time.time() - 3 * HOUR, 1]])


@pytest.fixture
def look(azure, measured):
    """One run with log and metric, everything that is away counted at once."""

    def run(*flags: str, **arguments):
        asked = {"hub": azure.host, **evidence(azure), **LENIENT, "grace": 0, **arguments}
        ran = module(azure, "hub_connections", {name: value for name, value in asked.items() if value is not None}, *flags)
        assert not ran.result.get("changed"), ran.output
        return ran

    return run


def evidence(azure, hub: str = "lab-hub") -> dict:
    tenant = azure.config["tenant"]
    group = f"/subscriptions/{tenant['subscription']}/resourceGroups/lab/providers"
    return {"workspace_id": tenant["workspace"], "resource_id": f"{group}/Microsoft.Devices/IotHubs/{hub}"}


@pytest.fixture
def device(azure):
    return lambda **more: azure.device(f"seen-{uuid.uuid4().hex[:8]}", **more)


@pytest.fixture
def connect(azure):
    """Connected clients that end with the test; ``roots`` is what the device trusts."""
    clients = []

    def make(name: str, key: str, roots: str = "", **more):
        proxy = ProxyOptions("HTTP", *azure.proxy)
        trusted = roots or azure.ca_file.read_text()
        given = {"proxy_options": proxy, "server_verification_cert": trusted, "connection_retry": False, **more}
        client = IoTHubDeviceClient.create_from_symmetric_key(key, azure.host, name, **given)
        clients.append(client)
        client.left = threading.Event()
        client.on_connection_state_change = lambda: client.connected or client.left.set()
        client.connect()
        return client

    yield make
    for client in clients:
        with contextlib.suppress(NoConnectionError):  # of the one whose last connect failed
            client.shutdown()


@pytest.fixture
def cutover(azure):
    """As Azure did it, and back."""
    address = [azure.where.hubs[azure.host]]
    yield lambda: azure.ask("cutover", {"hub": azure.host, "chain": "v2", "listen": address})
    azure.ask("cutover", {"hub": azure.host, "chain": "v1", "listen": address})


def past(azure, *events: dict, hub: str = "", **metrics) -> None:
    azure.ask("past", {"hub": hub or azure.host, "events": events, "metrics": metrics})


def drop(name: str, ago: float, away: float | None = 2.0, number: int | None = 404104, **more) -> list[dict]:
    """A drop so many seconds ago, and the return unless ``away`` is None."""
    at = time.time() - ago
    left = {"at": at, "operation": "deviceDisconnect", "device": name, "number": number, **more}
    return [left] if away is None else [left, {"at": at + away, "operation": "deviceConnect", "device": name, **more}]


def came(name: str, ago: float, **more) -> dict:
    return {"at": time.time() - ago, "operation": "deviceConnect", "device": name, **more}


def ids(rows: list[dict]) -> list[str]:
    return sorted(row["device_id"] for row in rows)


def lacking(ran) -> list[str]:
    return [one["evidence"] for one in ran.result["missing_evidence"]]


def test_cutover(azure, look, device, connect, cutover):
    """One device trusts the new root and comes back, the other one rejects the hub's certificate, which no log says."""
    (good, key), (bad, other_key) = device(), device()
    old_root = pki.create(azure.folder)["lab-baltimore"].pem
    ready, stuck = connect(good, key), connect(bad, other_key, roots=old_root)
    before = look(device_ids=[good, bad])
    assert before.result["verdict"] == "pass" and not before.result["logs"]["reconnected"], before.result
    cutover()
    assert ready.left.wait(PATIENCE) and stuck.left.wait(PATIENCE)
    ready.connect()
    with pytest.raises(Exception, match="(?i)tls|connect"):
        stuck.connect()
    found = look(device_ids=[good, bad]).result
    (back,), (gone,) = found["logs"]["reconnected"], found["logs"]["gone"]
    assert (back["device_id"], back["code"], back["times"]) == (good, 404104, 1)
    assert (gone["device_id"], gone["attempts"], gone["code"], gone["name"]) == (bad, 0, 404104, "DeviceConnectionClosedRemotely")
    assert found["verdict"] == "fail" and bad in found["reasons"][0] and "rejects the hub's certificate" in found["reasons"][0]
    assert [(one["code"], one["devices"]) for one in found["logs"]["errors"]] == [(404104, sorted([good, bad]))]
    alone = look(device_ids=[good]).result
    assert alone["verdict"] == "pass" and ids(alone["logs"]["reconnected"]) == [good] and not alone["reasons"]
    assert alone["logs"]["sdks"] == [{"sdk": found["logs"]["sdks"][0]["sdk"], "devices": 1}]
    assert alone["logs"]["sdks"][0]["sdk"].startswith("azure-iot-device-iothub-py/")


def test_grace(look, device, connect):
    """Who dropped a moment ago may be in the middle of a renewal: not gone, and not passed either."""
    name, key = device()
    connect(name, key).disconnect()
    waiting = look(device_ids=[name], grace=600).result
    assert waiting["verdict"] == "inconclusive" and not waiting["logs"]["gone"] and "ask again" in waiting["reasons"][0]
    assert ids(look(device_ids=[name]).result["logs"]["gone"]) == [name]


def test_an_attempt_that_the_hub_refused_is_no_return(azure, look, device):
    """401003 on deviceConnect: TLS worked, so it is not the root."""
    refused, unseen = device()[0], device()[0]
    past(azure, came(refused, 2 * HOUR), *drop(refused, HOUR, None), came(refused, 60, number=401003))
    past(azure, came(unseen, 2 * HOUR), *drop(unseen, HOUR, None))
    found = look(device_ids=[refused, unseen]).result
    gone = {row["device_id"]: (row["attempts"], row["code"], row["name"]) for row in found["logs"]["gone"]}
    assert gone == {refused: (1, 401003, "IotHubUnauthorized"), unseen: (0, 404104, "DeviceConnectionClosedRemotely")}
    assert any(refused in reason and "it is not the root" in reason for reason in found["reasons"])
    assert any(unseen in reason and "no attempt reached the hub" in reason for reason in found["reasons"])


@pytest.mark.parametrize("how, renewals", [({}, 2), ({"auth": "x509"}, 0), ({"protocol": "Amqp"}, 0)])
def test_renewals(azure, look, device, connect, how, renewals):
    name, key = device()
    past(azure, came(name, 3 * HOUR, **how), *drop(name, 2 * HOUR, **how), *drop(name, HOUR, number=401003, **how))
    connect(name, key)
    found = look(device_ids=[name]).result
    assert found["verdict"] == "pass" and found["logs"]["renewals"] == renewals, found["reasons"]
    assert [row["times"] for row in found["logs"]["reconnected"]] == ([] if renewals else [2])
    assert [one["code"] for one in found["logs"]["errors"]] == ([] if renewals else [404104, 401003])


def test_old_java(azure, look, device, connect):
    old, late, new, updated = (device()[0] for _each in range(4))
    versions = {old: "1.30.3", late: "1.34.0", new: "2.1.2", updated: "1.20.2"}
    past(azure, *[came(name, 60, sdk=JAVA.format(version)) for name, version in versions.items()])
    past(azure, came(updated, 30, sdk=JAVA.format("2.0.0")), came(new, 20, sdk="{{ 1 / 0 }} x"))
    found = look(device_ids=[old, late, new, updated]).result
    java = {row["device_id"]: (row["version"], row["severity"]) for row in found["logs"]["java_v1"]}
    assert java == {old: ("1.30.3", "blocker"), late: ("1.34.0", "warning")}
    assert found["verdict"] == "fail" and "reads no trust store" in found["reasons"][0] and old in found["reasons"][0]
    assert {"sdk": "{{", "devices": 1} in found["logs"]["sdks"]  # a device's own text is never a template
    spared = look(device_ids=[late, new, updated]).result
    assert spared["verdict"] != "fail" and any(late in one and one.startswith("note:") for one in spared["reasons"])


def test_missing_evidence_never_passes(look, device, connect):
    name, key = device()
    connect(name, key)
    assert look(device_ids=[name]).result["verdict"] == "pass"
    nothing = look(device_ids=[name], workspace_id=None, resource_id=None, baseline=None)
    assert nothing.result["verdict"] == "inconclusive" and (nothing.result["logs"], nothing.result["metric"]) == (None, None)
    assert lacking(nothing) == ["connections log", "metric connectedDeviceCount"]
    assert all(one["reason"] and one["remedy"] for one in nothing.result["missing_evidence"])
    wrong = look(device_ids=[name], workspace_id=str(uuid.uuid4()))
    assert wrong.result["verdict"] == "inconclusive" and lacking(wrong) == ["connections log"]
    (why,) = wrong.result["missing_evidence"]
    assert "WorkspaceNotFound" in why["reason"] and "workspace_id" in why["remedy"]
    unknown = look(device_ids=[name], baseline=None)
    assert unknown.result["verdict"] == "inconclusive" and lacking(unknown) == ["baseline"]
    for arguments in ({"workspace_id": "my-workspace"}, {"resource_id": "lab-hub"}, {"hours": 0}, {"device_ids": ['"x']}):
        refused = look(**{"device_ids": [name], **arguments})
        assert refused.code != 0 and next(iter(arguments)) in refused.result["msg"]


def test_a_log_without_an_event(look, device):
    """Nothing happened, or nothing is written: the hub's diagnostic setting tells which, where it may be asked."""
    name, _key = device()
    quiet = look(device_ids=[name])
    assert (
        quiet.result["verdict"] == "inconclusive" and lacking(quiet) == [] and "away already before" in quiet.result["reasons"][0]
    )
    unknown = look(device_ids=[name], resource_id=None)
    assert lacking(unknown) == ["connections log", "metric connectedDeviceCount"]


def test_another_hubs_resource(azure, look, device):
    refused = look(device_ids=[device()[0]], resource_id=evidence(azure, "lab-west")["resource_id"])
    assert refused.code != 0 and "lab-west" in refused.result["msg"]


@pytest.mark.parametrize("change, words", [("AZURE_TENANT_ID", "tenant"), ("AZURE_CLIENT_SECRET", "AADSTS7000215")])
def test_no_entra_identity(azure, device, connect, change, words):
    """The hub is asked by connection string; log and metric cannot be."""
    name, key = device()
    connect(name, key)
    closed = "http://127.0.0.1:9"
    operator = {**azure.environment, change: str(uuid.uuid4()), "AZURE_POD_IDENTITY_AUTHORITY_HOST": closed}
    asked = {"connection_string": azure.connection_string, "device_ids": [name], **evidence(azure), **LENIENT}
    ran = module(SimpleNamespace(environment=operator), "hub_connections", asked)
    assert ran.code == 0 and ran.result["verdict"] == "inconclusive", ran.output
    assert lacking(ran) == ["connections log", "metric connectedDeviceCount"]
    assert all(words in one["reason"] and change in one["remedy"] for one in ran.result["missing_evidence"])
    assert [row["connection_state"] for row in ran.result["devices"]] == ["Connected"]


@pytest.fixture(scope="module")
def west(running_hub):
    """A hub whose metric fell from 100 to 60 when eight devices dropped and came back, ten minutes ago."""
    names = [f"west-{number}" for number in range(8)]
    running_hub.seed({name: {} for name in names}, HUB_WEST)
    samples = [[time.time() - 3 * HOUR, 100], [time.time() - 600, 20], [time.time() - 540, 60]]
    crowd = [event for name in names for event in (came(name, 2 * HOUR), *drop(name, 600, 30))]
    past(running_hub, *crowd, hub=HUB_WEST, connectedDeviceCount=samples)
    text = hub_config.connection_string(running_hub.config, HUB_WEST)
    asked = {"connection_string": text, "device_ids": names, **evidence(running_hub, "lab-west")}
    return lambda **more: module(running_hub, "hub_connections", {**asked, **more})


def test_metric(west):
    given = west(baseline=80).result
    assert given["metric"] == {"baseline": 80.0, "latest": 60.0, "lowest": 20.0, "drop_percent": 25.0}
    assert given["verdict"] == "fail" and "fell from 80 to 60" in given["reasons"][0]
    spared = west(baseline=80, max_drop_percent=25).result
    assert spared["verdict"] != "fail" and spared["metric"]["drop_percent"] == 25.0


def test_baseline_before_the_cutover(west):
    """The log has the moment at which they fell together, so what was before it is known."""
    known = west()
    assert known.result["metric"]["baseline"] == 100.0 and known.result["metric"]["drop_percent"] == 40.0
    assert known.result["logs"]["cutover"] and len(known.result["logs"]["reconnected"]) == 8 and lacking(known) == []
    blind = west(workspace_id=str(uuid.uuid4()))
    assert blind.result["metric"]["baseline"] is None and "baseline" in lacking(blind)


def test_partial_logs_are_no_logs(running_hub, west):
    """Past the lab's bound of rows the answer is partial; what is in it would call the wrong devices gone."""
    assert west(baseline=100).result["logs"] is not None
    at = time.time() - 900 * HOUR
    many = [{"at": at + one, "operation": "deviceConnect", "device": "west-0"} for one in range(10_001)]
    past(running_hub, *many, hub=HUB_WEST)
    cut = west(baseline=100, hours=1000)
    assert cut.result["logs"] is None and "connections log" in lacking(cut)
    assert "only a part" in cut.result["missing_evidence"][0]["reason"]


def test_lists_beyond_the_bound(azure, look, registry, device, connect):
    """The index still shows the device that connected a second ago as away."""
    (early, key), (late, other_key) = device(), device()
    connect(early, key)
    azure.fault("index-lag", seconds=3600)
    registry.get_twin(late)
    registry.update_twin(late, Twin(tags={"changed": True}))
    connect(late, other_key)
    queried = look(device_ids=[early, late, "nobody"], fresh_reads_most=0).result
    states = {row["device_id"]: (row["connection_state"], row["fresh"]) for row in queried["devices"]}
    assert states == {early: ("Connected", False), late: ("Disconnected", False), "nobody": ("absent", False)}
    assert "query index" in queried["index_lag"] and queried["verdict"] == "inconclusive" and not queried["logs"]["gone"]
    again = look(device_ids=[early, late], fresh_reads_most=1).result
    states = {row["device_id"]: (row["connection_state"], row["fresh"]) for row in again["devices"]}
    assert states == {early: ("Connected", False), late: ("Connected", True)}
    assert again["index_lag"].startswith("1 of 2") and again["verdict"] == "pass"
    fresh = look(device_ids=[early, late]).result
    assert fresh["index_lag"] is None and fresh["counts"]["connected"] == 2 and fresh["verdict"] == "pass"


def test_where(azure, look, registry, device, connect):
    wave = uuid.uuid4().hex
    (mine, key), (other, other_key) = device(tags={"wave": wave}), device(tags={"wave": "another"})
    connect(mine, key)
    connect(other, other_key)
    found = look(where=f"tags.wave = '{wave}'").result
    assert ids(found["devices"]) == [mine] and found["devices"][0]["fresh"] and "query index" in found["index_lag"]
    nobody = look(where="tags.wave = 'none'").result
    assert nobody["verdict"] == "inconclusive" and "nobody to judge" in " ".join(nobody["reasons"])
    both = look(where="tags.wave = 'x'", device_ids=[mine])
    assert both.code != 0 and "mutually exclusive" in both.output


def test_disabled_deleted_and_modules(azure, look, registry, device, connect):
    (here, key), (off, off_key), (away, _key) = device(), device(), device()
    registry.create_module_with_sas(here, "rootwave", "", key, key)
    text = f"HostName={azure.host};DeviceId={here};ModuleId=rootwave;SharedAccessKey={key}"
    proxy = ProxyOptions("HTTP", *azure.proxy)
    agent = IoTHubModuleClient.create_from_connection_string(
        text, proxy_options=proxy, server_verification_cert=azure.ca_file.read_text(), connection_retry=False
    )
    agent.connect()
    registry.update_device_with_sas(off, registry.get_device(off).etag, off_key, off_key, "disabled")
    registry.delete_device(away)
    asked = [f"{here}/rootwave", off, away]
    found = look(device_ids=asked).result
    assert found["counts"] == {"total": 3, "connected": 1, "disconnected": 0, "disabled": 1, "absent": 1}
    assert [row["module_id"] for row in found["devices"]] == ["rootwave", None, None]
    assert found["verdict"] == "inconclusive" and any(
        away in one and "not in this hub's registry" in one for one in found["reasons"]
    )
    spared = look(device_ids=asked[:2]).result
    assert spared["verdict"] == "pass" and spared["reasons"] == [f"note: 1 ({off}): disabled at the hub, not judged"]
    by_query = look(device_ids=asked, fresh_reads_most=0).result
    assert by_query["counts"] == found["counts"]
    agent.shutdown()


def test_nothing_secret_is_shown(azure, device, connect):
    name, key = device()
    connect(name, key)
    secrets = [azure.connection_string.rpartition("SharedAccessKey=")[2], azure.environment["AZURE_CLIENT_SECRET"], key]
    asked = {"connection_string": azure.connection_string, "device_ids": [name], **evidence(azure)}
    for more in ({}, {"workspace_id": str(uuid.uuid4())}):
        ran = module(azure, "hub_connections", {**asked, **more}, "-vvvv")
        assert ran.result["devices"] and not [one for one in (*secrets, "Bearer ") if one in ran.output]
