# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module hub_twin in real ansible runs; what it did is read by the vendor's SDK."""

from __future__ import annotations

import uuid

import pytest
from azure.iot.hub import IoTHubRegistryManager
from azure.iot.hub.models import Twin, TwinProperties

from tests.hub.ansible_run import module


@pytest.fixture
def registry(azure):
    return IoTHubRegistryManager.from_connection_string(azure.connection_string)


@pytest.fixture
def device(azure):
    return azure.device(f"twin-{uuid.uuid4().hex[:8]}", tags={"keep": 1})[0]


@pytest.fixture
def twin(azure, device):
    def run(*flags: str, **arguments):
        return module(azure, "hub_twin", {"hub": azure.host, "device_id": device, **arguments}, *flags)

    return run


def test_four_times(twin, registry, device):
    """Check mode and for real, the first time and again."""
    patch = {"tags": {"wave": "canary"}, "desired": {"order": {"id": 1}}}
    checked = twin("--check", **patch)
    assert checked.result["changed"] and "wave" not in registry.get_twin(device).tags
    done = twin("--diff", **patch)
    assert done.result["changed"], done.output
    assert registry.get_twin(device).tags == {"keep": 1, "wave": "canary"}
    assert registry.get_twin(device).properties.desired["order"] == {"id": 1}
    assert done.result["diff"]["before"]["tags"] == {"keep": 1}
    assert done.result["twin"]["tags"] == {"keep": 1, "wave": "canary"}
    version = registry.get_twin(device).version
    assert not twin("--check", **patch).result["changed"]
    assert not twin(**patch).result["changed"]
    assert registry.get_twin(device).version == version
    assert twin(tags={"wave": None}).result["changed"]
    assert registry.get_twin(device).tags == {"keep": 1}


def test_info(twin, registry, device):
    registry.update_twin(device, Twin(properties=TwinProperties(desired={"a": 1})))
    shown = twin(state="info").result["twin"]
    assert (shown["device_id"], shown["desired"], shown["connection_state"]) == (device, {"a": 1}, "Disconnected")


def test_etag(twin, registry, device):
    stale = registry.get_twin(device).etag
    registry.update_twin(device, Twin(tags={"theirs": 1}))
    refused = twin(tags={"ours": 1}, etag=stale)
    assert refused.code != 0 and refused.result["error_code"] == "PreconditionFailed"
    assert registry.get_twin(device).tags == {"keep": 1, "theirs": 1}
    assert twin(tags={"ours": 1}, etag=registry.get_twin(device).etag).code == 0


def test_another_writer_in_between(azure, twin, registry, device):
    """The hub says 412 once, as if somebody had been faster."""
    azure.fault("status", status=412, method="PATCH", path=f"^/twins/{device}", count=1)
    assert twin(tags={"ours": 1}).result["changed"]
    assert registry.get_twin(device).tags == {"keep": 1, "ours": 1}
    azure.fault("status", status=412, method="PATCH", path=f"^/twins/{device}")
    assert twin(tags={"ours": 2}).code != 0


@pytest.mark.parametrize(
    "patch, words",
    [
        ({"tags": {"a.b": 1}}, "the name 'a.b' below tags"),
        ({"desired": {"x": "y" * 5000}}, "desired.x has 5000 bytes"),
        ({"tags": {f"k{n}": "v" * 1000 for n in range(9)}}, "the hub takes 8192"),
    ],
)
def test_over_the_limits(azure, twin, registry, device, patch, words):
    before = registry.get_twin(device).version
    refused = twin(**patch)
    assert refused.code != 0 and words in refused.result["msg"] and "nothing was sent" in refused.result["msg"]
    assert registry.get_twin(device).version == before


def test_deleted_and_disabled(azure, twin, registry, device):
    identity = registry.get_device(device)
    keys = identity.authentication.symmetric_key
    registry.update_device_with_sas(device, identity.etag, keys.primary_key, keys.secondary_key, "disabled")
    assert "is disabled at the hub" in str(twin(tags={"a": 1}).result["warnings"])
    registry.delete_device(device)
    gone = twin(tags={"a": 2})
    assert gone.code != 0 and gone.result["error_code"] == "DeviceNotFound" and device in gone.result["msg"]


def test_the_connection_string_is_shown_nowhere(azure, device):
    key = azure.connection_string.rpartition("SharedAccessKey=")[2]
    arguments = {"connection_string": azure.connection_string, "device_id": device, "tags": {"a": 1}}
    for more in ({}, {"etag": "c3RhbGU="}):
        ran = module(azure, "hub_twin", {**arguments, **more}, "-vvvv", "--diff")
        assert ran.result and key not in ran.output
