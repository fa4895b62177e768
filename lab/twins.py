# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Twins as whoever has the hub's key reads and writes them, by the REST API alone: the lab's eyes, and a thief's hands.

Nothing here uses the collection's code: the order that the thief makes follows docs/adr/0012, as anybody can.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import ssl
import time
from pathlib import Path

from . import pki
from .config import HUB, Device, Lab
from .hub import sas
from .tools import LabError

API = "api-version=2021-04-12"
CHUNK = 4000
POLL = 0.2  # seconds


def ask(lab: Lab, method: str, device: Device, body: dict | None = None) -> dict:
    """GET or PATCH the twin that a device takes its orders from."""
    settings = json.loads((lab.state_dir / "hub.json").read_text())
    key = next(hub["policies"]["service"] for hub in settings["hubs"] if hub["name"] == HUB)
    context = ssl.create_default_context(cafile=str(pki.roots_file(lab.state_dir)))
    hub = http.client.HTTPSConnection(settings["proxy"]["host"], settings["proxy"]["port"], context=context, timeout=30)
    hub.set_tunnel(HUB, 443)
    name, _slash, module = device.session.partition("/")
    path = f"/twins/{name}/modules/{module}" if module else f"/twins/{name}"
    headers = {"Authorization": f"{sas.sign(HUB, key, 600)}&skn=service", "Content-Type": "application/json"}
    hub.request(method, f"{path}?{API}", json.dumps(body) if body else None, headers)
    answer = hub.getresponse()
    text = answer.read()
    hub.close()
    if answer.status != 200:
        raise LabError(f"the hub answers {method} {path} with {answer.status}: {text[:300].decode(errors='replace')}")
    return json.loads(text)


def order(lab: Lab, device: Device, phase: str, wanted: dict) -> None:
    ask(lab, "PATCH", device, {"properties": {"desired": {"rootwave": {phase: wanted}}}})


def wait_for(lab: Lab, device: Device, phase: str, states: tuple[str, ...], within: float) -> dict:
    """What the device answers about a phase, once it is in one of these states."""
    deadline = time.monotonic() + within
    while True:
        answers = ask(lab, "GET", device)["properties"]["reported"].get("rootwave", {})
        if answers.get(phase, {}).get("state") in states:
            return answers[phase]
        if time.monotonic() > deadline:
            raise LabError(f"{device.name} is not {' or '.join(states)} with {phase} within {within:.0f} s: {answers}")
        time.sleep(POLL)


def tampered(envelope: Path, root: pki.Entity) -> dict:
    """The order of a signed phase into which a thief has put a root of their own; the signatures are still the true ones."""
    document = json.loads(envelope.read_text())
    payload = json.loads(base64.b64decode(document["payload"]))
    payload["desired"]["present"].append({"name": "lab-thief", "sha256": root.sha256, "pem": root.pem})
    document["payload"] = base64.b64encode(json.dumps(payload).encode()).decode()
    data = json.dumps(document).encode()
    text = base64.urlsafe_b64encode(data).decode().rstrip("=")
    chunks = [text[start : start + CHUNK] for start in range(0, len(text), CHUNK)]
    named = {f"c{index}": chunk for index, chunk in enumerate(chunks)}
    return {"id": hashlib.sha256(data).hexdigest(), "n": len(chunks), "go": 1, **named}
