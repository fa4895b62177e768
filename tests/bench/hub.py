# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hub's side: 100,000 devices as an inventory, 2,000 patches on an S1 hub. The baseline is the time that the quota allows."""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

from ansible_collections.rootwave.iot.plugins.plugin_utils.hub.connect import connect

from lab.tools import say
from tests.hub.ansible_run import run
from tests.hub.lab_hub import LabHub

DEVICES, SEEDED, PAGE, PATCHES = 100_000, 20_000, 100, 2_000
QUERIES, WRITES = 1000 / 60, 50  # a second: by unit of S3, of S1 (azure-docs iot-hub-devguide-quotas-throttling)
WORKERS = 8
INVENTORY = Path(sys.executable).with_name("ansible-inventory")


def figures() -> dict[str, float]:
    """{"inventory_s3x4_over_quota", ...}; seconds and megabytes beside the ratios, since the issue bounds them too."""
    found: dict[str, float] = {}
    for units in (4, 1):
        with running("S3", units) as (hub, folder):
            fill(hub)
            first, cached = load(hub, folder, units)
            found[f"inventory_s3x{units}_over_quota"] = first / (DEVICES / PAGE / QUERIES / units)
            found[f"inventory_s3x{units}_seconds"], found[f"inventory_s3x{units}_cached_seconds"] = first, cached
    found["inventory_megabytes"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    with running("S1", 1) as (hub, _folder), mock.patch.dict(os.environ, hub.environment, clear=True):
        found |= patch(hub)
    return {name: round(value, 4) for name, value in found.items()}


class running:
    """A lab hub of this tier for a while."""

    def __init__(self, sku: str, units: int) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="rw-bench-hub-")
        self.hub = LabHub(Path(self._folder.name))
        self.hub.rewrite(lambda config: config["hubs"][0].update(sku=sku, units=units))

    def __enter__(self) -> tuple[LabHub, Path]:
        self.hub.start()
        return self.hub, Path(self._folder.name)

    def __exit__(self, *_exception) -> None:
        self.hub.stop()
        self._folder.cleanup()


def fill(hub: LabHub) -> None:
    say(f"{DEVICES} devices")
    for first in range(0, DEVICES, SEEDED):
        hub.seed({f"device-{number:06}": twin(number) for number in range(first, first + SEEDED)})


def twin(number: int) -> dict:
    wave = {"wave": ("canary", "early", "broad")[number % 3]}
    address = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
    tags = {"site": f"site-{number % 40}", "net": {"address": address}, "rootwave": wave, "unused": "x" * 200}
    return {"tags": tags, "reported": {"firmware": {"version": f"1.{number % 7}"}, "rootwave": {"phase": "stage"}}}


def load(hub: LabHub, folder: Path, units: int) -> tuple[float, float]:
    """Seconds of the first and of the cached load, each a whole run of ansible-inventory."""
    path = folder / "bench.hub.yml"
    options = {
        "plugin": "rootwave.iot.hub",
        "connection_string": hub.connection_string,
        "sku": "S3",
        "units": units,
        "address_tag": "net.address",
        "groups": {"off": "rootwave_connection_state == 'Disconnected'"},
        "compose": {"firmware": "rootwave_reported.firmware.version | default('unknown')"},
        "keyed_groups": [{"key": "rootwave_twin_wave", "prefix": "wave"}, {"key": "rootwave_tags.site", "prefix": "site"}],
        "cache": True,
        "cache_plugin": "ansible.builtin.jsonfile",
        "cache_connection": str(folder / "cache"),
    }
    path.write_text(json.dumps(options))
    seconds = []
    for what in ("first", "cached"):
        started = time.monotonic()
        done = run([INVENTORY, "-i", path, "--host", f"device-{DEVICES - 1:06}"], hub.environment)
        seconds.append(time.monotonic() - started)
        if done.returncode != 0 or json.loads(done.stdout)["firmware"] != f"1.{(DEVICES - 1) % 7}":
            raise SystemExit(f"the inventory was not loaded:\n{done.stderr[-3000:]}")
        say(f"  S3 x {units}, {what:6} {seconds[-1]:6.1f} s")
    return seconds[0], seconds[1]


def patch(hub: LabHub) -> dict[str, float]:
    """2,000 twins patched side by side, as many at a time as the throttle lets through."""
    names = [f"device-{number:04}" for number in range(PATCHES)]
    hub.seed({name: {} for name in names})
    options = {"connection_string": hub.connection_string, "implementation": "auto", "timeout": 60, "time_budget": 600}
    port = connect({**options, "sku": "S1", "units": 1})
    started = time.monotonic()
    with ThreadPoolExecutor(WORKERS) as pool:
        patched = list(pool.map(lambda name: port.patch_twin(name, {"tags": {"order": 1}}), names))
    seconds = time.monotonic() - started
    if any(twin["tags"] != {"order": 1} for twin in patched):
        raise SystemExit("a twin was not patched")
    say(f"  S1, {PATCHES} patches {seconds:6.1f} s, {port.throttled} answers with 429")
    return {"patches_s1_over_quota": seconds / (PATCHES / WRITES), "patches_s1_429_percent": 100 * port.throttled / PATCHES}


__all__ = ("figures",)
