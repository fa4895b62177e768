# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's hub as a process of its own on loopback, for tests: no root, no containers."""

from __future__ import annotations

import base64
import itertools
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

from lab import hub_config, pki
from lab.config import ROOT
from lab.environment import environment
from lab.hub_config import HUB, Where

START_MOST = 60  # seconds
HUBS = (hub_config.HUB, hub_config.HUB_WEST, hub_config.HUB_GOV)
NUMBERS = itertools.count()


class LabHub:
    """One running ``python -m lab.hub``; ``restart`` and ``stop`` are the process's, everything else is the first hub's."""

    host = HUB

    def __init__(self, folder: Path, **changes) -> None:
        self.where = _where()
        self.folder, self._path = folder, folder / "hub.json"
        self.config = hub_config.write(self._path, self.where, {}, **changes)
        self.process: subprocess.Popen | None = None
        self._devices = 0

    def start(self) -> None:
        argv = [sys.executable, "-m", "lab.hub", "serve", "--config", str(self._path)]
        with (self.folder / "hub.log").open("a") as log:
            self.process = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True)
        assert self.process.stdout is not None
        said = self.process.stdout.readline().strip()
        assert said == "ready", (self.folder / "hub.log").read_text()[-3000:]

    def stop(self, kill: bool = False) -> None:
        assert self.process is not None
        if kill:
            self.process.kill()
        else:
            self.process.terminate()
        self.process.wait(START_MOST)

    def restart(self, kill: bool = False) -> None:
        self.stop(kill)
        self.start()

    def rewrite(self, change) -> None:
        """Change the configuration for the next start: ``change(document)``."""
        change(self.config)
        self._path.write_text(json.dumps(self.config))

    @property
    def ca_file(self) -> Path:
        return pki.roots_file(self.folder)

    @property
    def proxy(self) -> tuple[str, int]:
        return self.where.loopback, self.where.proxy

    @property
    def connection_string(self) -> str:
        return hub_config.connection_string(self.config)

    @property
    def environment(self) -> dict[str, str]:
        """What an operator's shell has on this lab, and nothing of this machine's own Azure settings."""
        foreign = ("AZURE_", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy", "ANSIBLE_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        return {**kept, **environment(self.config, self.ca_file)}

    def ask(self, path: str, body: dict | None = None) -> dict:
        """One call of the admin API."""
        url = f"http://{self.where.loopback}:{self.where.admin}/{path}"
        data = None if body is None else json.dumps(body).encode()
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(urllib.request.Request(url, data), timeout=120) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as exc:
            raise AssertionError(exc.read().decode()) from exc

    def fault(self, name: str, **options) -> None:
        self.ask("fault", {"name": name, **options})

    def clear(self) -> None:
        self.ask("clear", {})

    def seed(self, devices: dict[str, dict], hub: str = HUB) -> None:
        self.ask("seed", {"hub": hub, "devices": devices})

    def device(self, name: str = "", **more) -> tuple[str, str]:
        """(id, key) of a new device."""
        self._devices += 1
        name = name or f"device-{self._devices}"
        key = base64.b64encode(os.urandom(32)).decode()
        authentication = {"type": "sas", "symmetricKey": {"primaryKey": key, "secondaryKey": key}}
        self.seed({name: {"authentication": authentication, **more}})
        return name, key


def _where() -> Where:
    """All of 127/8 is loopback: every process has eight addresses of its own, every hub in it ports of its own."""
    pid, more = os.getpid(), next(NUMBERS) * 1000
    base = f"127.{64 + (pid >> 13) % 64}.{(pid >> 5) % 256}"
    first = pid % 32 * 8
    hubs = {name: f"{base}.{first + 2 + index}" for index, name in enumerate(HUBS)}
    control = {"admin": 10080 + more, "proxy": 10128 + more, "cloud": 10444 + more, "imds": 10081 + more}
    return Where(f"{base}.{first + 1}", **control, hubs=hubs, dps=f"{base}.{first + 6}", mqtt=10883 + more, https=10443 + more)
