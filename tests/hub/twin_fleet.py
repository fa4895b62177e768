# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet of light devices (lab/devices.py) on the lab's hub, its signing keys and signed phases, for tests and the bench."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import yaml
from ansible_collections.rootwave.iot.plugins.plugin_utils.campaign import load
from ansible_collections.rootwave.iot.plugins.plugin_utils.signing import phase_payload
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from lab.config import ROOT
from tests.hub.ansible_run import PLAYBOOK, Ran, module, run

FLEET, MODULE = "plant-a", "rootwave"
PHASE, KEYS = "application/vnd.rootwave.phase+json", "application/vnd.rootwave.keys+json"
ANCHORS = {
    "present": ("digicert-global-root-g2", "cb3ccbb76031e5e0138f8dd39a23f9de47ffc35e43c1144cea27d46a5ab1cb5f"),
    "absent": ("baltimore-cybertrust-root", "16af57a9f676b0ab126095aa5ebadef22ab31119d644ac95cd4b93dbf3f26aeb"),
}


class TwinFleet:
    """``folder`` gets the campaign, the keys, the orders and the inventory."""

    def __init__(self, hub, folder: Path, keys: int = 1, threshold: int = 1) -> None:
        self.hub, self.folder = hub, folder
        self.campaign_path, self.keys_path = folder / "campaign.yml", folder / "keys.json"
        self._keys = [ec.generate_private_key(ec.SECP256R1()) for _number in range(keys)]
        self.keys_path.write_text(json.dumps(keys_document(self._keys, 1, threshold)))
        self.write_campaign(["canary"])

    # what is signed

    def write_campaign(self, waves: Sequence, **policy) -> None:
        anchors = {
            side: [{"name": name, "sha256": sha256, "file": str(ROOT / "campaigns" / "anchors" / f"{name}.pem")}]
            for side, (name, sha256) in ANCHORS.items()
        }
        document = {
            "name": "test",
            "anchors": anchors,
            "endpoints": [{"host": self.hub.host, "port": 8883}],
            "waves": list(waves),
            "policy": {"soak": 0, "phase_timeout": 60, "gate_timeout": 60, **policy},
        }
        self.campaign_path.write_text(yaml.safe_dump(document))

    def sign(self, phase: str = "stage", serial: int = 1, undo: str | None = None, signers: int = 1, **times) -> Path:
        """A signed phase of the campaign."""
        now = int(time.time())
        known = {"issued": now - 60, "not_before": now - 60, "expires": now + 3600, **times}
        payload = phase_payload(load(str(self.campaign_path)), FLEET, phase, undo, serial, known)
        path = self.folder / f"{phase}-{serial}.dsse.json"
        path.write_text(json.dumps(envelope(PHASE, payload, self._keys[:signers])))
        return path

    def next_keys(self, version: int = 2, old: int = 1, new: int = 1) -> Path:
        """New keys, signed by so many of the old ones and of themselves; from here on ``sign`` signs with them."""
        before, self._keys = self._keys, [ec.generate_private_key(ec.SECP256R1()) for _key in self._keys]
        document = keys_document(self._keys, version, len(self._keys))
        path = self.folder / f"keys-{version}.dsse.json"
        path.write_text(json.dumps(envelope(KEYS, json.dumps(document).encode(), before[:old] + self._keys[:new])))
        return path

    # devices

    def seed(self, names: Iterable[str], inbox: bool = False, **more) -> None:
        """``more`` is of the twin that orders go to."""
        names = list(names)
        self.hub.seed({name: more if inbox else {} for name in names})
        if not inbox:
            self.hub.seed({f"{name}/{MODULE}": more for name in names})

    def start(self, names: Iterable[str], answers: dict | None = None, inbox: bool = False, keys: bool = True) -> Devices:
        return Devices(self, list(names), answers or {}, None if inbox else MODULE, keys)

    # runs

    def options(self, phase: str = "stage", path: Path | None = None, **more) -> dict:
        """hub_order's."""
        hub = {"connection_string": self.hub.connection_string, "sku": "S3", "units": 4}
        return {**hub, "phase": phase, "envelope": str(path or self.folder / f"{phase}-1.dsse.json"), "fleet": FLEET, **more}

    def order(self, names: Iterable[str], *flags: str, **options) -> Ran:
        return self.run("hub_order", self.options(**{"device_ids": list(names), **options}), *flags)

    def run(self, name: str, options: dict, *flags: str) -> Ran:
        return module(self.hub, name, options, *flags)

    def inventory(self, groups: dict[str, Iterable[str]], variables: dict | None = None, **twins) -> Path:
        """``twins`` is beside the hub, fleet and keys in rootwave_twins; None takes one of them out."""
        known = {"connection_string": self.hub.connection_string, "sku": "S3", "units": 4, "fleet": FLEET}
        known |= {"keys": str(self.keys_path), **twins}
        settings = {
            "rootwave_campaign": str(self.campaign_path),
            "rootwave_twins": {name: value for name, value in known.items() if value is not None},
            "ansible_python_interpreter": sys.executable,
        }
        children = {name: {"hosts": {host: (variables or {}).get(host) for host in hosts}} for name, hosts in groups.items()}
        (self.folder / "group_vars").mkdir(exist_ok=True)
        (self.folder / "group_vars" / "all.json").write_text(json.dumps(settings))
        path = self.folder / "hosts.json"
        path.write_text(json.dumps({"all": {"children": children}}))
        return path

    def play(self, playbook: str, inventory: Path, *flags: str) -> Ran:
        done = run([PLAYBOOK, ROOT / "playbooks" / f"{playbook}.yml", "-i", inventory, *flags], self.hub.environment)
        return Ran(done.returncode, {}, done.stdout + done.stderr)


def keys_document(keys: list, version: int, threshold: int) -> dict:
    pem = [key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode() for key in keys]
    return {"schema": 1, "version": version, "fleet": FLEET, "threshold": threshold, "keys": pem}


def envelope(kind: str, payload: bytes, keys: list) -> dict:
    """As https://github.com/secure-systems-lab/dsse says, not as the code under test does."""
    signed = b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)
    made = [key.sign(signed, ec.ECDSA(hashes.SHA256())) for key in keys]
    signatures = [{"keyid": "", "sig": base64.b64encode(one).decode()} for one in made]
    return {"payload": base64.b64encode(payload).decode(), "payloadType": kind, "signatures": signatures}


class Devices:
    """One process of light devices, all of which have read their twins when this returns. Use it as a context."""

    def __init__(self, fleet: TwinFleet, names: list[str], answers: dict, module_id: str | None, keys: bool) -> None:
        hub = fleet.hub
        config = {
            "hub": hub.host,
            "address": hub.where.hubs[hub.host],
            "port": hub.where.mqtt,
            "ca_file": str(hub.ca_file),
            "policy_key": hub.config["hubs"][0]["policies"]["device"],
            "devices": names,
            "module": module_id,
            "keys": str(fleet.keys_path) if keys else None,
            "answers": answers,
        }
        path = fleet.folder / f"devices-{time.time_ns()}.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps(config))
        argv = [sys.executable, "-m", "lab.devices", str(path)]
        environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        self.process = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=environment)
        assert self.process.stdout is not None
        assert self.process.stdout.readline().strip() == f"ready {len(names)}"

    def __enter__(self) -> Devices:
        return self

    def __exit__(self, *_exception) -> None:
        self.process.terminate()
        self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()


__all__ = ("FLEET", "MODULE", "Devices", "TwinFleet")
