# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many light devices in one process: what an agent says to its hub, and nothing of what it does on a device.

    python -m lab.devices CONFIG

CONFIG is JSON: {"hub", "address", "port", "ca_file", "policy_key" (of the policy ``device``), "devices": [ids], "module" (null
for device twins), "keys" (a keys.json, or null to believe everything), "answers": {id: {"state", "reason", ..., "leaves"}}}. A
device whose answer is null stays silent; one that ``leaves`` is gone for good when it has answered. ``ready N`` on standard
output says that N devices have subscribed and read their twins.

Each holds one MQTT connection as its own identity: subscribe, then GET, then patches (azure-docs iot-mqtt-connect-to-iot-hub). An
order is verified as on a device, run once for each (id, go), and answered: accepted, then how it ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import resource
import ssl
import sys
import time
from pathlib import Path

from plugins.module_utils.gateway import keys as key_files
from plugins.module_utils.gateway import order as orders
from plugins.module_utils.gateway.errors import Refused

from .client_packets import connect, published, read_packet, subscribe
from .hub import sas
from .hub.device import codec

DESIRED, RESULTS = "$iothub/twin/PATCH/properties/desired/", "$iothub/twin/res/"
KEYS = "keys"
NAMES = (KEYS, "stage", "retire", "revert")  # keys first: they may be what the others are signed with
FINAL = ("proved", "refused", "reverted", "failed")
OPENING_MOST = 64  # connections in the making at a time
AGAIN = (1.0, 3.0)  # seconds until what the hub refused with 429 is tried again
TOKEN_LIFETIME = 24 * 3600.0
ANSWER_WITHIN = 30.0  # seconds


class Light:
    """One device: its session, and what it has answered."""

    def __init__(self, world: World, name: str) -> None:
        self.world, self.name = world, name
        self.key = f"{name}/{world.module}" if world.module else name
        self._section: dict = {}
        self._ended: dict[str, tuple] = {}
        self._waiting: dict[str, asyncio.Future] = {}
        self._rid = 0
        self._writer: asyncio.StreamWriter
        self._working: asyncio.Task | None = None
        self._left = False

    async def live(self) -> None:
        """Connect until it leaves; the hub may cut us."""
        while not self._left:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
                await self._session()
            await asyncio.sleep(random.uniform(*AGAIN))

    async def _session(self) -> None:
        async with self.world.opening:
            reader, self._writer = await asyncio.open_connection(
                self.world.address, self.world.port, ssl=self.world.tls, server_hostname=self.world.hub
            )
            self._writer.write(connect(self.key, f"{self.world.hub}/{self.key}/?api-version=2021-04-12", self.world.token))
            if (await read_packet(reader))[1][1] != codec.ACCEPTED:
                raise ConnectionError("refused")
            self._writer.write(subscribe(1, (f"{RESULTS}#", f"{DESIRED}#")))
        reading = asyncio.create_task(self._read(reader))
        try:
            twin = await self._until_taken("$iothub/twin/GET/?$rid={rid}", b"")
            self._remember(twin["reported"].get("rootwave"))
            self._changed(twin["desired"].get("rootwave"))
            self.world.note_ready(self.name)
            await reading
        finally:
            reading.cancel()
            self._writer.close()

    def _remember(self, answers) -> None:
        """What ended before this process began is not run again; an agent has it on disk."""
        for name in NAMES:
            last = (answers or {}).get(reported_as(name), {})
            if last.get("state") in FINAL:
                self._ended.setdefault(name, (last.get("id"), last.get("go")))

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while True:
            first, body = await read_packet(reader)
            if first >> 4 != 3:
                continue
            topic, payload, packet_id = published(first, body)
            if packet_id is not None:
                self._writer.write(codec.puback(packet_id))
            if topic.startswith(RESULTS):
                status, _slash, query = topic.removeprefix(RESULTS).partition("/")
                waiting = self._waiting.pop(query.partition("$rid=")[2].partition("&")[0], None)
                if waiting and not waiting.done():
                    waiting.set_result((int(status), json.loads(payload or b"null")))
            elif topic.startswith(DESIRED):
                patch = json.loads(payload)
                if "rootwave" in patch:
                    self._changed(merged(self._section, patch["rootwave"]))

    async def _ask(self, topic: str, payload: bytes) -> tuple[int, dict]:
        self._rid += 1
        rid = str(self._rid)
        answer = self._waiting[rid] = asyncio.get_running_loop().create_future()
        self._writer.write(codec.publish(topic.format(rid=rid), payload))
        async with asyncio.timeout(ANSWER_WITHIN):
            return await answer

    def _changed(self, section) -> None:
        self._section = section if isinstance(section, dict) else {}
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work())

    async def _work(self) -> None:
        """Every order that has not ended here; what came meanwhile too."""
        while due := [name for name in NAMES if self._is_due(name)]:
            await self._carry_out(due[0], self._section[due[0]])

    def _is_due(self, name: str) -> bool:
        order = self._section.get(name)
        return isinstance(order, dict) and self._ended.get(name) != (order.get("id"), order.get("go"))

    async def _carry_out(self, name: str, order: dict) -> None:
        answer = self.world.answers.get(self.name, {})
        leaves = bool(answer and answer.get("leaves"))
        record = {"id": str(order.get("id"))[:64], "go": order.get("go")}
        self._ended[name] = (order.get("id"), order.get("go"))
        if answer is None:
            return
        try:
            record.update(await self.world.verified(name, order))
        except Refused as exc:
            await self._report(name, {**record, "state": "refused", "reason": f"{exc.reason}: {exc}"})
            return
        await self._report(name, {**record, "state": "accepted", "reason": ""})
        now = int(time.time())
        done = {"state": "proved", "reason": "", "committed_at": now} if "state" not in answer else {}
        await self._report(name, {**record, **done, **{key: value for key, value in answer.items() if key != "leaves"}})
        if leaves:
            self._left = True
            self._writer.close()

    async def _report(self, name: str, record: dict) -> None:
        """Until the hub has it."""
        payload = json.dumps({"rootwave": {"agent": "light", reported_as(name): {"at": int(time.time()), **record}}}).encode()
        while True:
            with contextlib.suppress(TimeoutError):
                await self._until_taken("$iothub/twin/PATCH/properties/reported/?$rid={rid}", payload)
                return

    async def _until_taken(self, topic: str, payload: bytes) -> dict:
        """The answer that is no 429."""
        while True:
            status, answer = await self._ask(topic, payload)
            if status != 429:
                return answer
            self.world.throttled += 1
            await asyncio.sleep(random.uniform(*AGAIN))


class World:
    """What all devices of one process share."""

    def __init__(self, config: dict) -> None:
        self.hub, self.address, self.port = config["hub"], config["address"], config["port"]
        self.module, self.answers = config["module"], config.get("answers", {})
        self.tls = ssl.create_default_context(cafile=config["ca_file"])
        self.token = sas.sign(self.hub, config["policy_key"], TOKEN_LIFETIME) + "&skn=device"
        self.keys = key_files.from_bytes(Path(config["keys"]).read_bytes()) if config.get("keys") else None
        self.opening, self.throttled = asyncio.Semaphore(OPENING_MOST), 0
        self._devices = [Light(self, name) for name in config["devices"]]
        self._ready: set[str] = set()
        self._known: dict[str, asyncio.Future] = {}

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for device in self._devices:
                group.create_task(device.live())

    def note_ready(self, name: str) -> None:
        if name not in self._ready:
            self._ready.add(name)
            if len(self._ready) == len(self._devices):
                print(f"ready {len(self._ready)}", flush=True)

    async def verified(self, name: str, order: dict) -> dict:
        """Verified as on a device, by openssl; once for all devices that got the same bytes. What to answer; raises Refused."""
        data = orders.assemble(order)
        if order["id"] not in self._known:
            verify = self._next_keys if name == KEYS else self._phase
            self._known[order["id"]] = asyncio.ensure_future(asyncio.to_thread(verify, data))
        found = await self._known[order["id"]]
        if name == KEYS or found is None:
            return {}
        if found.phase != name:
            raise Refused("phase", f"the order under {name} is signed for phase {found.phase}")
        return {"serial": found.serial}

    def _phase(self, data: bytes):
        return orders.verify_phase(data, self.keys) if self.keys else None

    def _next_keys(self, data: bytes) -> None:
        """From here on all of these devices believe the new ones."""
        if self.keys:
            self.keys = key_files.from_bytes(json.dumps(orders.verify_keys(data, self.keys)).encode())


def reported_as(name: str) -> str:
    return "keys_order" if name == KEYS else name


def merged(target: dict, patch) -> dict:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key, {}), value)
    return result


def main() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    config = json.loads(Path(sys.argv[1]).read_text())

    async def run() -> None:
        await World(config).run()

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run())


if __name__ == "__main__":
    main()
