# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m lab.hub serve --config FILE``: run the hub until SIGTERM; prints ``ready`` when it listens.

The file is JSON: {"state_dir", "admin": {"host", "port"}, "devices": {id: base64 key}, "hubs": [{"name", "listen": [addresses],
"ports", "chain"}]}.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
from pathlib import Path

from aiohttp import web

from lab import pki

from .admin import make_app
from .registry import Registry
from .server import Hub, State


async def serve(config: dict) -> None:
    state_dir = Path(config["state_dir"])
    state = State(state_dir / "hub-state.json")
    chains = pki.chains(pki.create(state_dir))
    kept, hubs = state.load(), {}
    for item in config["hubs"]:
        listen = kept.get(item["name"]) or {one: {"chain": item["chain"], "fault": "none"} for one in item["listen"]}
        registry = Registry(item["name"], config["devices"], state_dir)
        hubs[item["name"]] = Hub(item["name"], item["ports"], listen, registry, chains)
    for hub in hubs.values():
        await hub.start()
    runner = web.AppRunner(make_app(hubs, state))
    await runner.setup()
    await web.TCPSite(runner, config["admin"]["host"], config["admin"]["port"]).start()
    print("ready", flush=True)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    for hub in hubs.values():
        await hub.close()
    await runner.cleanup()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m lab.hub", description=__doc__)
    parser.add_argument("command", choices=["serve"])
    parser.add_argument("--config", required=True, type=Path)
    arguments = parser.parse_args()
    asyncio.run(serve(json.loads(arguments.config.read_text())))


if __name__ == "__main__":
    main()
