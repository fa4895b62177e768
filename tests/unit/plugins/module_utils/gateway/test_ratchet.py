# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time and replay: what an old order can still do on a device, after a reboot and with any clock."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from ansible_collections.rootwave.iot.plugins.module_utils.gateway import order
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.order import Ratchet, Refused, check_time

from .people import BEGINS, EXPIRES, ISSUED, payload_of

PACKAGE = os.path.dirname(os.path.abspath(order.__file__))
IN_1970, IN_2090 = 86400, 3786912000


def phase(**changes):
    return order.phase_of(payload_of(**changes))


def reason_of(call, *args):
    with pytest.raises(Refused) as caught:
        call(*args)
    return caught.value.reason


@pytest.mark.parametrize("now", [BEGINS, BEGINS + 1, EXPIRES])
def test_in_time(now):
    assert check_time(phase(), now, 0) is True
    assert check_time(phase(), now, ISSUED) is True


@pytest.mark.parametrize("now", [ISSUED, BEGINS - 1])
def test_too_early(now):
    assert reason_of(check_time, phase(), now, 0) == "not-before"


@pytest.mark.parametrize("now", [EXPIRES + 1, IN_2090])
def test_too_late(now):
    assert reason_of(check_time, phase(), now, 0) == "expired"


@pytest.mark.parametrize("now", [IN_1970, ISSUED - 1])
def test_a_clock_before_it_was_issued_cannot_be_believed(now):
    """No refusal here: reconcile refuses for the clock, which the device can report as such."""
    assert check_time(phase(), now, 0) is False


def test_what_was_carried_out_later_is_a_floor():
    later = ISSUED + 86400
    assert check_time(phase(), later - 1, later) is False
    assert check_time(phase(), later, later) is True


@pytest.mark.parametrize("now", [IN_1970, BEGINS])
def test_a_clock_set_back_does_not_bring_back_what_has_expired(now):
    assert reason_of(check_time, phase(), now, EXPIRES + 1) == "expired"


def test_serials_only_grow(tmp_path):
    ratchet = Ratchet(str(tmp_path))
    assert ratchet.floor == 0
    ratchet.check(phase(serial=3))
    assert not (tmp_path / "ratchet.json").exists()  # looking moves nothing
    ratchet.advance(phase(serial=7))
    ratchet.check(phase(serial=8))
    ratchet.check(phase(serial=7))
    assert reason_of(ratchet.check, phase(serial=6)) == "serial"
    assert reason_of(ratchet.advance, phase(serial=6)) == "serial"
    ratchet.advance(phase(serial=7))
    ratchet.advance(phase(serial=8))
    assert reason_of(ratchet.check, phase(serial=7)) == "serial"


def test_the_same_serial_with_other_bytes(tmp_path):
    ratchet = Ratchet(str(tmp_path))
    ratchet.advance(phase())
    assert reason_of(ratchet.check, phase(expires=EXPIRES + 1)) == "serial"
    assert reason_of(ratchet.check, order.phase_of(payload_of() + b" ")) == "serial"


def test_the_file_is_as_the_contract_says(tmp_path):
    Ratchet(str(tmp_path)).advance(phase())
    document = json.loads((tmp_path / "ratchet.json").read_text())
    assert document == {"serial": 7, "payload": phase().payload_sha256, "issued": ISSUED}
    assert (tmp_path / "ratchet.json").stat().st_mode & 0o777 == 0o600


def test_the_floor_never_sinks(tmp_path):
    """Serials grow, but somebody's clock at the signing was behind."""
    ratchet = Ratchet(str(tmp_path))
    ratchet.advance(phase(issued=ISSUED + 1000))
    ratchet.advance(phase(serial=8, issued=ISSUED))
    assert ratchet.floor == ISSUED + 1000


REPLAY = """
import sys
from gateway.order import Ratchet, Refused, phase_of
try:
    Ratchet(sys.argv[1]).check(phase_of(sys.stdin.buffer.read()))
except Refused as exc:
    print(exc.reason)
else:
    print("believed")
"""


def fresh_process(state_dir, payload):
    """As after a reboot: another Python, which knows only what is on disk."""
    argv = [sys.executable, "-c", REPLAY, str(state_dir)]
    env = {"PYTHONPATH": os.path.dirname(PACKAGE), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(argv, input=payload, stdout=subprocess.PIPE, check=True, env=env)
    return done.stdout.decode().strip()


def test_a_replay_after_a_reboot(tmp_path):
    assert fresh_process(tmp_path, payload_of(serial=6)) == "believed"
    Ratchet(str(tmp_path)).advance(phase())
    assert fresh_process(tmp_path, payload_of(serial=6)) == "serial"
    assert fresh_process(tmp_path, payload_of()) == "believed"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty, as a power cut without fsync leaves it"),
        pytest.param("\0" * 100, id="zeros"),
        pytest.param('{"serial": 7', id="half"),
        pytest.param("[]", id="a list"),
        pytest.param("{}", id="nothing in it"),
        pytest.param('{"serial": "7", "payload": "%s", "issued": 1}' % ("0" * 64), id="serial that is text"),
        pytest.param('{"serial": -1, "payload": "%s", "issued": 1}' % ("0" * 64), id="serial below 0"),
        pytest.param('{"serial": 7, "payload": "x", "issued": 1}', id="no digest"),
        pytest.param('{"serial": 7, "payload": "%s", "issued": true}' % ("0" * 64), id="issued that is a boolean"),
        pytest.param(" " * 5000, id="too long"),
    ],
)
def test_a_damaged_file_is_refused_and_left_as_it_is(tmp_path, text):
    (tmp_path / "ratchet.json").write_text(text)
    ratchet = Ratchet(str(tmp_path))
    assert reason_of(ratchet.check, phase(serial=9)) == "ratchet"
    assert reason_of(ratchet.advance, phase(serial=9)) == "ratchet"
    assert reason_of(lambda: ratchet.floor) == "ratchet"
    assert (tmp_path / "ratchet.json").read_text() == text
