# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's side of the hub's admin API, and the hub process itself."""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.parse
import urllib.request

from . import hub_config, network
from .config import HUB, ROOT, Lab
from .tools import LabError


def ensure_hub(lab: Lab) -> None:
    path = lab.state_dir / "hub.json"
    hub_config.write(path, lab.where, {gateway.name: gateway.key for gateway in lab.gateways})
    argv = [sys.executable, "-m", "lab.hub", "serve", "--config", str(path)]
    network.start(lab, "hub", argv, ready="ready", cwd=ROOT)


def ask(lab: Lab, path: str, body: dict | None = None, timeout: float = 120, **query) -> dict:
    """One call of the admin API; raises LabError with what the hub said."""
    url = f"http://127.0.0.1:{lab.admin_port}/{path}?{urllib.parse.urlencode(query)}"
    data = None if body is None else json.dumps(body).encode()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(urllib.request.Request(url, data), timeout=timeout) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as exc:
        raise LabError(f"the hub refused {path}: {exc.read().decode(errors='replace').strip()}") from exc
    except OSError as exc:
        raise LabError(f"the hub of lab {lab.name} does not answer ({exc}); is it up? .venv/bin/python -m lab up") from exc


def registry(lab: Lab) -> dict:
    """As the hub's live sessions say: "connected" and "stranded" devices, and "sessions" with those of modules among them."""
    return ask(lab, "registry")[HUB]


def connected(lab: Lab) -> list[str]:
    """Which gateways and devices hold their session."""
    sessions = set(registry(lab)["sessions"])
    return [host.name for host in lab.hosts if host.session in sessions]


def wait_connected(lab: Lab, count: int, timeout: float) -> bool:
    """Wait until exactly ``count`` identities hold a session; False when the time is up."""
    answer = ask(lab, "wait", timeout=timeout + 10, hub=HUB, connected=count, seconds=timeout)
    return bool(answer["reached"])


def cutover(lab: Lab, chain: str = "v2") -> None:
    """Another chain at another address; the old address stops and every connection drops, as Azure did it."""
    moved = {name: [lab.new_address] for name, addresses in lab.names.items() if addresses == [lab.old_address]}
    network.set_names(lab, {**network.names(lab), **moved})
    ask(lab, "cutover", {"hub": HUB, "chain": chain, "listen": [lab.new_address]})


def serve(lab: Lab, chain: str, fault: str = "none", address: str | None = None) -> None:
    """Another chain or fault on the hub's addresses, for tests."""
    ask(lab, "serve", {"hub": HUB, "chain": chain, "fault": fault, "address": address})
