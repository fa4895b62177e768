# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is around the hub as the vendor's clients see it: azure-identity, azure-mgmt-*, azure-monitor-*, default endpoints."""

from __future__ import annotations

import datetime
import os
import subprocess
import sys
import urllib.error
import urllib.request

import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.identity import (
    AzureCliCredential,
    CertificateCredential,
    ClientSecretCredential,
    DefaultAzureCredential,
    ManagedIdentityCredential,
    WorkloadIdentityCredential,
)
from azure.mgmt.iothub import IotHubClient
from azure.mgmt.iothubprovisioningservices import IotDpsClient
from azure.monitor.query import LogsQueryClient, LogsQueryPartialResult, LogsQueryStatus
from azure.monitor.querymetrics import MetricsClient
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from lab.hub_config import DPS_HOST, HUB, HUB_GOV, HUB_WEST

IOT, ARM = "https://iothubs.azure.net/.default", "https://management.azure.com/.default"
CLI = """#!{python}
import json, os, sys
from azure.identity import ClientSecretCredential
names = ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "LAB_SECRET")
resource = sys.argv[sys.argv.index("--resource") + 1]
token = ClientSecretCredential(*(os.environ[name] for name in names)).get_token(resource + "/.default")
print(json.dumps({{"accessToken": token.token, "expires_on": token.expires_on, "expiresOn": "2099-01-01 00:00:00.000000"}}))
"""


def secret(azure, **changes) -> ClientSecretCredential:
    values = azure.environment
    given = {"tenant_id": values["AZURE_TENANT_ID"], "client_id": values["AZURE_CLIENT_ID"]}
    return ClientSecretCredential(**{**given, "client_secret": values["AZURE_CLIENT_SECRET"], **changes})


@pytest.fixture
def client_certificate(azure, tmp_path):
    """A file with key and certificate that the tenant knows from now on, and another one that it does not."""
    files = []
    for name in ("known", "unknown"):
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
        builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        pem = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        (tmp_path / f"{name}.pem").write_bytes(key.private_bytes(*form) + pem)
        files.append(tmp_path / f"{name}.pem")
    (azure.folder / "client.pem").write_bytes(files[0].read_bytes())
    return files


def test_client_secret(azure):
    assert secret(azure).get_token(IOT).token
    with pytest.raises(ClientAuthenticationError, match="AADSTS7000215"):
        secret(azure, client_secret="wrong").get_token(IOT)
    with pytest.raises((ClientAuthenticationError, ValueError), match="tenant"):
        secret(azure, tenant_id="11111111-1111-1111-1111-111111111111").get_token(IOT)
    with pytest.raises(ClientAuthenticationError, match="AADSTS700016"):
        secret(azure, client_id="22222222-2222-2222-2222-222222222222").get_token(IOT)


def test_client_certificate(azure, client_certificate):
    known, unknown = client_certificate
    tenant, client = azure.environment["AZURE_TENANT_ID"], azure.environment["AZURE_CLIENT_ID"]
    assert CertificateCredential(tenant, client, str(known)).get_token(IOT).token
    with pytest.raises(ClientAuthenticationError, match="AADSTS700027"):
        CertificateCredential(tenant, client, str(unknown)).get_token(IOT)


def test_workload_identity(azure, tmp_path):
    tenant, client = azure.environment["AZURE_TENANT_ID"], azure.environment["AZURE_CLIENT_ID"]
    path = tmp_path / "token"
    path.write_text(azure.config["tenant"]["clients"][0]["federated"])
    assert WorkloadIdentityCredential(tenant_id=tenant, client_id=client, token_file_path=str(path)).get_token(IOT).token
    path.write_text("another")
    with pytest.raises(ClientAuthenticationError):
        WorkloadIdentityCredential(tenant_id=tenant, client_id=client, token_file_path=str(path)).get_token(IOT)


def test_managed_identity(azure):
    assert ManagedIdentityCredential().get_token(IOT).token


def test_azure_cli(azure, tmp_path, monkeypatch):
    tool = tmp_path / "az"
    tool.write_text(CLI.format(python=sys.executable))
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("LAB_SECRET", azure.environment["AZURE_CLIENT_SECRET"])
    assert AzureCliCredential().get_token(ARM).token
    monkeypatch.setenv("LAB_SECRET", "wrong")
    with pytest.raises(ClientAuthenticationError):
        AzureCliCredential().get_token(ARM)


def test_hubs_over_all_pages(azure):
    hubs = {hub.properties.host_name: hub for hub in management(azure).iot_hub_resource.list_by_subscription()}
    assert set(hubs) == {HUB, HUB_WEST, HUB_GOV}
    assert (hubs[HUB].sku.name, hubs[HUB].properties.min_tls_version) == ("S1", "1.2")
    assert [place.location for place in hubs[HUB].properties.locations] == ["eastus", "westus"]


def management(azure, **more) -> IotHubClient:
    return IotHubClient(DefaultAzureCredential(), azure.environment["AZURE_SUBSCRIPTION_ID"], **more)


def test_one_hub(azure):
    client = management(azure)
    assert client.iot_hub_resource.get("lab", "lab-hub").properties.host_name == HUB
    keys = {key.key_name: key.primary_key for key in client.iot_hub_resource.list_keys("lab", "lab-hub")}
    assert keys == azure.config["hubs"][0]["policies"]
    assert client.iot_hub_resource.get_keys_for_key_name("lab", "lab-hub", "service").primary_key == keys["service"]
    assert {one.name for one in client.iot_hub_resource.get_quota_metrics("lab", "lab-hub")} == {
        "TotalMessages",
        "TotalDeviceCount",
    }
    with pytest.raises(ResourceNotFoundError):
        client.iot_hub_resource.get("lab", "nobody")


def test_another_subscription(azure):
    client = IotHubClient(DefaultAzureCredential(), "33333333-3333-3333-3333-333333333333")
    with pytest.raises(ResourceNotFoundError, match="SubscriptionNotFound"):
        list(client.iot_hub_resource.list_by_subscription())


def test_wrong_audience(azure):
    client = management(azure, credential_scopes=[IOT])
    with pytest.raises(ClientAuthenticationError, match="audience"):
        list(client.iot_hub_resource.list_by_subscription())


def test_provisioning_services(azure):
    client = IotDpsClient(DefaultAzureCredential(), azure.environment["AZURE_SUBSCRIPTION_ID"])
    (dps,) = client.iot_dps_resource.list_by_subscription()
    assert dps.properties.device_provisioning_host_name == DPS_HOST
    assert [hub.name for hub in dps.properties.iot_hubs] == [HUB]


def test_logs(azure):
    client = LogsQueryClient(DefaultAzureCredential())
    workspace, hour = azure.config["tenant"]["workspace"], datetime.timedelta(hours=1)
    answer = client.query_workspace(workspace, "// rootwave: connections\nAzureDiagnostics", timespan=hour)
    assert answer.status == LogsQueryStatus.SUCCESS and not isinstance(answer, LogsQueryPartialResult)
    assert "DeviceId" in answer.tables[0].columns
    with pytest.raises(HttpResponseError, match="named queries"):
        client.query_workspace(workspace, "AzureDiagnostics | take 1", timespan=hour)
    with pytest.raises(HttpResponseError, match="WorkspaceNotFound"):
        client.query_workspace("44444444-4444-4444-4444-444444444444", "// rootwave: connections", timespan=hour)


def test_metrics(azure):
    group = f"/subscriptions/{azure.environment['AZURE_SUBSCRIPTION_ID']}/resourceGroups/lab"
    resource = f"{group}/providers/Microsoft.Devices/IotHubs/lab-hub"
    azure.device()
    client = MetricsClient("https://eastus.metrics.monitor.azure.com", DefaultAzureCredential())
    asked = {"resource_ids": [resource], "metric_namespace": "Microsoft.Devices/IotHubs", "aggregations": ["Average"]}
    (result,) = client.query_resources(metric_names=["connectedDeviceCount"], **asked)
    assert result.metrics[0].name == "connectedDeviceCount"
    with pytest.raises(HttpResponseError):
        client.query_resources(metric_names=["nonsense"], **asked)


def test_proxy_refuses_every_other_name(azure):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({"https": "http://{}:{}".format(*azure.proxy)}))
    with pytest.raises(urllib.error.URLError, match="403"):
        opener.open("https://example.org/", timeout=10)


def test_nothing_listens_beyond_loopback(azure):
    shown = subprocess.run(["ss", "-Hltnp"], check=True, capture_output=True, text=True).stdout
    mine = [line.split()[3] for line in shown.splitlines() if f"pid={azure.process.pid}," in line]
    assert mine and all(address.startswith("127.") for address in mine)
