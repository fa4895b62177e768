# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module hub_identity in real ansible runs; what it did is read by the vendor's SDK."""

from __future__ import annotations

import uuid

import pytest
from azure.iot.hub import IoTHubRegistryManager
from msrest.exceptions import HttpOperationError

from tests.hub.ansible_run import module


@pytest.fixture
def registry(azure):
    return IoTHubRegistryManager.from_connection_string(azure.connection_string)


@pytest.fixture
def device(azure):
    return azure.device(f"id-{uuid.uuid4().hex[:8]}")[0]


@pytest.fixture
def identity(azure, device):
    def run(*flags: str, **arguments):
        return module(azure, "hub_identity", {"hub": azure.host, "device_id": device, **arguments}, *flags)

    return run


def test_a_module_four_times_and_gone(identity, registry, device):
    assert identity("--check", module_id="rootwave").result["changed"]
    with pytest.raises(HttpOperationError):
        registry.get_module(device, "rootwave")
    made = identity("--diff", module_id="rootwave", with_keys=True)
    keys = registry.get_module(device, "rootwave").authentication.symmetric_key
    assert made.result["changed"] and made.result["keys"] == [keys.primary_key, keys.secondary_key], made.output
    again = identity(module_id="rootwave", with_keys=True)
    assert not again.result["changed"] and again.result["keys"] == made.result["keys"]
    assert not identity("--check", module_id="rootwave").result["changed"]
    assert identity(module_id="rootwave", state="absent").result["changed"]
    with pytest.raises(HttpOperationError):
        registry.get_module(device, "rootwave")
    assert not identity(module_id="rootwave", state="absent").result["changed"]


def test_keys_are_shown_only_when_asked_for(identity, registry, device):
    made = identity("-vvvv", "--diff", module_id="rootwave")
    key = registry.get_module(device, "rootwave").authentication.symmetric_key.primary_key
    assert made.result["changed"] and "keys" not in made.result and key not in made.output


def test_certificates(identity, registry, device):
    first, second = "A" * 40, "b" * 64
    made = identity(module_id="rootwave", authentication="self_signed", thumbprints=[first, second])
    assert made.code == 0, made.output
    shown = registry.get_module(device, "rootwave").authentication
    assert (shown.type, shown.x509_thumbprint.primary_thumbprint) == ("selfSigned", first)
    assert not identity(module_id="rootwave", authentication="self_signed", thumbprints=[first, second]).result["changed"]
    assert identity(module_id="rootwave", authentication="certificate_authority").result["changed"]
    assert registry.get_module(device, "rootwave").authentication.type == "certificateAuthority"


def test_a_device_disabled_keeps_its_keys(identity, registry, device):
    before = registry.get_device(device).authentication.symmetric_key.primary_key
    assert identity(status="disabled").result["changed"]
    after = registry.get_device(device)
    assert (after.status, after.authentication.symmetric_key.primary_key) == ("disabled", before)


@pytest.mark.parametrize(
    "arguments, word",
    [
        ({"module_id": "a/b"}, "is no id of a registry"),
        ({"module_id": "m", "authentication": "self_signed"}, "thumbprints"),
        ({"module_id": "m", "thumbprints": ["A" * 40]}, "thumbprints"),
        ({"module_id": "m", "authentication": "self_signed", "thumbprints": ["xyz"]}, "hexadecimal"),
    ],
)
def test_refused_before_anything_is_sent(identity, registry, device, arguments, word):
    refused = identity(**arguments)
    assert refused.code != 0 and "nothing was sent" in refused.result["msg"] and word in refused.result["msg"]
    assert registry.get_modules(device) == []


def test_a_module_of_a_device_that_is_not_there(azure):
    refused = module(azure, "hub_identity", {"hub": azure.host, "device_id": "nobody-here", "module_id": "rootwave"})
    assert refused.code != 0 and refused.result["error_code"] == "DeviceNotFound" and "nobody-here" in refused.result["msg"]
