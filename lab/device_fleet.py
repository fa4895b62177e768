# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices: containers as gateways are, with the agent in their image, its identity at the hub, and no way in.

They have systemd too, so that the agent runs in its own unit and a revert survives a power cut, as on a real device. It is cheap:
on two cores ten of them start in 1.0 s, ten containers of nothing in 0.6 s; each takes about 40 MB, the agent's 26 among them.
"""

from __future__ import annotations

import json
import os
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from agent import build

from . import config, containers, hub_client, images, pki, signers
from .config import HUB, ROOT, Device, Lab
from .fleet import container_states, wait_ready
from .images import LIMITS, lab_image
from .tools import run, say

APPLICATION_USER = 990  # lab/files/inbox.sh


def ensure_images(lab: Lab, runtime: str) -> None:
    """The agent as an image build gets it: a signed tarball, and the public keys of those who sign orders."""
    folder = lab.state_dir / "agent"
    if not folder.exists():
        folder.mkdir()
        key, public = folder / "image-signing.key", folder / "image-signing.pub"
        run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", str(key)])
        run(["openssl", "pkey", "-in", str(key), "-pubout", "-out", str(public)])
        build.tarball(folder, key)
    more = [folder / name for name in ("image-signing.pub", "rootwave-agent.tar.gz", "rootwave-agent.tar.gz.sig")]
    more += [signers.keys_file(lab), lab.state_dir / "pki" / "lab-g2.pem", ROOT / "agent" / "examples" / "inbox_application.py"]
    images.ensure_lab_images(lab, runtime, lab.devices, more)


def ensure_identities(lab: Lab) -> None:
    """At the hub, once; who has a module identity has a device identity too, which never connects."""
    answer = hub_client.registry(lab)
    missing = [one for one in lab.devices if one.name not in answer["connected"] + answer["stranded"]]
    if not missing:
        return
    found = {one.name: {"authentication": _authentication(one), "tags": {"kind": one.front_end}} for one in missing}
    found |= {one.session: {"authentication": _authentication(one)} for one in missing if one.front_end == "module"}
    for one in missing:
        pki.client(lab.state_dir, one.name)
    hub_client.ask(lab, "trust_client", {"pem": pki.devices_authority(lab.state_dir)})
    hub_client.ask(lab, "seed", {"hub": HUB, "devices": found})


def ensure_devices(lab: Lab, runtime: str) -> None:
    """Start every device that does not run, but make the late ones only: they are switched off."""
    states = container_states(lab)
    missing = [one for one in lab.devices if states.get(lab.container(one), "") not in ("running", "created")]
    if missing:
        say(f"starting {len(missing)} devices")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda one: _start(lab, one, runtime, states), missing))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda one: wait_ready(lab, one), [one for one in missing if not one.late]))


def switch_on(lab: Lab, device: Device) -> None:
    run(["podman", "start", lab.container(device)])


def _authentication(device: Device) -> dict:
    if device.authentication == "x509":
        return {"type": "certificateAuthority"}
    return {"type": "sas", "symmetricKey": {"primaryKey": device.key, "secondaryKey": device.key}}


def _start(lab: Lab, device: Device, runtime: str, states: dict[str, str]) -> None:
    name = lab.container(device)
    mounts = _write_settings(lab, device)
    if name in states:
        run(["podman", "start", name])
        return
    argv = (
        ["--hostname", device.name, "--label", f"rootwave.lab={lab.name}", "--systemd=always", *LIMITS]
        + ["--network", lab.network, "--ip", device.address, "--mac-address", config.mac(device.address)]
        + ["--dns", lab.dns_address, *(f"--volume={here}:{there}:ro" for here, there in mounts.items())]
        + [lab_image(lab, device), "/sbin/init"]
    )
    containers.make(lab, name, runtime, "create" if device.late else "run", argv)


def _write_settings(lab: Lab, device: Device) -> dict[Path, str]:
    """{folder: where the device finds it}. Each program reads its own secrets only."""
    folder = lab.state_dir / "devices" / device.name
    ours, theirs = folder / "rootwave", folder / "lab"
    for one in (ours, theirs):
        one.mkdir(parents=True, exist_ok=True)
    settings = {"fleet": signers.FLEET, "hub": HUB, "device": device.name, "port": device.port, "front_end": device.front_end}
    if device.front_end == "inbox":
        application = {**settings, **_credentials(lab, device, theirs, "/etc/lab", APPLICATION_USER)}
        _write(theirs / "application.json", json.dumps(application), 0o600, APPLICATION_USER)
        packages = Path(sysconfig.get_path("purelib"))
        _write(ours / "agent.json", json.dumps(settings), 0o644)
        return {ours: "/etc/rootwave", theirs: "/etc/lab", packages: "/opt/application/packages"}
    credentials = _credentials(lab, device, ours, "/etc/rootwave", 0)
    if "key" in credentials:
        _write(ours / "agent.key", credentials["key"], 0o600)
        credentials = {"key_file": "/etc/rootwave/agent.key"}
    _write(ours / "agent.json", json.dumps({**settings, **credentials}), 0o644)
    return {ours: "/etc/rootwave"}


def _credentials(lab: Lab, device: Device, folder: Path, there: str, user: int) -> dict[str, str]:
    if device.authentication == "sas":
        return {"key": device.key}
    entity = pki.client(lab.state_dir, device.name)
    _write(folder / "device.pem", entity.pem, 0o644)
    _write(folder / "device.key", entity.key_pem, 0o600, user)
    return {"certificate_file": f"{there}/device.pem", "certificate_key_file": f"{there}/device.key"}


def _write(path: Path, text: str, mode: int, user: int = 0) -> None:
    path.touch(mode=0o600)
    path.write_text(text)
    path.chmod(mode)
    os.chown(path, user, user)
