# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab as an Ansible inventory, and its campaigns: what the lab's certificates are called differs from lab to lab."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

import yaml

from . import filters, pki, signers
from .config import HUB, ROOT, Gateway, Lab
from .fleet import client_key, give_to_caller
from .hub_config import HUB_WEST

ROOTS_ONLY = "roots_only"  # a group that gets the roots first and addresses too late
HEADER = "# Written by '.venv/bin/python -m lab up'; gone with '.venv/bin/python -m lab down'.\n"
# With devices only the first two and the first real one: a stage and a retirement must fit into one twin, for who comes late.
NEW = ("lab-g2", "lab-ms-rsa-2017", "lab-ms-tls-g2")
REAL_NEW = {
    "digicert-global-root-g2": "cb3ccbb76031e5e0138f8dd39a23f9de47ffc35e43c1144cea27d46a5ab1cb5f",
    "microsoft-rsa-root-ca-2017": "c741f70f4b2a8d88bf2e71c14122ef53ef10eba0cfa5e64cfa20f418853073e0",
}
REAL_OLD = {"baltimore-cybertrust-root": "16af57a9f676b0ab126095aa5ebadef22ab31119d644ac95cd4b93dbf3f26aeb"}


def write_inventory(lab: Lab, folder: Path) -> None:
    """``hosts.yml`` in ``folder``; the campaigns and known_hosts beside the lab's state, where no inventory is parsed."""
    (folder / "group_vars").mkdir(exist_ok=True, parents=True)
    known = [f"{one.address} {_host_key(lab, one)}\n" for one in lab.gateways]
    _write(lab.state_dir / "known_hosts", "".join(known))
    _write(folder / "hosts.yml", HEADER + yaml.safe_dump(hosts_of(lab), sort_keys=False))
    twins = {"rootwave_twins": twins_of(lab)} if lab.devices else {}
    settings = {"rootwave_campaign": str(lab.state_dir / "campaign.yml"), **twins}
    _write(folder / "group_vars" / "all.yml", HEADER + yaml.safe_dump(settings, sort_keys=False))
    write_campaigns(lab)
    if lab.devices:
        inbox = {"rootwave_twins": {**twins_of(lab), "front_end": "inbox"}}
        _write(folder / "group_vars" / "inbox.yml", HEADER + yaml.safe_dump(inbox, sort_keys=False))


def remove_inventory(folder: Path) -> None:
    for name in ("hosts.yml", "group_vars/all.yml", "group_vars/inbox.yml"):
        (folder / name).unlink(missing_ok=True)


def write_campaigns(lab: Lab) -> None:
    """One campaign, and in each file other waves. The holdouts are left out of the first; late devices are in no wave.

    With filters the gateways' campaign has an allowlist. The agent takes none, so devices have the campaign without it, and with
    them the gateways that are to get the roots alone.
    """
    groups = list(dict.fromkeys(gateway.group for gateway in lab.gateways))
    staged = [group for group in groups if group not in ("holdout", ROOTS_ONLY)] or groups
    files: dict[str, list] = {"campaign": staged, "campaign-holdout": groups[-1:], "campaign-all": groups}
    plain: dict[str, list] = {}
    if lab.devices:
        twins: dict[str, list] = {"module": [], "inbox": []}
        for group, count in Counter(one.group for one in lab.devices if not one.late).items():
            twins["inbox" if group.startswith("inbox") else "module"].append({"group": group, "via": "twin", "expect": count})
        plain = {"campaign-inbox": twins["inbox"]}
        if lab.filters:
            plain |= {"campaign-roots": [group for group in groups if group == ROOTS_ONLY] + twins["module"]}
            plain |= {"campaign-twins": twins["module"]}
        else:
            files |= {"campaign": _in_turn(staged, twins["module"]), "campaign-retire": _in_turn(groups, twins["module"])}
    if lab.filters:
        write_addresses(lab)
        files |= {"campaign-fleet": ["fleet"]}
        write_campaign(
            lab,
            lab.state_dir / "campaign-bad.yml",
            "lab-bad",
            staged,
            anchors={"present": [], "absent": []},
            allowlist=allowlist(lab, "bad"),
            policy={"confirm_within": 10, "min_sample": 1, "soak": 0},
        )
    for name, waves in files.items():
        write_campaign(lab, lab.state_dir / f"{name}.yml", "lab", waves)
    for name, waves in plain.items():
        write_campaign(lab, lab.state_dir / f"{name}.yml", "lab", waves, allowlist=None)


def write_addresses(lab: Lab) -> None:
    """Address files of the campaign's allowlist. Another hub of the old region answers all the time, so that old addresses can be
    asked for; the bad new ones are the place where ansible runs, for the set of a filter that drops what it holds."""
    west = lab.where.hubs[HUB_WEST]
    files = {"new": {"the hub's new address": lab.new_address}}
    files |= {"old": {"the hub's old address": lab.old_address, "the hub of the old region": west}}
    files |= {"bad": {"a typing error": lab.dns_address}}
    for name, addresses in files.items():
        known = [{"prefix": f"{address}/32", "source": source} for source, address in addresses.items()]
        text = yaml.safe_dump({"schema": 1, "prefixes": known}, sort_keys=False)
        _write(lab.state_dir / f"addresses-{name}.yml", HEADER + text)


def allowlist(lab: Lab, new: str = "new") -> dict:
    """The ``allowlist`` of a campaign for this lab."""
    files = {"new": str(lab.state_dir / f"addresses-{new}.yml"), "old": str(lab.state_dir / "addresses-old.yml")}
    if new != "new":
        del files["old"]
    return {**files, "private": True, "ports": [443, 8883], "quiet_period": 0}


def _in_turn(*sides: list) -> list:
    """A canary by SSH, a canary by twin, and so on."""
    return [wave for waves in itertools.zip_longest(*sides) for wave in waves if wave is not None]


def twins_of(lab: Lab) -> dict:
    """How the hub is asked. Who asks is in the environment (lab/environment.py): no key is in the inventory."""
    orders = {phase: str(signers.order_file(lab, phase)) for phase in signers.SERIALS}
    return {"hub": HUB, "sku": "S1", "units": 1, "fleet": signers.FLEET, "keys": str(signers.keys_file(lab)), "orders": orders}


def write_campaign(lab: Lab, path: Path, name: str, waves: list, **changes) -> None:
    """A campaign of this lab: its own Baltimore and the real one out, its own new roots and the real ones in."""
    roots = pki.create(lab.state_dir)
    bundled = ROOT / "campaigns" / "anchors"
    new, real_new = (NEW[:2], dict([*REAL_NEW.items()][:1])) if lab.devices else (NEW, REAL_NEW)
    present = [_anchor(lab, slug, roots[slug].sha256) for slug in new]
    present += [{"name": slug, "sha256": sha, "file": str(bundled / f"{slug}.pem")} for slug, sha in real_new.items()]
    absent = [_anchor(lab, "lab-baltimore", roots["lab-baltimore"].sha256)]
    absent += [{"name": slug, "sha256": sha, "file": str(bundled / f"{slug}.pem")} for slug, sha in REAL_OLD.items()]
    policy = {"min_success_percent": 100, "max_unreachable": 0, "min_sample": 1, "soak": 2, "gate_timeout": 60}
    document = {
        "name": name,
        "description": "The lab's own move from Baltimore to G2, and the real one beside it.",
        "clouds": ["public"],
        "anchors": {"present": present, "absent": absent},
        "endpoints": [],
        "safe_after": {"date": "2024-09-30", "source": "https://learn.microsoft.com/azure/iot-hub/migrate-tls-certificate"},
        "waves": waves,
        "policy": policy,
        "allowlist": allowlist(lab) if lab.filters else None,
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
        if lab.filters:
            group["hosts"][gateway.name]["rootwave_allowlist_places"] = filters.places(gateway)
    variables = {
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(client_key(lab)),
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={lab.state_dir / 'known_hosts'} -o StrictHostKeyChecking=yes",
        "ansible_pipelining": True,
        "ansible_python_interpreter": "/usr/bin/python3",
        "rootwave_endpoints": [{"host": HUB, "port": port, "role": "hub"} for port in (8883, 443)],
    }
    return {"fleet": {"children": children, "vars": variables}, **devices_of(lab)}


def devices_of(lab: Lab) -> dict:
    """Hosts without an address: nobody logs in."""
    found: dict = {}
    for device in lab.devices:
        children = found.setdefault("inbox" if device.front_end == "inbox" else "devices", {"children": {}})["children"]
        children.setdefault(device.group, {"hosts": {}})["hosts"][device.name] = {"rootwave_device_id": device.name}
    return found


def _host_key(lab: Lab, gateway: Gateway) -> str:
    text = (lab.state_dir / "gateways" / gateway.name / "ssh_host_ed25519_key.pub").read_text()
    return " ".join(text.split()[:2])


def _write(path: Path, text: str) -> None:
    path.write_text(text)
    give_to_caller(path)
