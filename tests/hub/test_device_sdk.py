# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hub's device side as the vendor's own client sees it: azure-iot-device, unmodified, real host names through the proxy."""

from __future__ import annotations

import datetime
import hashlib
import queue
import threading
import uuid

import pytest
from azure.iot.device import (
    X509,
    IoTHubDeviceClient,
    IoTHubModuleClient,
    MethodResponse,
    ProvisioningDeviceClient,
    ProxyOptions,
)
from azure.iot.device.exceptions import ClientError, ConnectionFailedError, CredentialError
from azure.iot.hub import IoTHubRegistryManager
from azure.iot.hub.models import CloudToDeviceMethod, Twin, TwinProperties
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PATIENCE = 30  # seconds


@pytest.fixture
def device(azure):
    return azure.device(f"sdk-{uuid.uuid4().hex[:8]}")


@pytest.fixture
def registry(azure):
    return IoTHubRegistryManager.from_connection_string(azure.connection_string)


@pytest.fixture
def connect(azure):
    """Connected clients that end with the test."""
    clients = []

    def make(key: str, name: str, **more) -> IoTHubDeviceClient:
        client = IoTHubDeviceClient.create_from_symmetric_key(key, azure.host, name, **options(azure), **more)
        clients.append(client)
        client.connect()
        return client

    yield make
    for client in clients:
        client.shutdown()


def options(azure) -> dict:
    proxy = ProxyOptions("HTTP", *azure.proxy)
    return {"proxy_options": proxy, "server_verification_cert": azure.ca_file.read_text(), "connection_retry": False}


def patch_with(patches: queue.Queue, name: str) -> dict:
    """The next patch that says something about ``name``; the SDK also tells what it reads after a connect."""
    while name not in (patch := patches.get(timeout=PATIENCE)):
        pass
    return patch


def connected(azure) -> list[str]:
    return azure.ask("registry")[azure.host]["connected"]


@pytest.mark.parametrize("websockets", [False, True])
def test_everything_a_device_does(azure, registry, device, connect, websockets):
    name, key = device
    client = connect(key, name, websockets=websockets)
    assert name in connected(azure)
    client.send_message("hello")
    assert client.get_twin()["desired"] == {"$version": registry.get_twin(name).properties.desired["$version"]}

    patches: queue.Queue = queue.Queue()
    client.on_twin_desired_properties_patch_received = patches.put
    registry.update_twin(name, Twin(properties=TwinProperties(desired={"update": {"id": "r1"}, "drop": None})))
    told = patch_with(patches, "update")
    assert (told["update"], told["drop"]) == ({"id": "r1"}, None)

    client.patch_twin_reported_properties({"rootwave": {"phase": "stage"}})
    assert registry.get_twin(name).properties.reported["rootwave"] == {"phase": "stage"}
    with pytest.raises(ClientError):
        client.patch_twin_reported_properties({"a.b": 1})

    def answer(request):
        client.send_method_response(MethodResponse.create_from_method_request(request, 201, {"echo": request.payload}))

    client.on_method_request_received = answer
    result = registry.invoke_device_method(
        name, CloudToDeviceMethod(method_name="go", payload={"n": 1}, response_timeout_in_seconds=10)
    )
    assert (result.status, result.payload) == (201, {"echo": {"n": 1}})

    messages: queue.Queue = queue.Queue()
    client.on_message_received = messages.put
    azure.ask("send", {"hub": azure.host, "key": name, "body": "to you", "properties": {"k": "v 1"}})
    message = messages.get(timeout=PATIENCE)
    assert (message.data, message.custom_properties) == (b"to you", {"k": "v 1"})


def test_module(azure, registry, device):
    name, key = device
    registry.create_module_with_sas(name, "rootwave", "", key, key)
    text = f"HostName={azure.host};DeviceId={name};ModuleId=rootwave;SharedAccessKey={key}"
    client = IoTHubModuleClient.create_from_connection_string(text, **options(azure))
    client.connect()
    client.patch_twin_reported_properties({"agent": 1})
    assert registry.get_module_twin(name, "rootwave").properties.reported["agent"] == 1
    assert registry.get_module_twin(name, "rootwave").connection_state == "Connected"
    assert registry.get_twin(name).connection_state == "Disconnected"
    client.shutdown()


def certificate(folder, name: str, signer=None) -> tuple[str, str, bytes]:
    """(certificate file, key file, DER) of a client, signed by itself or by (certificate, key)."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    builder = x509.CertificateBuilder().subject_name(subject).public_key(key.public_key())
    builder = builder.issuer_name(signer[0].subject if signer else subject).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - day).not_valid_after(now + day)
    made = builder.sign(signer[1] if signer else key, hashes.SHA256())
    pem = made.public_bytes(serialization.Encoding.PEM)
    (folder / f"{name}.pem").write_bytes(pem)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / f"{name}.key").write_bytes(key.private_bytes(*form))
    return str(folder / f"{name}.pem"), str(folder / f"{name}.key"), made.public_bytes(serialization.Encoding.DER)


def test_x509_by_thumbprint(azure, registry, tmp_path):
    name = f"thumb-{uuid.uuid4().hex[:8]}"
    file, key, der = certificate(tmp_path, name)
    azure.ask("trust_client", {"pem": (tmp_path / f"{name}.pem").read_text()})
    thumbprint = hashlib.sha256(der).hexdigest().upper()
    registry.create_device_with_x509(name, thumbprint, "0" * 64, "enabled")
    client = IoTHubDeviceClient.create_from_x509_certificate(X509(file, key), azure.host, name, **options(azure))
    client.connect()
    assert name in connected(azure)
    client.shutdown()
    registry.update_device_with_x509(name, registry.get_device(name).etag, "1" * 64, "0" * 64, "enabled")
    again = IoTHubDeviceClient.create_from_x509_certificate(X509(file, key), azure.host, name, **options(azure))
    with pytest.raises(CredentialError):
        again.connect()
    again.shutdown()


def test_x509_by_ca(azure, registry, tmp_path):
    from lab import pki

    authority = pki.make_root("Lab devices' CA")
    azure.ask("trust_client", {"pem": authority.pem})
    name, other = (f"ca-{uuid.uuid4().hex[:8]}" for _each in range(2))
    file, key, _der = certificate(tmp_path, name, (authority.certificate, authority.key))
    for one in (name, other):
        registry.create_device_with_certificate_authority(one, "enabled")
    client = IoTHubDeviceClient.create_from_x509_certificate(X509(file, key), azure.host, name, **options(azure))
    client.connect()
    assert name in connected(azure)
    client.shutdown()
    stranger = IoTHubDeviceClient.create_from_x509_certificate(X509(file, key), azure.host, other, **options(azure))
    with pytest.raises(CredentialError):
        stranger.connect()
    stranger.shutdown()


def test_wrong_key_and_disabled_device(azure, registry, device, connect):
    name, key = device
    with pytest.raises(CredentialError):
        connect("d3Jvbmc=", name)
    registry.update_device_with_sas(name, registry.get_device(name).etag, key, key, "disabled")
    with pytest.raises(CredentialError):
        connect(key, name)
    registry.update_device_with_sas(name, registry.get_device(name).etag, key, key, "enabled")
    connect(key, name)


@pytest.mark.parametrize("code, error", [(3, ConnectionFailedError), (5, CredentialError)])
def test_refused_connack(azure, device, connect, code, error):
    azure.fault("refuse-connack", key=device[0], code=code)
    with pytest.raises(error):
        connect(device[1], device[0])


def test_newcomer_evicts(azure, device, connect):
    name, key = device
    first = connect(key, name)
    left = threading.Event()
    first.on_connection_state_change = lambda: first.connected or left.set()
    connect(key, name)
    assert left.wait(PATIENCE)
    assert name in connected(azure)


@pytest.mark.parametrize("lost", [False, True])
def test_session_outlives_a_killed_hub(azure, registry, device, lost):
    """The SDK subscribes once in its life; a hub that forgot would leave it deaf."""
    name, key = device
    client = IoTHubDeviceClient.create_from_symmetric_key(key, azure.host, name, **options(azure))
    patches: queue.Queue = queue.Queue()
    client.on_twin_desired_properties_patch_received = patches.put
    client.connect()
    client.get_twin()
    left = threading.Event()
    client.on_connection_state_change = lambda: client.connected or left.set()
    azure.restart(kill=True)
    assert left.wait(PATIENCE)
    if lost:
        azure.fault("lose-session", key=name)
    client.connect()
    client.get_twin()  # after the one that the SDK sends by itself, which would bring what is changed now
    registry.update_twin(name, Twin(properties=TwinProperties(desired={"after": "restart"})))
    if lost:
        client.send_message("a round trip, so what was to come has come")
        assert not any("after" in patches.get_nowait() for _each in range(patches.qsize()))
    else:
        assert patch_with(patches, "after")["after"] == "restart"
    client.shutdown()


def test_provisioning(azure, registry):
    key = azure.config["dps"]["enrollments"]["late-device"]
    dps = azure.config["dps"]
    more = {name: value for name, value in options(azure).items() if name != "connection_retry"}
    client = ProvisioningDeviceClient.create_from_symmetric_key(dps["host"], "late-device", dps["id_scope"], key, **more)
    result = client.register()
    assert (result.status, result.registration_state.assigned_hub) == ("assigned", azure.host)
    device = IoTHubDeviceClient.create_from_symmetric_key(key, azure.host, "late-device", **options(azure))
    device.connect()
    assert "late-device" in connected(azure)
    device.shutdown()
    stranger = ProvisioningDeviceClient.create_from_symmetric_key(dps["host"], "stranger", dps["id_scope"], key, **more)
    with pytest.raises(CredentialError):
        stranger.register()


def test_throttled_twin(azure, device, connect):
    client = connect(device[1], device[0])
    azure.fault("twin-status", key=device[0], status=429, count=1)
    with pytest.raises(ClientError) as caught:
        client.patch_twin_reported_properties({"a": 1})
    assert "429" in str(caught.value.__cause__)
    client.patch_twin_reported_properties({"a": 1})
