# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices of the bench whose connection is the vendor's own client, azure-iot-device; each answers an order as an agent does.

    python -m tests.bench.sdk_devices CONFIG

CONFIG is JSON: {"hub", "proxy": [host, port], "ca_file", "key", "devices": [ids], "module"}. ``ready N`` on standard output says
that N devices are connected and listen. What is in an order is not verified: the agents' own tests do that.
"""

from __future__ import annotations

import json
import random
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from azure.iot.device import IoTHubModuleClient, ProxyOptions
from azure.iot.device.exceptions import ClientError

OPENING_MOST = 8  # connections in the making at a time
AGAIN = (1.0, 3.0)  # seconds until what the hub refused is tried again


def connect(config: dict, device: str) -> IoTHubModuleClient:
    client = IoTHubModuleClient.create_from_connection_string(
        f"HostName={config['hub']};DeviceId={device};ModuleId={config['module']};SharedAccessKey={config['key']}",
        proxy_options=ProxyOptions("HTTP", *config["proxy"]),
        server_verification_cert=Path(config["ca_file"]).read_text(),
    )
    client.connect()

    def changed(patch: dict) -> None:
        for name, order in (patch.get("rootwave") or {}).items():
            answer(client, name, order)

    client.on_twin_desired_properties_patch_received = changed
    return client


def answer(client: IoTHubModuleClient, name: str, order: dict) -> None:
    """Accepted, then proved."""
    for state in ("accepted", "proved"):
        now = int(time.time())
        report = {"id": order["id"], "go": order["go"], "serial": 1, "state": state, "reason": "", "at": now}
        if state == "proved":
            report["committed_at"] = now
        until_taken(client, {"rootwave": {"agent": "azure-iot-device", name: report}})


def until_taken(client: IoTHubModuleClient, patch: dict) -> None:
    while True:
        try:
            client.patch_twin_reported_properties(patch)
            return
        except ClientError:
            time.sleep(random.uniform(*AGAIN))


def main() -> None:
    config = json.loads(Path(sys.argv[1]).read_text())
    with ThreadPoolExecutor(OPENING_MOST) as pool:
        clients = list(pool.map(lambda device: connect(config, device), config["devices"]))
    print(f"ready {len(clients)}", flush=True)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    with ThreadPoolExecutor(OPENING_MOST) as pool:
        list(pool.map(lambda client: client.shutdown(), clients))


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})  # before the threads that inherit the mask
    main()
