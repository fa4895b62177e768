# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an idle agent costs a device: memory, wake-ups, room. The agent runs here, connected to the lab's hub on loopback.

Wake-ups are voluntary context switches (proc(5)): a process that waits in select makes one each time it goes to sleep again. An
idle agent has two for each keep-alive, the ping and its answer.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from agent import build
from lab.config import ROOT
from tests.hub.lab_hub import LabHub

KEEP_ALIVE, KEEP_ALIVES = 5, 6  # seconds, and how many of them are watched
RSS_MOST, WAKEUPS_MOST = 30.0, 2.5  # MB; for each keep-alive, and half a one for what the machine does
START_MOST = 60.0  # seconds
DRIVER = ROOT / "tests" / "hub" / "agent_process.py"


def figures() -> dict:
    """{"rss_mb", "wakeups_per_keep_alive", "package_kb"}; ends the run where a bound is not kept."""
    with tempfile.TemporaryDirectory(prefix="rootwave-bench-") as name:
        folder = Path(name)
        hub = LabHub(folder)
        hub.start()
        try:
            package = build.build(folder / "package")
            found = {**_idle(hub, package, folder), "package_kb": round(package.stat().st_size / 1024, 1)}
        finally:
            hub.stop()
    if (
        found["rss_mb"] > RSS_MOST
        or found["wakeups_per_keep_alive"] > WAKEUPS_MOST
        or found["package_kb"] > build.SIZE_MOST / 1024
    ):
        raise SystemExit(f"the idle agent costs more than it may: {found}")
    return found


def _idle(hub: LabHub, package: Path, folder: Path) -> dict:
    key = base64.b64encode(os.urandom(32)).decode()
    both = {"type": "sas", "symmetricKey": {"primaryKey": key, "secondaryKey": key}}
    hub.seed({"bench": {}, "bench/rootwave": {"authentication": both}})
    (folder / "key").write_text(key)
    settings = {"fleet": "lab", "hub": hub.host, "device": "bench", "key_file": str(folder / "key")}
    settings |= {"proxy": "http://{}:{}".format(*hub.proxy), "state_dir": str(folder / "state"), "keep_alive": KEEP_ALIVE}
    (folder / "agent.json").write_text(json.dumps(settings))
    (folder / "agent.json").chmod(0o600)
    argv = [sys.executable, "-I", DRIVER, package, folder / "agent.json", hub.ca_file, folder]
    environment = {**os.environ, "MALLOC_ARENA_MAX": "1"}  # as its unit has it
    with (folder / "agent.log").open("w") as log:
        process = subprocess.Popen([str(one) for one in argv], stderr=log, env=environment)
    try:
        _wait_connected(folder)
        time.sleep(1)  # what the first session left to do
        before = _status(process.pid)
        time.sleep(KEEP_ALIVE * KEEP_ALIVES)
        after = _status(process.pid)
    finally:
        process.terminate()
        process.wait(START_MOST)
    woken = after["voluntary_ctxt_switches"] - before["voluntary_ctxt_switches"]
    return {"rss_mb": round(after["VmRSS"] / 1024, 1), "wakeups_per_keep_alive": round(woken / KEEP_ALIVES, 2)}


def _wait_connected(folder: Path) -> None:
    deadline = time.monotonic() + START_MOST
    while '"connected": true' not in _text(folder / "state" / "agent-status.json"):
        if time.monotonic() > deadline:
            raise SystemExit(f"the agent did not connect: {_text(folder / 'agent.log')}")
        time.sleep(0.1)


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def _status(pid: int) -> dict[str, int]:
    """The numbers of /proc/<pid>/status; sizes are in kB."""
    return {
        name: int(number) for name, number in re.findall(r"^(\w+):\s+(\d+)", _text(Path(f"/proc/{pid}/status")), re.MULTILINE)
    }


if __name__ == "__main__":
    print(json.dumps(figures()))
