# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The quota as a budget, on a clock of our own: nothing here waits."""

from __future__ import annotations

import pytest
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub import errors
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub.throttle import HEADROOM, ThrottledHub, rates

from lab.hub.errors import HubError as LabError
from lab.hub.throttle import Throttle


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def given(answer: dict | Exception) -> dict:
    match answer:
        case Exception() as error:
            raise error
        case _:
            return answer


class Script:
    """A hub that answers as written: exceptions are raised, everything else is given."""

    host = "hub"

    def __init__(self, *answers) -> None:
        self.answers, self.calls = list(answers), 0

    def __getattr__(self, name: str):
        def call(*_arguments):
            self.calls += 1
            return given(self.answers.pop(0) if self.answers else {})

        return call


def failing(status: int, code: str = "") -> errors.HubError:
    return errors.from_answer("a call", status, {"iothub-errorcode": code} if code else {}, "")


def throttled(*answers, budget: float = 600, sku: str = "S1", units: int = 1):
    clock, script = Clock(), Script(*answers)
    return ThrottledHub(script, sku, units, budget, clock, clock.sleep), script, clock  # type: ignore[arg-type]


@pytest.mark.parametrize("sku, units, kind, rate", [("S1", 1, "write", 50), ("S2", 20, "write", 100), ("S3", 2, "write", 500)])
def test_rates(sku, units, kind, rate):
    assert rates(sku, units)[kind] == rate


def test_rates_are_the_labs():
    """Two readings of one page must agree; the lab's was made for the hub's side."""
    names = {"read": "twin-read", "write": "twin-write", "method": "method", "query": "query", "job": "job"}
    for sku, units in (("S1", 1), ("S1", 4), ("S2", 1), ("S2", 30), ("S3", 1), ("S3", 4)):
        ours, theirs = rates(sku, units), Throttle(sku, units).rates
        assert {kind: ours[kind] for kind in names} == {kind: theirs[name] for kind, name in names.items()}


def test_two_thousand_patches_within_the_quota():
    """Against the lab's own throttle on the same clock: no 429 at all, and little time lost."""
    hub, script, clock = throttled()
    quota = Throttle("S1", 1, clock)

    def patch(*_arguments):
        try:
            clock.sleep(quota.take("twin-write"))
        except LabError as exc:
            raise failing(exc.status) from exc
        return {}

    script.patch_twin = patch  # type: ignore[attr-defined]
    for number in range(2000):
        hub.patch_twin(str(number), {})
    assert hub.throttled == 0 and quota.refused == 0
    assert clock.now <= 1.1 * 2000 / 50
    assert hub.eta("write", 2000) == pytest.approx(2000 / (50 * HEADROOM), abs=1)


def test_429_is_waited_out():
    hub, script, clock = throttled(failing(429), failing(429), {"deviceId": "one"})
    assert hub.get_twin("one") == {"deviceId": "one"}
    assert script.calls == 3 and hub.throttled == 2
    assert 10 + 20 <= clock.now <= (10 + 20) * 1.5 * 2


def test_budget_ends_it():
    hub, script, clock = throttled(*[failing(429)] * 50, budget=100)
    with pytest.raises(errors.HubThrottled):
        hub.get_twin("one")
    assert clock.now <= 100 and 1 < script.calls < 10


def test_waiting_behind_anothers_429_is_part_of_the_budget():
    hub, script, clock = throttled(failing(429), budget=2)
    for _each in range(2):
        with pytest.raises(errors.HubThrottled):
            hub.get_twin("one")
    assert script.calls == 1 and clock.now <= 2
    clock.sleep(15)  # the pause is over
    assert hub.get_twin("one") == {} and script.calls == 2


@pytest.mark.parametrize("error", [failing(500), failing(503), errors.HubUnreachable("lost", "look", sent=True)])
def test_safe_calls_are_repeated(error):
    hub, script, _clock = throttled(error, {})
    hub.patch_twin("one", {})
    assert script.calls == 2


@pytest.mark.parametrize(
    "error", [failing(500), failing(504, "GatewayTimeout"), failing(503), errors.HubUnreachable("lost", "look", sent=True)]
)
def test_a_direct_method_is_not(error):
    """The device may have acted."""
    hub, script, _clock = throttled(error, {})
    with pytest.raises(errors.HubError):
        hub.invoke_method("one", "reboot", {})
    assert script.calls == 1


def test_a_direct_method_after_429_is():
    """The hub refused it before the device heard of it."""
    hub, script, _clock = throttled(failing(429), {"status": 200})
    assert hub.invoke_method("one", "reboot", {}) == {"status": 200}
    assert script.calls == 2


@pytest.mark.parametrize("error", [failing(400), failing(401), failing(404), failing(412), errors.HubUnreachable("no", "look")])
def test_what_will_not_get_better(error):
    hub, script, _clock = throttled(error, {})
    with pytest.raises(errors.HubError):
        hub.get_twin("one")
    assert script.calls == 1


def test_another_job_is_active():
    hub, script, _clock = throttled(failing(429, "ThrottlingMaxActiveJobCountExceeded"))
    with pytest.raises(errors.HubThrottled, match="Max"):
        hub.create_job("one", {})
    assert script.calls == 1
