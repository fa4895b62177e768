# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a device does not believe, one case of each kind: refused, nothing touched, the ratchet where it was."""

from __future__ import annotations

import os
import time

import pytest

from agent import config, orders, records, worker
from tests.unit.agent.device import Device, document, staged
from tests.unit.agent.signing import DAY, Signer
from tests.unit.plugins.module_utils.gateway.debian_gateway import NEW


@pytest.fixture
def device(tmp_path):
    return Device(tmp_path)


def stranger(device):
    device.signer = Signer()
    device.order("stage", 1)


def one_of_two(device):
    device.install(Signer(count=2))
    two = Signer(count=2)
    device.install(two)
    device.signer, two.keys = two, two.keys[:1]
    device.order("stage", 1)


def wrong_fleet(device):
    other = Signer("other")
    other.keys = device.signer.keys
    device.section["stage"] = other.phase(document("stage"), 1)


def other_configured_fleet(device):
    device.config = config.Config("other", "hub.example", "gw", state_dir=device.gateway.state_dir)
    device.order("stage", 1)


def wrong_digest(device):
    device.order("stage", 1, payload={"digest": "1" * 64})


def under_another_name(device):
    device.section["stage"] = device.signer.phase(document("retire"), 1)


def damaged(device):
    device.order("stage", 1)
    device.section["stage"]["c0"] = "AAAA" + device.section["stage"]["c0"][4:]


def chunk_missing(device):
    device.order("stage", 1)
    del device.section["stage"]["c1"]


def expired(device):
    device.order("stage", 1, payload={"issued": 1, "not_before": 1, "expires": int(time.time()) - 10})


def in_2090(device):
    device.order("stage", 1)
    device.gateway.offset = 64 * 365 * DAY


def not_an_order(device):
    device.section["stage"] = ["c0"]


def no_keys(device):
    device.order("stage", 1)
    os.unlink(device.config.path("keys.json"))


def keys_of_somebody_else(device):
    device.order("stage", 1)
    os.chmod(device.config.path("keys.json"), 0o666)


def replayed(device):
    staged(device)
    device.order("stage", 5)
    device.do()
    device.order("stage", 4)


def same_serial_other_bytes(device):
    staged(device)
    device.order("stage", 1, confirm_within=61)


def path_trick(device):
    device.order("stage", 1, present=[{**NEW, "name": "../../etc/passwd"}])


@pytest.mark.parametrize(
    "make, reason",
    [
        (stranger, "unsigned"),
        (one_of_two, "threshold"),
        (wrong_fleet, "fleet"),
        (other_configured_fleet, "fleet"),
        (wrong_digest, "content"),
        (under_another_name, "phase"),
        (damaged, "damaged"),
        (chunk_missing, "damaged"),
        (expired, "expired"),
        (in_2090, "expired"),
        (not_an_order, "damaged"),
        (no_keys, "keys"),
        (keys_of_somebody_else, "keys"),
        (replayed, "serial"),
        (same_serial_other_bytes, "serial"),
        (path_trick, "content"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_what_is_not_believed(device, make, reason):
    make(device)
    before, ratchet = device.gateway.snapshot(), device.ratchet()
    record = device.do()["stage"]
    assert (record["state"], record["reason"].split(":")[0]) == ("refused", reason)
    assert (device.gateway.snapshot(), device.ratchet()) == (before, ratchet)
    assert not orders.due(device.section, records.load(device.config.state_dir))  # refused once, not for ever


def test_clock_in_1970(device):
    """Plainly wrong, so whether it expired cannot be judged: nothing is changed until it is right, and then it goes by itself."""
    device.order("stage", 1)
    before = device.gateway.snapshot()
    device.gateway.offset = -time.time() + 1000
    said = set()
    for _each in range(worker.TRIES_MOST + 1):
        record = device.do()["stage"]
        assert (record["state"], record["reason"].split(":")[0], record["tries"]) == ("accepted", "clock", 0)
        said.add((record["reason"], record["at"]))
        device.gateway.offset += 100
    assert len(said) == 1  # another number of seconds would be another message to the hub
    assert (device.ratchet(), device.gateway.snapshot()) == (None, before)
    device.gateway.offset = 0
    assert device.do()["stage"]["state"] == "proved"


def test_clock_in_1970_makes_no_expired_order_good(device):
    device.order("stage", 1, payload={"issued": 1000, "not_before": 1000, "expires": 2000})
    device.gateway.offset = -time.time() + 500
    assert device.do()["stage"]["state"] == "accepted"
    device.gateway.offset = 0
    assert device.do()["stage"]["reason"].startswith("expired")


def test_not_before_waits(device):
    soon = int(time.time()) + 1000
    device.order("stage", 1, payload={"not_before": soon})
    record = device.do()["stage"]
    assert (record["state"], record["wait_until"]) == ("accepted", soon)
    device.gateway.offset = 1001
    # by the real clock it is not time yet; the gateway's own is what counts
    assert device.do()["stage"]["state"] == "proved"


def test_order_with_openssl_missing(device, monkeypatch, tmp_path):
    monkeypatch.setattr("gateway.processes.PATH", str(tmp_path))
    device.order("stage", 1)
    assert device.do()["stage"]["reason"].startswith("openssl")
