# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many light devices in one process: what an agent says to its hub, and nothing of what it does on a device.

    python -m lab.devices CONFIG

CONFIG is JSON: {"hub", "address", "port", "ca_file", "policy_key" (of the policy ``device``), "devices": [ids], "module" (null
for device twins), "keys" (a keys.json, or null to believe everything), "answers": {id: {"state", "reason", ...}}}. A device
whose answer is null stays silent. ``ready N`` on standard output says that N devices have subscribed and read their twins.

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

from .hub import sas
from .hub.device import codec

DESIRED, RESULTS = "$iothub/twin/PATCH/properties/desired/", "$iothub/twin/res/"
PHASES = ("stage", "retire", "revert")
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

    async def live(self) -> None:
        """Connect for ever; the hub may cut us."""
        while True:
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
        for name in PHASES:
            last = (answers or {}).get(name, {})
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
        while due := [name for name in PHASES if self._is_due(name)]:
            await self._carry_out(due[0], self._section[due[0]])

    def _is_due(self, name: str) -> bool:
        order = self._section.get(name)
        return isinstance(order, dict) and self._ended.get(name) != (order.get("id"), order.get("go"))

    async def _carry_out(self, name: str, order: dict) -> None:
        answer = self.world.answers.get(self.name, {})
        record = {"id": str(order.get("id"))[:64], "go": order.get("go")}
        self._ended[name] = (order.get("id"), order.get("go"))
        if answer is None:
            return
        try:
            record["serial"] = await self.world.serial_of(name, order)
        except Refused as exc:
            await self._report(name, {**record, "state": "refused", "reason": f"{exc.reason}: {exc}"})
            return
        await self._report(name, {**record, "state": "accepted", "reason": ""})
        now = int(time.time())
        done = {"state": "proved", "reason": "", "committed_at": now} if "state" not in answer else {}
        await self._report(name, {**record, **done, **answer})

    async def _report(self, name: str, record: dict) -> None:
        """Until the hub has it."""
        payload = json.dumps({"rootwave": {"agent": "light", name: {"at": int(time.time()), **record}}}).encode()
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

    async def serial_of(self, name: str, order: dict) -> int:
        """Verified as on a device, by openssl; once for all devices that got the same bytes. Raises Refused."""
        data = orders.assemble(order)
        if order["id"] not in self._known:
            self._known[order["id"]] = asyncio.ensure_future(asyncio.to_thread(self._verify, data))
        phase = await self._known[order["id"]]
        if phase is not None and phase.phase != name:
            raise Refused("phase", f"the order under {name} is signed for phase {phase.phase}")
        return phase.serial if phase else 0

    def _verify(self, data: bytes):
        return orders.verify_phase(data, self.keys) if self.keys else None


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


# The half of MQTT 3.1.1 that the hub's codec does not have: what a client sends, and what a server sends read.


def connect(client_id: str, username: str, password: str) -> bytes:
    """CONNECT with a clean session and without keep-alive (3.1)."""
    return packet(0x10, text("MQTT") + bytes([4, 0xC2, 0, 0]) + text(client_id) + text(username) + text(password))


def subscribe(packet_id: int, filters) -> bytes:
    return packet(0x82, packet_id.to_bytes(2, "big") + b"".join(text(name) + b"\0" for name in filters))


def text(value: str) -> bytes:
    data = value.encode()
    return len(data).to_bytes(2, "big") + data


def packet(first: int, body: bytes) -> bytes:
    length, encoded = len(body), bytearray()
    while True:
        length, byte = divmod(length, 128)
        encoded.append(byte | (0x80 if length else 0))
        if not length:
            return bytes([first]) + bytes(encoded) + body


async def read_packet(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """(first byte, body)."""
    first, length, shift = (await reader.readexactly(1))[0], 0, 0
    while True:
        byte = (await reader.readexactly(1))[0]
        length |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return first, await reader.readexactly(length)


def published(first: int, body: bytes) -> tuple[str, bytes, int | None]:
    """(topic, payload, packet id at QoS 1)."""
    end = 2 + int.from_bytes(body[:2], "big")
    qos = (first >> 1) & 3
    packet_id = int.from_bytes(body[end : end + 2], "big") if qos else None
    return body[2:end].decode(), body[end + (2 if qos else 0) :], packet_id


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
