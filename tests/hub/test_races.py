# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody else writes between our read and our write, or the hub's answer is lost: nothing of theirs goes, ours is not denied.

The other writer is the vendor's SDK on the lab's hub; it comes in behind the port's own read.
"""

from __future__ import annotations

import time
import uuid

import pytest
from ansible_collections.rootwave.iot.plugins.plugin_utils import configuration_change, twin_change
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub.connect import connect
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub.errors import HubConflict, HubError, HubUnreachable
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub.throttle import ThrottledHub
from azure.iot.hub import IoTHubConfigurationManager, IoTHubRegistryManager
from azure.iot.hub.models import Twin


class Behind:
    """A port that does something once, right behind its first call of a name."""

    def __init__(self, port, name: str, act) -> None:
        self._port, self._name, self._act = port, name, act
        self.host = port.host

    def __getattr__(self, name: str):
        call = getattr(self._port, name)
        if name != self._name:
            return call

        def then_act(*arguments):
            answer = call(*arguments)
            act, self._act = self._act, None
            if act:
                act()
            return answer

        return then_act


@pytest.fixture(params=["sdk", "pipeline"])
def port(azure, request):
    options = {"sku": "S1", "units": 20, "timeout": 30, "time_budget": 60}
    return connect({**options, "connection_string": azure.connection_string, "implementation": request.param})


@pytest.fixture
def registry(azure):
    return IoTHubRegistryManager.from_connection_string(azure.connection_string)


@pytest.fixture
def device(azure):
    return azure.device(f"race-{uuid.uuid4().hex[:8]}", tags={"keep": 1})[0]


def lost(error: Exception):
    def act():
        raise error

    return act


def test_another_writer(port, registry, device):
    theirs = Behind(port, "get_twin", lambda: registry.update_twin(device, Twin(tags={"theirs": 1, "ours": 0})))
    outcome = twin_change.change(theirs, device, None, {"tags": {"ours": 1}}, None, False)
    assert outcome.changed and outcome.before["tags"] == {"keep": 1, "theirs": 1, "ours": 0}  # it was read again
    assert registry.get_twin(device).tags == {"keep": 1, "theirs": 1, "ours": 1}


def test_another_writer_when_it_must_be_this_very_twin(port, registry, device):
    etag = port.get_twin(device)["etag"]
    theirs = Behind(port, "get_twin", lambda: registry.update_twin(device, Twin(tags={"theirs": 1})))
    with pytest.raises(HubConflict):
        twin_change.change(theirs, device, None, {"tags": {"ours": 1}}, etag, False)
    assert registry.get_twin(device).tags == {"keep": 1, "theirs": 1}


@pytest.mark.parametrize("guarded", [False, True])
@pytest.mark.parametrize("error", [HubError("a call: 500", 500), HubUnreachable("cut off", "look", sent=True)])
def test_an_answer_that_was_lost(port, registry, device, guarded, error):
    """The hub took the patch; the second try meets our own change, which is nobody else's."""
    before = port.get_twin(device)
    inner = Behind(port.inner, "patch_twin", lost(error))
    hub = ThrottledHub(inner, "S1", 20, 60, time.monotonic, lambda _seconds: None)  # type: ignore[arg-type]
    outcome = twin_change.change(hub, device, None, {"tags": {"ours": 1}}, before["etag"] if guarded else None, False)
    assert outcome.changed and registry.get_twin(device).tags == {"keep": 1, "ours": 1}
    assert registry.get_twin(device).version == before["version"] + 1


def test_one_is_not_true(port, registry, device):
    """Queries and target conditions tell them apart."""
    twin_change.change(port, device, None, {"tags": {"flag": 1, "none": 0}}, None, False)
    outcome = twin_change.change(port, device, None, {"tags": {"flag": True, "none": False}}, None, False)
    assert outcome.changed and [registry.get_twin(device).tags[name] for name in ("flag", "none")] == [True, False]
    assert registry.get_twin(device).tags["flag"] is True
    assert not twin_change.change(port, device, None, {"tags": {"flag": True}}, None, False).changed


def test_another_writer_of_a_configuration(azure, port):
    manager, name = IoTHubConfigurationManager.from_connection_string(azure.connection_string), uuid.uuid4().hex

    def theirs():
        found = manager.get_configuration(name)
        found.labels = {"theirs": "1"}
        manager.update_configuration(found, f'"{found.etag}"')  # the SDK itself sends it without quotes

    wanted = {"content": {"deviceContent": {"properties.desired.update": {"id": name}}}, "targetCondition": "tags.none = 1"}
    wanted |= {"priority": 1, "labels": {}, "metrics": {"queries": {}}}
    configuration_change.make(port, name, wanted, False)
    try:
        hub = Behind(port, "get_configuration", theirs)
        outcome = configuration_change.make(hub, name, {**wanted, "priority": 2}, False)  # type: ignore[arg-type]
        assert outcome.changed and outcome.before["labels"] == {"theirs": "1"}
        assert manager.get_configuration(name).priority == 2
    finally:
        configuration_change.remove(port, name, False)
