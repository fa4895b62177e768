# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""up, status, cutover, down."""

from __future__ import annotations

import shutil
from pathlib import Path

from . import config, fleet, hub_client, images, inventory, network, pki
from .tools import LabError, install_packages, run, say, succeeds

FIRST_SESSIONS_MOST = 60.0  # seconds


def up(name: str, groups: dict[str, int], folder: Path, layout: str = "debian", faketime=None) -> config.Lab:
    """Make what is missing of a lab; a second call finds everything there."""
    install_packages()
    lab = config.load(name)
    fresh = lab is None
    if lab is None:
        lab = config.plan(name, groups, layout, faketime)
        lab.save()
    elif _groups(lab) != groups:
        raise LabError(f"lab {name} exists with {_groups(lab)}; end it first: .venv/bin/python -m lab down --name {name}")
    pki.create(lab.state_dir)
    for suite in dict.fromkeys(gateway.suite for gateway in lab.gateways):
        images.ensure_base(suite)
    runtime = images.choose_runtime(images.base_image(lab.gateways[0].suite))
    images.ensure_lab_images(lab, runtime)
    network.ensure_network(lab)
    fleet.ensure_gateways(lab, runtime)
    network.ensure_dns(lab)
    hub_client.ensure_hub(lab)
    fleet.give_to_caller(fleet.client_key(lab))
    inventory.write_inventory(lab, folder)
    if fresh and not hub_client.wait_connected(lab, len(lab.gateways), FIRST_SESSIONS_MOST):
        raise LabError(f"not every gateway holds a session to the hub: {hub_client.registry(lab)['stranded']}")
    return lab


def status(lab: config.Lab) -> dict:
    """{"gateways": [{name, group, suite, address, state}], "connected": [...], "stranded": [...]}"""
    states = fleet.container_states(lab)
    gateways = [
        {
            "name": one.name,
            "group": one.group,
            "suite": one.suite,
            "address": one.address,
            "state": states.get(lab.container(one), "missing"),
        }
        for one in lab.gateways
    ]
    return {"gateways": gateways, **hub_client.registry(lab)}


def down(name: str, folder: Path) -> None:
    """Remove all that ``up`` made for this lab, and only that; the cached base images stay."""
    lab = config.load(name)
    if lab is None:
        say(f"there is no lab {name}")
        return
    network.stop(lab, "hub")
    network.stop(lab, "dnsmasq")
    fleet.remove_gateways(lab)
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
