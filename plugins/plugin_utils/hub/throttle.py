# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. A hub's quota as a budget: calls are spaced, 429 is waited out, safe calls are repeated.

Around any HubService. Rates: azure-docs iot-hub-devguide-quotas-throttling. A real 429 says "Wait 10 seconds" and no Retry-After.
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable
from typing import Any

from .errors import HubError, HubThrottled
from .service import HubService

BACKOFF, BACKOFF_MOST = 10.0, 60.0  # seconds after a 429
RETRY, RETRY_MOST = 1.0, 30.0  # seconds after a 5xx or a lost connection
# Of the quota. Devices share reads and writes of twins; whoever else asks queries makes a 429, which is waited out
HEADROOM, ALONE = 0.95, 0.995


def rates(sku: str, units: int) -> dict[str, float]:
    """Calls per second by kind for a tier (F1, S1, S2, S3; B1 to B3 alike) with so many units."""
    tier = f"S{sku[1:]}" if sku[:1] in ("S", "B") else "S1"
    if tier == "S3":
        by_unit = {"read": 500, "write": 250, "query": 1000 / 60, "job": 5000 / 60, "registry": 5000 / 60, "method": 6144}
        return {**{kind: rate * units for kind, rate in by_unit.items()}, "configuration": 20 / 60 * units}
    second = tier == "S2"
    return {
        "read": max(100, 10 * units) if second else 100,
        "write": max(50, 5 * units) if second else 50,
        "query": 20 / 60 * units,
        "job": 100 / 60 * units,
        "registry": 100 / 60 * units,
        "method": (120 if second else 40) * units,
        "configuration": 20 / 60 * units,
    }


class Bucket:
    """Spaces calls evenly: no burst, because a burst is what a hub's shaping queue answers with 429."""

    def __init__(self, rate: float, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self.rate, self._full, self._clock, self._sleep = rate, rate, clock, sleep
        self._next = clock()
        self._lock = threading.Lock()

    def take(self, until: float) -> bool:
        """Wait for one's turn; False at once, and no turn is used up, when it would come after ``until``."""
        with self._lock:
            now = self._clock()
            turn = max(self._next, now)
            if turn > until:
                return False
            self._next = turn + 1 / self.rate
        if turn > now:
            self._sleep(turn - now)
        return True

    def pause(self, seconds: float) -> None:
        """Nobody's turn comes before so many seconds are over."""
        with self._lock:
            self._next = max(self._next, self._clock() + seconds)

    def slow_down(self) -> None:
        """After a 429: somebody else uses this quota too. Never below a tenth, or one bad minute would last for hours."""
        self.rate = max(0.9 * self.rate, self._full / 10)

    def speed_up(self) -> None:
        """After each call that went well."""
        self.rate = min(1.005 * self.rate, self._full)


class ThrottledHub(HubService):
    """``budget`` is the seconds that one call may take in all; then its last error stands."""

    def __init__(self, inner: HubService, sku: str, units: int, budget: float, clock=time.monotonic, sleep=time.sleep) -> None:
        self.inner, self.host, self._budget = inner, inner.host, budget
        self._clock, self._sleep = clock, sleep
        self.rates = {kind: rate * (ALONE if kind == "query" else HEADROOM) for kind, rate in rates(sku, units).items()}
        self._buckets = {kind: Bucket(rate, clock, sleep) for kind, rate in self.rates.items()}
        self.throttled = 0  # answers with 429, for who measures

    def eta(self, kind: str, calls: int) -> float:
        """Seconds that so many calls take at the least."""
        return math.ceil(calls / self._buckets[kind].rate)

    def get_twin(self, device, module=None):
        return self._run("read", self.inner.get_twin, device, module)

    # A merge patch is the same applied once or twice; one guarded by an ETag fails the second time, and its caller reads again
    def patch_twin(self, device, patch, etag="*", module=None):
        return self._run("write", self.inner.patch_twin, device, patch, etag, module)

    def replace_twin(self, device, twin, etag="*", module=None):
        return self._run("write", self.inner.replace_twin, device, twin, etag, module)

    def query_page(self, text, size=100, continuation=None):
        return self._run("query", self.inner.query_page, text, size, continuation)

    def get_identity(self, device, module=None):
        return self._run("registry", self.inner.get_identity, device, module)

    # Creating is not asked again: the first try may have made it, and the second would say that it exists
    def put_identity(self, device, document, etag=None, module=None):
        return self._run("registry", self.inner.put_identity, device, document, etag, module, again=etag is not None)

    def delete_identity(self, device, etag="*", module=None):
        return self._run("registry", self.inner.delete_identity, device, etag, module, again=False)

    def list_modules(self, device):
        return self._run("registry", self.inner.list_modules, device)

    def invoke_method(self, device, name, payload, response_timeout=30, connect_timeout=0, module=None):
        """Never asked again after an answer that leaves open whether the device acted; after 429 it has not."""
        arguments = (device, name, payload, response_timeout, connect_timeout, module)
        return self._run("method", self.inner.invoke_method, *arguments, again=False)

    def create_job(self, job, document):
        return self._run("job", self.inner.create_job, job, document, again=False)

    def get_job(self, job):
        return self._run("job", self.inner.get_job, job)

    def cancel_job(self, job):
        return self._run("job", self.inner.cancel_job, job, again=False)

    def get_configuration(self, name):
        return self._run("configuration", self.inner.get_configuration, name)

    def put_configuration(self, name, document, etag=None):
        return self._run("configuration", self.inner.put_configuration, name, document, etag, again=etag is not None)

    def delete_configuration(self, name, etag="*"):
        return self._run("configuration", self.inner.delete_configuration, name, etag, again=False)

    def list_configurations(self):
        return self._run("configuration", self.inner.list_configurations)

    def test_configuration(self, target_condition, metric_queries):
        return self._run("configuration", self.inner.test_configuration, target_condition, metric_queries)

    def registry_statistics(self):
        return self._run("registry", self.inner.registry_statistics)

    def service_statistics(self):
        return self._run("registry", self.inner.service_statistics)

    def _run(self, kind: str, call: Callable[..., Any], *arguments, again: bool = True) -> Any:
        end, bucket, tries = self._clock() + self._budget, self._buckets[kind], 0
        while True:
            if not bucket.take(end):  # others were refused, and all wait for the quota together
                message = f"{call.__name__} of {self.host}: the hub's quota leaves no turn within {self._budget:.0f} s"
                raise HubThrottled(message, 429, "ThrottlingException")
            try:
                answer = call(*arguments)
                bucket.speed_up()
                return answer
            except HubError as exc:
                tries += 1
                wait = self._wait(exc, bucket, tries, again)
                if wait is None or self._clock() + wait > end:
                    raise
            self._sleep(wait)

    def _wait(self, error: HubError, bucket: Bucket, tries: int, again: bool) -> float | None:
        """Seconds until the next try, None for never."""
        jitter = random.uniform(1.0, 1.5)
        if isinstance(error, HubThrottled):
            if error.code == "ThrottlingMaxActiveJobCountExceeded":
                return None
            self.throttled += 1
            wait = min(BACKOFF_MOST, BACKOFF * 2 ** (tries - 1)) * jitter
            bucket.slow_down()
            bucket.pause(wait)  # the others that share this quota must not run into it one by one
            return wait
        if not (again and error.again):
            return None
        return min(RETRY_MOST, RETRY * 2 ** (tries - 1)) * jitter


__all__ = ("Bucket", "ThrottledHub", "rates")
