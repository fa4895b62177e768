# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A wave of 10,000 devices on an S3 hub with one unit: ordered, reported, gated by the playbook. The baseline is the hub's quota.

Each order brings two reported updates, and all three are updates of a twin, of which the hub takes 250 a second. Most devices
are the lab's own light ones, 200 are azure-iot-device.
"""

from __future__ import annotations

import base64
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lab.config import ROOT
from lab.tools import say
from tests.bench.hub import running
from tests.hub.ansible_run import PLAYBOOK
from tests.hub.lab_hub import LabHub
from tests.hub.twin_fleet import MODULE, TwinFleet

DEVICES, SDK_DEVICES, PROCESSES, ANSWERS = 10_000, 200, 2, 2
WRITES = 250  # a second: by unit of S3 (azure-docs iot-hub-devguide-quotas-throttling)


def figures() -> dict[str, float]:
    """{"orders_over_quota", "orders_seconds", "orders_megabytes", "orders_429_percent"}."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # the hub inherits it: ten thousand connections
    with running("S3", 1) as (hub, _folder), tempfile.TemporaryDirectory(prefix="rw-bench-orders-") as folder:
        fleet = TwinFleet(hub, Path(folder))
        names = [f"device-{number:05}" for number in range(DEVICES)]
        key = base64.b64encode(os.urandom(32)).decode()
        both = {"type": "sas", "symmetricKey": {"primaryKey": key, "secondaryKey": key}}
        fleet.seed(names, authentication=both)
        fleet.write_campaign([{"group": "broad", "via": "twin", "expect": DEVICES}], phase_timeout=600)
        inventory = fleet.inventory({"broad": names}, orders={"stage": str(fleet.sign())}, units=1)
        with ExitStack() as stack:
            for first in range(PROCESSES):
                stack.enter_context(sdk_devices(fleet, names[first:SDK_DEVICES:PROCESSES], key))
                stack.enter_context(fleet.start(names[SDK_DEVICES + first :: PROCESSES]))
            say(f"{DEVICES} devices are connected, {SDK_DEVICES} of them by azure-iot-device")
            return ordered(hub, inventory)


@contextmanager
def sdk_devices(fleet: TwinFleet, names: list[str], key: str) -> Iterator[None]:
    """A process of devices by azure-iot-device, all of them connected."""
    hub = fleet.hub
    known = {"hub": hub.host, "proxy": hub.proxy, "ca_file": str(hub.ca_file), "key": key, "devices": names, "module": MODULE}
    path = fleet.folder / f"sdk-{names[0]}.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(known))
    argv = [sys.executable, "-m", "tests.bench.sdk_devices", str(path)]
    process = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        if (said := process.stdout.readline().strip()) != f"ready {len(names)}":
            raise SystemExit(f"the devices of azure-iot-device did not connect: {said}")
        yield
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()


def ordered(hub: LabHub, inventory: Path) -> dict[str, float]:
    before = hub.ask("throttled")[hub.host]
    started = time.monotonic()
    code, output, megabytes = play(hub, inventory)
    seconds = time.monotonic() - started
    if code != 0 or not re.search(rf"gate: pass: {DEVICES} total, {DEVICES} done", output):
        raise SystemExit(f"the wave did not pass:\n{output[-3000:]}")
    refused, updates = hub.ask("throttled")[hub.host] - before, DEVICES * (1 + ANSWERS)
    say(f"  {DEVICES} orders {seconds:6.1f} s, {megabytes:.0f} MB, {refused} answers with 429")
    found = {
        "orders_over_quota": seconds / (updates / WRITES),
        "orders_seconds": seconds,
        "orders_megabytes": megabytes,
        "orders_429_percent": 100 * refused / updates,
    }
    return {name: round(value, 4) for name, value in found.items()}


def play(hub: LabHub, inventory: Path) -> tuple[int, str, float]:
    """(code, output, the most megabytes that ansible-playbook or one of its workers had)."""
    argv = [PLAYBOOK, ROOT / "playbooks" / "order_campaign.yml", "-i", inventory, "-e", "rootwave_phase=stage"]
    environment = {**hub.environment, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "playbooks" / "collections"), "ANSIBLE_NOCOLOR": "1"}
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(list(map(str, argv)), stdout=output, stderr=subprocess.STDOUT, env=environment)
        _pid, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        return process.returncode, output.read(), used.ru_maxrss / 1024


__all__ = ("figures",)
