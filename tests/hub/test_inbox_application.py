# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sample application with the vendor's SDK: orders into the inbox, answers into the twin, a new session when asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid

import pytest
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub.connect import connect
from azure.iot.device import IoTHubDeviceClient

from lab.config import ROOT
from tests.hub.test_agent_session import PATIENCE, wait_until
from tests.hub.test_device_sdk import options

APPLICATION = ROOT / "agent" / "examples" / "inbox_application.py"


@pytest.fixture
def device(azure):
    return azure.device(f"inbox-{uuid.uuid4().hex[:8]}")


@pytest.fixture
def service(azure):
    options = {"sku": "S1", "units": 20, "timeout": 30, "time_budget": 60, "implementation": "pipeline"}
    return connect({**options, "connection_string": azure.connection_string})


@pytest.fixture
def application(azure, device, tmp_path):
    for name in ("inbox", "outbox"):
        (tmp_path / name).mkdir()
    text = f"HostName={azure.host};DeviceId={device[0]};SharedAccessKey={device[1]}"
    (tmp_path / "secret").write_text(text)
    argv = [sys.executable, APPLICATION, tmp_path / "secret", "--state", tmp_path, "--ca", azure.ca_file]
    argv += ["--proxy", "{}:{}".format(*azure.proxy)]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen([str(one) for one in argv], stderr=log)
    yield process
    process.terminate()
    process.wait(PATIENCE)


def read(path):
    return json.loads(path.read_text()) if path.exists() else None


def order(service, name, section):
    service.patch_twin(name, {"properties": {"desired": {"rootwave": section, "theirs": {"kept": 1}}}})


def put(path, document):
    path.with_suffix(".draft").write_text(json.dumps(document))
    os.replace(path.with_suffix(".draft"), path)


def test_hand_over_in_both_directions(application, azure, service, device, tmp_path):
    name, _key = device
    desired, reported = tmp_path / "inbox" / "desired.json", tmp_path / "outbox" / "reported.json"
    wait_until(lambda: read(desired) == {}, "the first look at the twin")
    order(service, name, {"stage": {"id": "a", "go": 1}})
    wait_until(lambda: read(desired) == {"stage": {"id": "a", "go": 1}}, "the order in the inbox")
    order(service, name, {"stage": {"go": 2}})  # a patch comes, the whole section is brought
    wait_until(lambda: read(desired) == {"stage": {"id": "a", "go": 2}}, "the second order in the inbox")
    order(service, name, {"stage": None})
    wait_until(lambda: read(desired) == {}, "the withdrawal in the inbox")

    def answer():
        return service.get_twin(name)["properties"]["reported"].get("rootwave")

    put(reported, {"stage": {"state": "proved", "committed_at": 5}})
    wait_until(lambda: answer() == {"stage": {"state": "proved", "committed_at": 5}}, "the answer in the twin")
    put(reported, {"stage": {"state": "running", "committed_at": None}})
    wait_until(lambda: answer() == {"stage": {"state": "running"}}, "the next answer")


def test_reconnect_when_asked(application, azure, service, device, tmp_path):
    """The session is another one afterwards; where none can be made, nothing is confirmed."""
    name, _key = device
    wait_until(lambda: read(tmp_path / "inbox" / "desired.json") == {}, "the first look at the twin")
    put(tmp_path / "outbox" / "reconnect.json", {"change": "000001", "by": 0})
    wait_until(lambda: read(tmp_path / "inbox" / "reconnected.json") == {"change": "000001"}, "the confirmation")
    (tmp_path / "inbox" / "reconnected.json").unlink()
    azure.fault("refuse-connack", key=name)
    put(tmp_path / "outbox" / "reconnect.json", {"change": "000002", "by": 0})
    assert application.wait(PATIENCE) != 0  # the sample ends; its unit would start it again
    assert read(tmp_path / "inbox" / "reconnected.json") is None


def test_a_lost_session_ends_it(application, azure, device, tmp_path):
    """With the SDK's own retry off nobody else would notice; systemd starts it again."""
    wait_until(lambda: read(tmp_path / "inbox" / "desired.json") == {}, "the first look at the twin")
    assert application.poll() is None
    name, key = device
    newcomer = IoTHubDeviceClient.create_from_symmetric_key(key, azure.host, name, **options(azure))
    newcomer.connect()  # the hub ends the older session of an identity
    assert application.wait(PATIENCE) == 0
    newcomer.shutdown()
