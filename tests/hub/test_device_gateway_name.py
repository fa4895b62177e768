# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GatewayHostName as azure-iot-device has it: TCP and TLS go to that name, the MQTT username and the SAS keep the hub's."""

from __future__ import annotations

import asyncio
import ipaddress
import queue
import threading
import uuid
from concurrent.futures import Future

import pytest
from azure.iot.device import IoTHubDeviceClient, ProxyOptions
from azure.iot.device.exceptions import ClientError, CredentialError
from azure.iot.hub import IoTHubRegistryManager
from azure.iot.hub.models import Twin, TwinProperties

from lab.hub.proxy import serve_proxy
from lab.hub_config import HUB, HUB_WEST
from tests.hub.test_device_sdk import PATIENCE, connected, options, patch_with

GATEWAY = HUB.replace(".", ".device.", 1)  # the hub's own name for devices
FOREIGN = "hub.example"  # the one name in the lab's chain "wrong-name"


def by_text(gateway: str, name: str, key: str, **more) -> IoTHubDeviceClient:
    text = f"HostName={HUB};DeviceId={name};SharedAccessKey={key};GatewayHostName={gateway}"
    return IoTHubDeviceClient.create_from_connection_string(text, **more)


def by_keyword(gateway: str, name: str, key: str, **more) -> IoTHubDeviceClient:
    return IoTHubDeviceClient.create_from_symmetric_key(key, HUB, name, gateway_hostname=gateway, **more)


@pytest.fixture(params=[by_text, by_keyword])
def make(request):
    return request.param


@pytest.fixture
def device(azure):
    return azure.device(f"gateway-name-{uuid.uuid4().hex[:8]}")


@pytest.fixture
def leads(azure):
    """A proxy that knows one name only; its options for a device."""
    targets: dict = {}
    started: Future = Future()

    async def serve() -> None:
        stop = asyncio.Event()
        server = await serve_proxy(azure.where.loopback, 0, lambda: targets)
        started.set_result((server.sockets[0].getsockname(), asyncio.get_running_loop(), stop))
        async with server:
            await stop.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    address, loop, stop = started.result(PATIENCE)

    def only(name: str, to: str = azure.where.hubs[HUB]) -> dict:
        targets[name, 8883] = (to, azure.where.mqtt)
        return {**options(azure), "proxy_options": ProxyOptions("HTTP", *address)}

    yield only
    loop.call_soon_threadsafe(stop.set)
    thread.join()


@pytest.fixture
def foreign_certificate(azure):
    """One more address of the hub, whose certificate is for FOREIGN alone."""
    address = str(ipaddress.ip_address(azure.where.dps) + 1)
    azure.ask("serve", {"hub": HUB, "chain": "wrong-name", "address": address})
    yield address
    azure.ask("cutover", {"hub": HUB, "chain": "v1", "listen": [azure.where.hubs[HUB]]})


def everything(azure, client: IoTHubDeviceClient, name: str) -> None:
    """Connect, read the twin, get a patch, leave."""
    try:
        client.connect()
        assert name in connected(azure)
        patches: queue.Queue = queue.Queue()
        client.on_twin_desired_properties_patch_received = patches.put
        assert client.get_twin()["desired"]["$version"] == 1
        registry = IoTHubRegistryManager.from_connection_string(azure.connection_string)
        registry.update_twin(name, Twin(properties=TwinProperties(desired={"order": name})))
        assert patch_with(patches, "order")["order"] == name
    finally:
        client.shutdown()


def refused(azure, client: IoTHubDeviceClient, name: str, error: type) -> BaseException:
    try:
        with pytest.raises(error) as caught:
            client.connect()
        assert name not in connected(azure)
        return caught.value
    finally:
        client.shutdown()


def test_the_device_name_as_gateway(azure, make, device):
    """Through the lab's own proxy, as an operator's device would get there."""
    name, key = device
    everything(azure, make(GATEWAY, name, key, **options(azure)), name)


def test_nothing_else_is_asked_for(azure, make, device, leads):
    """The proxy knows the gateway's name only, so the hub's own is neither resolved nor connected to."""
    name, key = device
    how = leads(GATEWAY)
    everything(azure, make(GATEWAY, name, key, **how), name)
    direct = IoTHubDeviceClient.create_from_symmetric_key(key, HUB, name, **how)
    refused(azure, direct, name, ClientError)


def test_the_certificate_is_the_gateways(azure, make, device, leads, foreign_certificate):
    name, key = device
    everything(azure, make(FOREIGN, name, key, **leads(FOREIGN, foreign_certificate)), name)
    error = refused(azure, make(GATEWAY, name, key, **leads(GATEWAY, foreign_certificate)), name, ClientError)
    assert "TlsExchangeAuthError" in repr(error.__cause__)


def test_a_name_that_the_certificate_does_not_have(azure, make, device, leads):
    name, key = device
    error = refused(azure, make(FOREIGN, name, key, **leads(FOREIGN)), name, ClientError)
    assert "TlsExchangeAuthError" in repr(error.__cause__)


def test_a_name_that_the_proxy_does_not_know(azure, make, device):
    name, key = device
    refused(azure, make("nowhere.device.azure-devices.net", name, key, **options(azure)), name, ClientError)


def test_the_hub_takes_its_own_name_only(azure, device):
    """Username and signature are for another hub, the connection is to this one."""
    name, key = device
    text = f"HostName={HUB_WEST};DeviceId={name};SharedAccessKey={key};GatewayHostName={GATEWAY}"
    refused(azure, IoTHubDeviceClient.create_from_connection_string(text, **options(azure)), name, CredentialError)
