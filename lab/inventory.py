# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab as an Ansible inventory, and its campaigns: what the lab's certificates are called differs from lab to lab."""

from __future__ import annotations

from pathlib import Path

import yaml

from . import pki
from .config import HUB, ROOT, Gateway, Lab
from .fleet import client_key, give_to_caller

HEADER = "# Written by '.venv/bin/python -m lab up'; gone with '.venv/bin/python -m lab down'.\n"
NEW = ("lab-g2", "lab-ms-rsa-2017", "lab-ms-tls-g2")
REAL_NEW = {
    "digicert-global-root-g2": "cb3ccbb76031e5e0138f8dd39a23f9de47ffc35e43c1144cea27d46a5ab1cb5f",
    "microsoft-rsa-root-ca-2017": "c741f70f4b2a8d88bf2e71c14122ef53ef10eba0cfa5e64cfa20f418853073e0",
}
REAL_OLD = {"baltimore-cybertrust-root": "16af57a9f676b0ab126095aa5ebadef22ab31119d644ac95cd4b93dbf3f26aeb"}


def write_inventory(lab: Lab, folder: Path) -> None:
    """``hosts.yml`` in ``folder``; the campaigns and known_hosts beside the lab's state, where no inventory is parsed."""
    folder.mkdir(parents=True, exist_ok=True)
    known = [f"{one.address} {_host_key(lab, one)}\n" for one in lab.gateways]
    _write(lab.state_dir / "known_hosts", "".join(known))
    _write(folder / "hosts.yml", HEADER + yaml.safe_dump(hosts_of(lab), sort_keys=False))
    (folder / "group_vars").mkdir(exist_ok=True)
    settings = {"rootwave_campaign": str(lab.state_dir / "campaign.yml")}
    _write(folder / "group_vars" / "all.yml", HEADER + yaml.safe_dump(settings))
    groups = list(dict.fromkeys(gateway.group for gateway in lab.gateways))
    staged = [group for group in groups if group != "holdout"] or groups
    write_campaign(lab, lab.state_dir / "campaign.yml", "lab", staged)
    write_campaign(lab, lab.state_dir / "campaign-holdout.yml", "lab-holdout", groups[-1:])
    write_campaign(lab, lab.state_dir / "campaign-all.yml", "lab-all", groups)


def remove_inventory(folder: Path) -> None:
    for name in ("hosts.yml", "group_vars/all.yml"):
        (folder / name).unlink(missing_ok=True)


def write_campaign(lab: Lab, path: Path, name: str, waves: list[str], **changes) -> None:
    """A campaign of this lab: its own Baltimore and the real one out, its own new roots and the real ones in."""
    roots = pki.create(lab.state_dir)
    bundled = ROOT / "campaigns" / "anchors"
    present = [_anchor(lab, slug, roots[slug].sha256) for slug in NEW]
    present += [{"name": slug, "sha256": sha, "file": str(bundled / f"{slug}.pem")} for slug, sha in REAL_NEW.items()]
    absent = [_anchor(lab, "lab-baltimore", roots["lab-baltimore"].sha256)]
    absent += [{"name": slug, "sha256": sha, "file": str(bundled / f"{slug}.pem")} for slug, sha in REAL_OLD.items()]
    document = {
        "name": name,
        "description": "The lab's own move from Baltimore to G2, and the real one beside it.",
        "clouds": ["public"],
        "anchors": {"present": present, "absent": absent},
        "endpoints": [],
        "safe_after": {"date": "2024-09-30", "source": "https://learn.microsoft.com/azure/iot-hub/migrate-tls-certificate"},
        "waves": waves,
        "policy": {"min_success_percent": 100, "max_unreachable": 0, "min_sample": 1, "soak": 2, "gate_timeout": 60},
    }
    document.update(changes)
    document = {key: value for key, value in document.items() if value is not None}
    _write(path, HEADER + yaml.safe_dump(document, sort_keys=False))


def _anchor(lab: Lab, slug: str, sha256: str) -> dict:
    return {"name": slug, "sha256": sha256, "file": str(lab.state_dir / "pki" / f"{slug}.pem")}


def hosts_of(lab: Lab) -> dict:
    """The inventory as a document; tests change copies of it."""
    children: dict = {}
    for gateway in lab.gateways:
        group = children.setdefault(gateway.group, {"hosts": {}})
        group["hosts"][gateway.name] = {"ansible_host": gateway.address, "rootwave_device_id": gateway.name}
    variables = {
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(client_key(lab)),
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={lab.state_dir / 'known_hosts'} -o StrictHostKeyChecking=yes",
        "ansible_pipelining": True,
        "ansible_python_interpreter": "/usr/bin/python3",
        "rootwave_endpoints": [{"host": HUB, "port": port, "role": "hub"} for port in (8883, 443)],
    }
    return {"fleet": {"children": children, "vars": variables}}


def _host_key(lab: Lab, gateway: Gateway) -> str:
    text = (lab.state_dir / "gateways" / gateway.name / "ssh_host_ed25519_key.pub").read_text()
    return " ".join(text.split()[:2])


def _write(path: Path, text: str) -> None:
    path.write_text(text)
    give_to_caller(path)
