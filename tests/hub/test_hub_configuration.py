# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module hub_configuration in real ansible runs; what it did is read by the vendor's SDK."""

from __future__ import annotations

import uuid

import pytest
from azure.iot.hub import IoTHubConfigurationManager, IoTHubRegistryManager
from msrest.exceptions import HttpOperationError

from tests.hub.ansible_run import module
from tests.hub.test_service_sdk import wait_for


@pytest.fixture
def name():
    return f"rootwave-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def manager(azure):
    return IoTHubConfigurationManager.from_connection_string(azure.connection_string)


@pytest.fixture
def configure(azure, name):
    def run(*flags, **arguments):
        wanted = {"target_condition": f"tags.fleet = '{name}'", "content": {"properties.desired.update": {"id": name}}}
        wanted = {} if arguments.get("state", "present") != "present" else wanted
        return module(azure, "hub_configuration", {"hub": azure.host, "units": 20, "name": name, **wanted, **arguments}, *flags)

    yield run
    module(azure, "hub_configuration", {"hub": azure.host, "units": 20, "name": name, "state": "absent"})


def test_four_times_and_gone_again(azure, configure, manager, name):
    registry = IoTHubRegistryManager.from_connection_string(azure.connection_string)
    device = azure.device(name, tags={"fleet": name})[0]
    assert configure("--check").result["changed"]
    with pytest.raises(HttpOperationError):
        manager.get_configuration(name)
    made = configure("--diff", metrics={"applied": f"SELECT deviceId FROM devices WHERE tags.fleet = '{name}'"})
    assert made.result["changed"] and made.result["diff"]["before"] == "", made.output
    wait_for(lambda: registry.get_twin(device).properties.desired.get("update"), lambda update: update == {"id": name})
    again = configure(metrics={"applied": f"SELECT deviceId FROM devices WHERE tags.fleet = '{name}'"})
    assert not again.result["changed"] and again.result["configuration"]["etag"] == made.result["configuration"]["etag"]
    counted = configure(state="info").result["configuration"]
    assert counted["systemMetrics"]["results"]["appliedCount"] == 1
    assert configure(priority=3).result["diff"]["after"]["priority"] == 3
    assert manager.get_configuration(name).priority == 3
    assert configure("--check", state="absent").result["changed"] and manager.get_configuration(name)
    assert configure(state="absent").result["changed"]
    wait_for(lambda: registry.get_twin(device).properties.desired.get("update"), lambda update: update is None)
    assert not configure(state="absent").result["changed"]


def test_a_content_never_changes(configure, manager, name):
    assert configure().code == 0
    refused = configure(content={"properties.desired.update": {"id": "other"}})
    assert refused.code != 0 and "a content never changes" in refused.result["msg"]
    assert manager.get_configuration(name).content.device_content == {"properties.desired.update": {"id": name}}


def test_another_writer_in_between(azure, configure, manager, name):
    assert configure().code == 0
    azure.fault("status", status=412, method="PUT", path=f"^/configurations/{name}", count=1)
    assert configure(priority=5).code == 0 and manager.get_configuration(name).priority == 5
    azure.fault("status", status=412, method="PUT", path=f"^/configurations/{name}")
    assert configure(priority=6).code != 0 and manager.get_configuration(name).priority == 5


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"target_condition": "tags.x LIKE 'y'"}, "the hub does not understand target condition"),
        ({"metrics": {"bad": "SELECT"}}, "the hub does not understand metric bad"),
        ({"content": {"tags.x": 1}}, "not by tags.x"),
        ({"kind": "module"}, "begins with FROM devices.modules WHERE"),
        ({"name": "With Spaces"}, "a name has 1 to 128"),
        ({"metrics": {f"m{number}": "SELECT * FROM devices" for number in range(6)}}, "6 metrics are more than"),
        ({"content": {"properties.desired.x": "y" * 33000}}, "longer than 32768 bytes"),
    ],
)
def test_refused(configure, manager, name, arguments, words):
    refused = configure(**arguments)
    assert refused.code != 0 and words in refused.result["msg"], refused.output
    with pytest.raises(HttpOperationError):
        manager.get_configuration(name)
