# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner's arithmetic as a table, on paper up to a million devices. Expectations are worked out by hand from the quotas."""

from __future__ import annotations

import pytest
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub.errors import HubError
from ansible_collections.rootwave.iot.plugins.plugin_utils.order_plan import order_rate, plan, plan_fleet

# azure-docs iot-hub-devguide-quotas-throttling: twin updates 50/s on S1, max(50, 5 a unit) on S2, 250/s a unit on S3; each order
# is three of them, and a twentieth of the quota is left. Device operations of jobs: 10/s on S1, 50/s a unit on S3; twin reads
# 100/s on S1 and 500/s a unit on S3.


@pytest.mark.parametrize(
    "devices, sku, units, seconds",
    [
        (40, "S1", 1, 3),  # 40 x 3 / 47.5
        (10_000, "S1", 1, 632),  # 10,000 x 3 / 47.5
        (10_000, "S1", 20, 632),  # more units of S1 do not update more twins
        (10_000, "S2", 20, 316),  # 5 x 20 = 100/s
        (10_000, "S3", 1, 127),  # 30,000 / 237.5
        (10_000, "S3", 4, 32),
        (1_000_000, "S3", 10, 1264),  # one hub: 3,000,000 / 2375
        (0, "S1", 1, 0),
    ],
)
def test_direct(devices, sku, units, seconds):
    planned = plan(devices, sku, units, "module")
    assert (planned.via, planned.seconds) == ("direct", seconds)


@pytest.mark.parametrize(
    "hubs, seconds",
    [
        ([(100_000, "S1", 1)] * 10, 6316),  # ten small hubs: an hour and three quarters
        ([(250_000, "S3", 4)] * 4, 790),  # 750,000 / 950
        ([(900_000, "S3", 10), (100_000, "S1", 1)], 6316),  # the slowest hub is the fleet's end
        ([(500_000, "S3", 10), (500_000, "S2", 200)], 1579),  # 1,500,000 / 950
    ],
)
def test_a_million_devices_over_several_hubs(hubs, seconds):
    assert sum(devices for devices, _sku, _units in hubs) == 1_000_000
    assert plan_fleet(hubs, "module") == seconds


@pytest.mark.parametrize("sku, units", [("S1", 1), ("S2", 1), ("S2", 200), ("S3", 1), ("S3", 10)])
@pytest.mark.parametrize("share, via", [(1.0, "direct"), (0.8, "direct"), (0.3, "job")])
def test_the_sooner_way_for_device_twins(sku, units, share, via):
    """Every tier's jobs change a fifth of what its patches may; they win where the fleet needs the patches' quota for itself."""
    chosen = plan(10_000, sku, units, "inbox", share=share)
    forced = {way: plan(10_000, sku, units, "inbox", way, share).seconds for way in ("direct", "job")}
    assert chosen.via == via and chosen.seconds == min(forced.values())


def test_jobs_by_hand():
    assert plan(10_000, "S1", 1, "inbox", "job").seconds == 1000 + 106  # 10/s, after 10,000 reads at 95/s
    assert plan(10_000, "S3", 1, "inbox", "job").seconds == 200 + 22


def test_orders_and_answers_stay_within_the_quota():
    for sku, units, writes in (("S1", 1, 50), ("S3", 2, 500)):
        assert writes * 0.9 < order_rate(sku, units) * 3 < writes
    assert order_rate("S1", 1, 0.5) == order_rate("S1", 1) / 2


@pytest.mark.parametrize("front_end, via, share", [("module", "job", 1.0), ("inbox", "auto", 0.0), ("inbox", "auto", 1.5)])
def test_what_no_hub_does(front_end, via, share):
    with pytest.raises(HubError):
        plan(1, "S1", 1, front_end, via, share)
