# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet's patches on one unit of S1: within the quota, beside a client that eats it, and when time is up.

How long it takes is the bench's to say (tests/bench/hub.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import aiohttp
import pytest
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub import errors
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub.connect import connect
from azure.iot.hub import IoTHubRegistryManager
from azure.iot.hub.models import QuerySpecification

from lab.hub import sas
from lab.hub_config import HUB
from tests.hub.ansible_run import module
from tests.hub.lab_hub import LabHub
from tests.hub.test_service_sdk import wait_for

FLEET, BESIDE, WORKERS = 2000, 100, 8
BUDGET = 60  # seconds
GREEDY = 200  # calls at a time: a second's worth at once and two seconds' queue of S1 are 150


@pytest.fixture(scope="module")
def small_hub(tmp_path_factory):
    """S1 with one unit, as the lab's configuration has it, for this file alone."""
    hub = LabHub(tmp_path_factory.mktemp("small-hub"))
    hub.start()
    yield hub
    hub.stop()


@pytest.fixture
def small(small_hub, monkeypatch):
    for name, value in small_hub.environment.items():
        monkeypatch.setenv(name, value)
    for name in ("https_proxy", "http_proxy", "no_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    yield small_hub
    small_hub.clear()


def port_of(hub: LabHub, budget: float = BUDGET):
    who = {"connection_string": hub.connection_string, "implementation": "auto"}
    return connect({**who, "sku": "S1", "units": 1, "timeout": 30, "time_budget": budget})


def fleet(hub: LabHub, prefix: str, count: int) -> list[str]:
    names = [f"{prefix}-{number:04}" for number in range(count)]
    hub.seed({name: {} for name in names})
    return names


def order(port, name: str) -> float:
    """Seconds that one patch took in all."""
    started = time.monotonic()
    port.patch_twin(name, {"properties": {"desired": {"order": name}}})
    return time.monotonic() - started


def applied(hub: LabHub, prefix: str) -> dict[str, tuple]:
    """{device: (order, version of the desired properties)} as the vendor's SDK reads it; every change is a version."""
    registry = IoTHubRegistryManager.from_connection_string(hub.connection_string)
    wanted = "deviceId, properties.desired.order, properties.desired.$version"
    text = f"SELECT {wanted} FROM devices WHERE STARTSWITH(deviceId, '{prefix}-')"
    found, after = [], None
    while True:
        page = registry.query_iot_hub(QuerySpecification(query=text), after, 1000)
        found += [item.additional_properties | {"deviceId": item.device_id} for item in page.items]
        after = page.continuation_token
        if not after:
            return {row["deviceId"]: (row.get("order"), row["$version"]) for row in found}


def test_a_fleet_within_the_quota(small):
    names, port = fleet(small, "fleet", FLEET), port_of(small)
    before = small.ask("throttled")[HUB]
    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(lambda name: order(port, name), names))
    refused = small.ask("throttled")[HUB] - before
    assert refused == port.throttled < 0.01 * (FLEET + refused)
    assert applied(small, "fleet") == {name: (name, 2) for name in names}  # a new twin's version is 1


class Greedy:
    """A foreign client that knows no quota: as many calls at a time as it takes to fill the hub's queue."""

    def __init__(self, hub: LabHub) -> None:
        self._hub, self._url = hub, f"https://{HUB}/twins/{hub.device('greedy')[0]}?api-version=2021-04-12"
        self._over = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._eat(),))

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_exception) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()
        self._loop.close()

    async def _eat(self) -> None:
        key = self._hub.config["hubs"][0]["policies"]["iothubowner"]
        headers = {"Authorization": sas.sign(HUB, key, 600) + "&skn=iothubowner"}
        connector = aiohttp.TCPConnector(limit=0, ssl=ssl.create_default_context(cafile=self._hub.ca_file))
        async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
            await asyncio.gather(*(self._one(session) for _each in range(GREEDY)))

    async def _one(self, session: aiohttp.ClientSession) -> None:
        proxy = "http://{}:{}".format(*self._hub.proxy)
        while not self._over.is_set():
            async with session.patch(self._url, json={"tags": {"mine": True}}, proxy=proxy) as answer:
                refused = answer.status == 429
            if refused:  # it is impatient, but no attack on this machine's CPU
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._over.wait(), 1)


def test_beside_a_greedy_client(small):
    """It eats the quota, and a stretch of our own calls is refused too: all of them wait, none is lost."""
    names, port = fleet(small, "beside", BESIDE), port_of(small)
    small.fault("status", status=429, path="^/twins/beside-", after=2, count=4)
    before = small.ask("throttled")[HUB]
    with ThreadPoolExecutor(WORKERS) as pool:
        with Greedy(small):
            wait_for(lambda: small.ask("throttled")[HUB], lambda refused: refused > before)
            running = pool.map(lambda name: order(port, name), names)
            wait_for(lambda: port.throttled, lambda throttled: throttled >= 4)
        seconds = list(running)
    assert max(seconds) < BUDGET
    assert applied(small, "beside") == {name: (name, 2) for name in names}


def test_when_time_is_up(small):
    """As above, with a budget that no waiting fits into: the hub's own word stands, and what to do about it."""
    name = small.device("late-1")[0]
    small.fault("status", status=429, path=f"^/twins/{name}")
    with pytest.raises(errors.HubThrottled, match="429 ThrottlingException") as caught:
        order(port_of(small, budget=2), name)
    assert caught.value.again and "quota is used up" in caught.value.advice and "add units" in caught.value.advice
    ran = module(small, "hub_twin", {"hub": HUB, "device_id": name, "tags": {"a": 1}, "time_budget": 2})
    assert ran.code != 0, ran.output
    assert "Wait 10 seconds" in ran.result["msg"] and "quota is used up; wait, call less often, or add units" in ran.result["msg"]
    assert applied(small, "late") == {name: (None, 1)}
    small.clear()
    assert order(port_of(small, budget=2), name) < 2
    assert applied(small, "late") == {name: (name, 2)}
