# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""up, status, cutover, down."""

from __future__ import annotations

import shutil
from pathlib import Path

from . import config, device_fleet, filters, fleet, hub_client, images, inventory, network, paths, pki, signers
from .tools import LabError, install_packages, run, say, succeeds

FIRST_SESSIONS_MOST = 120.0  # seconds; fifty containers start at once


def up(
    name: str,
    groups: dict[str, int],
    folder: Path,
    layout: str = "debian",
    faketime=None,
    devices: int = 0,
    kind: str = "",
    few_roots: bool = False,
) -> config.Lab:
    """Make what is missing of a lab; a second call finds everything there. ``kind``: of filters.KINDS, or none."""
    install_packages()
    lab = config.load(name)
    fresh = lab is None
    if lab is None:
        lab = config.plan(name, groups, layout, faketime, devices, few_roots)
        filters.assign(lab, kind)
        lab.save()
    elif (_groups(lab), len(lab.devices), lab.filters) != (groups, devices, kind):
        have = f"{_groups(lab)}, {len(lab.devices)} devices and {lab.filters or 'no'} filters"
        raise LabError(f"lab {name} exists with {have}; end it first: .venv/bin/python -m lab down --name {name}")
    pki.create(lab.state_dir)
    for suite in dict.fromkeys(host.suite for host in lab.hosts):
        images.ensure_base(suite)
    runtime = images.choose_runtime(images.base_image(lab.gateways[0].suite))
    images.ensure_lab_images(lab, runtime, lab.gateways)
    network.ensure_network(lab)
    fleet.ensure_gateways(lab, runtime)
    network.ensure_dns(lab)
    hub_client.ensure_hub(lab)
    if lab.devices:
        signers.ensure_keys(lab)
        device_fleet.ensure_images(lab, runtime)
        device_fleet.ensure_identities(lab)
        device_fleet.ensure_devices(lab, runtime)
    fleet.give_to_caller(fleet.client_key(lab))
    inventory.write_inventory(lab, folder)
    awake = [host for host in lab.hosts if not host.late]
    if fresh and not hub_client.wait_connected(lab, len(awake), FIRST_SESSIONS_MOST):
        missing = sorted({host.name for host in awake} - set(hub_client.connected(lab)))
        raise LabError(f"not everybody holds a session to the hub: {', '.join(missing)}")
    return lab


def status(lab: config.Lab) -> dict:
    """{"gateways": [{name, group, suite, address, state}], "devices": the same, "connected": [...], "stranded": [...]}"""
    states, connected = fleet.container_states(lab), hub_client.connected(lab)

    def facts(host) -> dict:
        known = {name: getattr(host, name) for name in ("name", "group", "suite", "address")}
        return {**known, "state": states.get(lab.container(host), "missing")}

    return {
        "gateways": [facts(one) for one in lab.gateways],
        "devices": [facts(one) for one in lab.devices],
        "connected": connected,
        "stranded": [host.name for host in lab.hosts if host.name not in connected],
    }


def down(name: str, folder: Path) -> None:
    """Remove all that ``up`` made for this lab, and only that; the cached base images stay."""
    lab = config.load(name)
    if lab is None:
        say(f"there is no lab {name}")
        return
    network.stop(lab, "hub")
    network.stop(lab, "dnsmasq")
    paths.mend_all(lab)
    fleet.remove_all(lab)
    if succeeds(["podman", "network", "exists", lab.network]):
        run(["podman", "network", "rm", lab.network])
    made = run(["podman", "images", "--quiet", "--filter", f"label=rootwave.lab={name}"]).split()
    if made:
        run(["podman", "rmi", "--force", *dict.fromkeys(made)])
    inventory.remove_inventory(folder)
    shutil.rmtree(lab.state_dir)


def _groups(lab: config.Lab) -> dict[str, int]:
    groups: dict[str, int] = {}
    for gateway in lab.gateways:
        groups[gateway.group] = groups.get(gateway.group, 0) + 1
    return groups
