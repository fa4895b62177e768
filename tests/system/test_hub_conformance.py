# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's hub, checked by clients that are not ours: the vendor's device SDK, mosquitto, openssl."""

from __future__ import annotations

import subprocess
import sys

import pytest

from lab import config, hub_client, openssl
from lab.hub import sas

SDK = """
import socket, sys
address, hub, device, key, root = sys.argv[1:]
ask = socket.getaddrinfo
socket.getaddrinfo = lambda host, *rest, **more: ask(address if host == hub else host, *rest, **more)
from azure.iot.device import IoTHubDeviceClient
client = IoTHubDeviceClient.create_from_symmetric_key(
    key, hub, device, server_verification_cert=open(root).read(), connection_retry=False
)
client.connect()
client.send_message("hello")
print("connected", flush=True)
sys.stdin.read()
client.shutdown()
"""


@pytest.fixture
def device(fleet):
    """A device identity that nobody uses just now."""
    name = fleet.group("trio")[0]
    fleet.alter(name, "systemctl", "stop", "lab-client")
    return fleet.gateways[name]


def sdk(fleet, device, key: str, root: str) -> subprocess.Popen:
    pem = fleet.lab.state_dir / "pki" / f"{root}.pem"
    argv = [sys.executable, "-c", SDK, fleet.lab.old_address, config.HUB, device.name, key, str(pem)]
    pipe = subprocess.PIPE
    return subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def test_device_sdk(fleet, device):
    client = sdk(fleet, device, device.key, "lab-baltimore")
    assert client.stdout is not None
    assert client.stdout.readline().strip() == "connected"
    assert device.name in hub_client.registry(fleet.lab)["connected"]
    _out, error = client.communicate("", timeout=60)
    assert client.returncode == 0, error
    assert device.name not in hub_client.registry(fleet.lab)["connected"]


@pytest.mark.parametrize("key, root", [("d3Jvbmc=", "lab-baltimore"), (None, "lab-g2")])
def test_device_sdk_is_refused(fleet, device, key, root):
    """A wrong key, and a hub whose chain the device does not trust."""
    client = sdk(fleet, device, key or device.key, root)
    out, error = client.communicate("", timeout=120)
    assert client.returncode != 0, out
    assert device.name not in hub_client.registry(fleet.lab)["connected"]
    assert (
        ("Unauthorized" in error or "CredentialError" in error)
        if key
        else "TlsExchangeAuthError" in error or "ConnectionFailed" in error
    )


def test_mosquitto_with_a_wrong_password(fleet, device):
    argv = ["mosquitto_sub", "-h", config.HUB, "-p", "8883", "--capath", "/etc/ssl/certs", "-i", device.name, "-W", "10"]
    argv += ["-u", f"{config.HUB}/{device.name}/?api-version=2021-04-12", "-P", "SharedAccessSignature sr=x&sig=x&se=9999999999"]
    done = fleet.execute(device.name, *argv, "-t", f"devices/{device.name}/messages/devicebound/#")
    assert done.returncode != 0
    assert b"not authori" in done.stderr.lower()


@pytest.mark.parametrize("topic, taken", [("devices/{0}/messages/events/", True), ("devices/another/messages/events/", False)])
def test_mosquitto_publishes_its_own_telemetry_only(fleet, device, topic, taken):
    """With quality of service 1 its exit code says whether the hub acknowledged."""
    password = sas.token(config.HUB, device.name, device.key, 600)
    argv = ["mosquitto_pub", "-h", config.HUB, "-p", "8883", "--capath", "/etc/ssl/certs", "-i", device.name, "-q", "1"]
    argv += ["-u", f"{config.HUB}/{device.name}/?api-version=2021-04-12", "-P", password]
    done = fleet.execute(device.name, "timeout", "20", *argv, "-t", topic.format(device.name), "-m", "hello")
    assert (done.returncode == 0) is taken, done.stderr.decode()


@pytest.mark.parametrize("port", [8883, 443])
def test_openssl_agrees_about_the_chain(fleet, device, port):
    assert openssl.reaches_hub(fleet.lab, device, port)
    hub_client.serve(fleet.lab, "v2")
    assert not openssl.reaches_hub(fleet.lab, device, port)


def test_eviction_and_cutover(fleet, device):
    """A second connection of one identity ends the first (azure-docs: one connection per device); a cutover ends all."""
    first = sdk(fleet, device, device.key, "lab-baltimore")
    assert first.stdout is not None and first.stdout.readline().strip() == "connected"
    fleet.alter(device.name, "systemctl", "start", "lab-client")
    assert hub_client.wait_connected(fleet.lab, len(fleet.gateways), 60)
    first.communicate("", timeout=60)
    hub_client.cutover(fleet.lab, "v2")
    assert hub_client.registry(fleet.lab)["connected"] == []
