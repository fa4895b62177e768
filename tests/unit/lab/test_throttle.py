# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Expected rates: azure-docs iot-hub-devguide-quotas-throttling."""

from __future__ import annotations

import pytest

from lab.hub.errors import HubError
from lab.hub.throttle import QUEUE, Throttle, rates


@pytest.mark.parametrize(
    "sku, units, kind, by_second",
    [
        ("S1", 1, "twin-write", 50),
        ("S1", 4, "twin-write", 50),
        ("F1", 1, "twin-read", 100),
        ("S2", 20, "twin-write", 100),
        ("S2", 2, "twin-write", 50),
        ("S3", 2, "twin-write", 500),
        ("S3", 4, "query", 4000 / 60),
        ("S1", 2, "query", 40 / 60),
        ("S1", 1, "job-device", 10),
        ("S3", 1, "connect", 6000),
    ],
)
def test_rates(sku, units, kind, by_second):
    assert rates(sku, units)[kind] == pytest.approx(by_second)


def spend(throttle: Throttle, kind: str, now: list[float], seconds: float) -> tuple[int, int]:
    """A caller that calls again as soon as it is answered, and waits a tenth of a second after a refusal."""
    served = refused = 0
    end = now[0] + seconds
    while now[0] < end:
        try:
            now[0] += throttle.take(kind)
            served += 1
        except HubError as exc:
            assert exc.status == 429
            refused += 1
            now[0] += 0.1
    return served, refused


def test_one_caller_gets_the_rate_and_no_refusal():
    now = [0.0]
    throttle = Throttle("S1", 1, lambda: now[0])
    served, refused = spend(throttle, "twin-write", now, 60)
    assert 50 * 60 <= served <= 50 * 62
    assert refused == throttle.refused == 0


def test_a_storm_is_refused():
    """Calls that do not wait for their answers: one second's worth, then the queue, then 429."""
    throttle = Throttle("S1", 1, lambda: 0.0)
    for _each in range(50 + int(50 * QUEUE)):
        throttle.take("twin-write")
    with pytest.raises(HubError, match="Wait 10 seconds"):
        throttle.take("twin-write")
    assert throttle.take("twin-read") == 0
