# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a device reported -> the word that a gate counts, and how long it has held by which clock."""

from __future__ import annotations

import pytest
from ansible_collections.rootwave.iot.plugins.plugin_utils.evidence import Asked
from ansible_collections.rootwave.iot.plugins.plugin_utils.host_devices import devices_of
from ansible_collections.rootwave.iot.plugins.plugin_utils.order_state import Report, Step
from ansible_collections.rootwave.iot.plugins.plugin_utils.twin_evidence import Clock, evidence_by_host
from ansible_collections.rootwave.iot.plugins.plugin_utils.twin_reports import Seen

NOW = 1_764_000_000.0
ASKED = Asked("d" * 64, "stage", None, ("endpoint-dns",))


def proved(committed_at=NOW - 500, at=NOW - 500, hub_at=NOW - 499):
    return Seen(Step("proved"), Report("a" * 64, 1, 7, "proved", "", at, committed_at), hub_at)


def evidence(seen, clock=None):
    found = {} if seen is None else {"device-1": seen}
    return evidence_by_host({"host-1": "device-1"}, found, ASKED, clock or Clock(NOW, NOW - 10_000))[0]


@pytest.mark.parametrize(
    "seen, word",
    [
        (proved(), "done"),
        (Seen(Step("refused", "endpoint-dns: no")), "refused"),  # a text is no list of blockers, whatever the campaign accepts
        (Seen(Step("failed", "disk full")), "failed"),
        (Seen(Step("reverted", "no new session")), "failed"),
        (Seen(Step("waiting", "no report of this order")), "silent"),
        (Seen(Step("waiting", "it says accepted")), "silent"),
        (Seen(Step("not ordered", "its twin does not hold the order")), "silent"),
        (Seen(Step("missing", "the hub does not know it")), "unreachable"),
        (None, "silent"),
    ],
)
def test_words(seen, word):
    assert (evidence(seen).host, evidence(seen).word) == ("host-1", word)


@pytest.mark.parametrize(
    "seen, floor, held",
    [
        (proved(), NOW - 10_000, 500),
        (proved(), NOW - 100, 100),  # sent 100 s ago: nothing can have been committed before
        (proved(committed_at=NOW - 90_000), NOW - 400, 400),  # it held already when it was asked
        (proved(committed_at=NOW - 7500, at=NOW - 7500), NOW - 10_000, 499),  # two hours slow: since the hub heard of it
        (proved(committed_at=NOW + 7000, at=NOW + 7000), NOW - 10_000, 499),  # two hours fast
        (proved(committed_at=NOW + 7000, at=NOW + 7000, hub_at=None), NOW - 10_000, 0),  # first seen now
        (proved(committed_at=None, hub_at=None), NOW - 10_000, 0),
    ],
)
def test_how_long_it_held(seen, floor, held):
    assert evidence(seen, Clock(NOW, floor)).held == held


def test_first_sight_stays_first():
    first: dict[str, float] = {}
    seen = proved(committed_at=NOW + 7000, at=NOW + 7000, hub_at=None)
    assert evidence(seen, Clock(NOW, 0, first)).held == 0
    assert evidence(seen, Clock(NOW + 60, 0, first)).held == 60


def test_a_reason_is_one_line_of_text():
    one = evidence(Seen(Step("refused", "\x1b[2J{{ 1/0 }}\n" * 500)))
    assert one.reason.isprintable() and len(one.reason) <= 500


def test_devices_by_host():
    hostvars = {"a": {"rootwave_device_id": "device-a"}, "b": {}, "c": {"rootwave_device_id": "b"}}
    assert devices_of(["a", "b"], hostvars) == {"a": "device-a", "b": "b"}
    with pytest.raises(Exception, match="c and b are one device, b"):
        devices_of(["b", "c"], hostvars)
