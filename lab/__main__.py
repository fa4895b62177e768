# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m lab``: the local fleet and hub. Needs Debian 12+ or Ubuntu 24.04+, and root or passwordless sudo."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from . import config, filters
from .tools import LabError, install_packages


def main() -> int:
    arguments = parse(sys.argv[1:])
    if os.geteuid() != 0 and arguments.command != "setup":
        kept = "ROOTWAVE_CACHE,ROOTWAVE_LAB_DIR"
        os.execvp("sudo", ["sudo", "-n", f"--preserve-env={kept}", sys.executable, "-m", "lab", *sys.argv[1:]])
    try:
        return COMMANDS[arguments.command](arguments)
    except LabError as exc:
        print(f"lab: {exc}", file=sys.stderr)
        return 1


def parse(argv) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=".venv/bin/python -m lab", description=__doc__)
    parser.add_argument("command", choices=sorted(COMMANDS))
    parser.add_argument("--name", default="lab", help="the lab's name, when there is more than one (default: lab)")
    parser.add_argument("--inventory", type=Path, default=config.ROOT / "inventories" / "lab", help="where to write it")
    parser.add_argument("--gateways", type=int, default=14, help="how many (default: 14)")
    parser.add_argument("--group", action="append", default=[], metavar="NAME=COUNT", help="instead of --gateways")
    parser.add_argument("--devices", type=int, default=0, help="how many beside them that nobody logs in to (default: none)")
    parser.add_argument("--layout", choices=["debian", "rhel"], default="debian", help="the gateways' trust layout")
    parser.add_argument("--faketime", action="append", default=[], metavar="GATEWAY=+30d", help="a wrong clock")
    parser.add_argument("--filter", choices=filters.KINDS, default="", help="an egress filter on gateways (default: none)")
    parser.add_argument("--chain", default="v2", help="what cutover serves (default: v2)")
    parser.add_argument("--json", action="store_true", help="status as JSON")
    return parser.parse_args(argv)


def setup(arguments) -> int:
    install_packages()
    return 0


def up(arguments) -> int:
    from . import commands

    pairs = dict(item.split("=", 1) for item in arguments.group)
    groups = {name: int(count) for name, count in pairs.items()} or config.spread(arguments.gateways)
    faketime = dict(item.split("=", 1) for item in arguments.faketime)
    asked = (arguments.layout, faketime, arguments.devices, arguments.filter)
    lab = commands.up(arguments.name, groups, arguments.inventory, *asked)
    devices = f", {len(lab.devices)} devices" if lab.devices else ""
    print(f"{len(lab.gateways)} gateways{devices} and the hub are up; inventory: {arguments.inventory}")
    return 0


def status(arguments) -> int:
    from . import commands

    found = commands.status(existing(arguments))
    if arguments.json:
        print(json.dumps(found, indent=1))
        return 0
    for one in found["gateways"] + found["devices"]:
        session = "connected" if one["name"] in found["connected"] else "stranded"
        print(f"{one['name']:8} {one['group']:14} {one['suite']:9} {one['address']:14} {one['state']:8} {session}")
    print(f"{len(found['connected'])} connected, {len(found['stranded'])} stranded")
    return 0


def cutover(arguments) -> int:
    from . import hub_client

    hub_client.cutover(existing(arguments), arguments.chain)
    return 0


def down(arguments) -> int:
    from . import commands

    commands.down(arguments.name, arguments.inventory)
    return 0


def env(arguments) -> int:
    """What an operator's shell needs so that the Azure SDKs reach this lab: source <(.venv/bin/python -m lab env)"""
    from . import environment, pki

    lab = existing(arguments)
    config_file = json.loads((lab.state_dir / "hub.json").read_text())
    print(environment.as_shell(environment.environment(config_file, pki.roots_file(lab.state_dir))), end="")
    return 0


def existing(arguments) -> config.Lab:
    lab = config.load(arguments.name)
    if lab is None:
        raise LabError(f"there is no lab {arguments.name}; make it with: .venv/bin/python -m lab up --name {arguments.name}")
    return lab


# setup runs before the virtual environment exists, so the other commands import what they need when they need it
COMMANDS = {"setup": setup, "up": up, "status": status, "cutover": cutover, "env": env, "down": down}


if __name__ == "__main__":
    sys.exit(main())
