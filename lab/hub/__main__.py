# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m lab.hub serve --config FILE``: run until SIGTERM; prints ``ready`` when everything listens.

The file is JSON and holds keys (base64) and secrets, so its mode is 0600; ``lab/hub_config.py`` writes one and shows every part.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
from pathlib import Path

from .admin import make_admin_app
from .world import World


async def serve(config: dict) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    world = World(config)
    try:
        await world.start()
        await world.plain_http(make_admin_app(world), **config["admin"])
        print("ready", flush=True)
        await stop.wait()
    finally:
        await world.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m lab.hub", description=__doc__)
    parser.add_argument("command", choices=["serve"])
    parser.add_argument("--config", required=True, type=Path)
    arguments = parser.parse_args()
    asyncio.run(serve(json.loads(arguments.config.read_text())))


if __name__ == "__main__":
    main()
