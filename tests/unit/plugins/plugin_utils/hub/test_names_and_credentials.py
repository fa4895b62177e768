# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64

import pytest
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub import credentials
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub.credentials import CredentialError, SharedAccess, cloud_of
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub.names import HubNames

from lab.hub import sas

KEY = base64.b64encode(b"a key of thirty-two bytes or so.").decode()


@pytest.mark.parametrize(
    "text, classic, cloud",
    [
        ("my-hub.azure-devices.net", "my-hub.azure-devices.net", "public"),
        ("MY-hub.Azure-Devices.net.", "my-hub.azure-devices.net", "public"),
        ("my-hub.device.azure-devices.net", "my-hub.azure-devices.net", "public"),
        ("my-hub.service.azure-devices.net", "my-hub.azure-devices.net", "public"),
        ("my-hub.azure-devices.us", "my-hub.azure-devices.us", "usgov"),
        ("my-hub.azure-devices.cn", "my-hub.azure-devices.cn", "china"),
    ],
)
def test_names(text, classic, cloud):
    names = HubNames.of(text)
    assert (names.classic, names.cloud.name) == (classic, cloud)
    first, _dot, zone = classic.partition(".")
    assert (names.device, names.service) == (f"{first}.device.{zone}", f"{first}.service.{zone}")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "my-hub",
        "azure-devices.net",
        "my-hub.example.net",
        "a.b.azure-devices.net",
        "-x.azure-devices.net",
        "x_y.azure-devices.net",
    ],
)
def test_no_hub_name(text):
    with pytest.raises(ValueError, match="no IoT hub's host name"):
        HubNames.of(text)


def test_token_is_one_that_the_hub_takes():
    """The lab's hub checks it by code of its own."""
    access = SharedAccess.of(f"HostName=my-hub.azure-devices.net;SharedAccessKeyName=service;SharedAccessKey={KEY}")
    text = access.token(now=1_800_000_000)
    assert sas.check_resource(text, "my-hub.azure-devices.net", KEY, 1_800_000_000)
    assert sas.policy_of(text) == "service"
    assert not sas.check_resource(text, "other.azure-devices.net", KEY, 1_800_000_000)
    assert not sas.check_resource(text, "my-hub.azure-devices.net", KEY, 1_800_003_600)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "HostName=my-hub.azure-devices.net",
        f"HostName=my-hub.azure-devices.net;SharedAccessKey={KEY}",
        f"HostName=my-hub.example;SharedAccessKeyName=service;SharedAccessKey={KEY}",
        "HostName=my-hub.azure-devices.net;SharedAccessKeyName=service;SharedAccessKey=c2VjcmV0IQ",
        f"HostName=my-hub.azure-devices.net;DeviceId=one;SharedAccessKey={KEY}",
    ],
)
def test_bad_connection_string_is_refused_and_not_repeated(text):
    with pytest.raises(CredentialError) as caught:
        SharedAccess.of(text)
    assert KEY not in str(caught.value) and "c2VjcmV0" not in str(caught.value)


def test_the_key_is_in_no_repr():
    access = SharedAccess.of(f"HostName=my-hub.azure-devices.net;SharedAccessKeyName=service;SharedAccessKey={KEY}")
    assert KEY not in repr(access)


def test_awx_environment(monkeypatch):
    for name in ("AZURE_TENANT_ID", "AZURE_CLIENT_SECRET"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("AZURE_TENANT", "a-tenant")
    monkeypatch.setenv("AZURE_SECRET", "a-secret")
    monkeypatch.setenv("AZURE_CLIENT_ID", "a-client")
    monkeypatch.setenv("AZURE_CLOUD_ENVIRONMENT", "AzureUSGovernment")
    assert cloud_of(None).name == "usgov"
    credentials.entra_credential(cloud_of(None))
    import os

    assert (os.environ["AZURE_TENANT_ID"], os.environ["AZURE_CLIENT_SECRET"]) == ("a-tenant", "a-secret")


def test_unknown_cloud(monkeypatch):
    monkeypatch.delenv("AZURE_CLOUD_ENVIRONMENT", raising=False)
    assert cloud_of(None).name == "public"
    with pytest.raises(CredentialError, match="mars"):
        cloud_of("mars")
