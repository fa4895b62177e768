# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. What a gate asks the hub about a wave that goes through twins."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable

from . import connection_look, gate, order_file, twin_reports
from .evidence import SILENT, Asked, Evidence
from .host_devices import devices_of
from .hub.action import CONNECTION_STRING
from .hub.connect import ARGUMENTS, connect
from .hub.errors import HubError
from .order_delivery import MODULE
from .order_file import OrderFile
from .order_plan import FRONT_ENDS
from .order_state import WAITING
from .side_by_side import TELL_EVERY
from .twin_connections import BEFORE, WaveConnections
from .twin_evidence import FINAL, Clock, evidence_by_host

# The option ``twins`` of wave_gate; what is only of ordering is taken too, so that one variable serves both
TWINS: dict = {
    **ARGUMENTS,
    "orders": {"type": "dict", "default": {}},
    "fleet": {"type": "str"},
    "keys": {"type": "path"},
    "front_end": {"type": "str", "choices": list(FRONT_ENDS), "default": "module"},
    "module_id": {"type": "str", "default": MODULE},
    "fresh_reads_most": {"type": "int", "default": twin_reports.FRESH_READS_MOST},
    "connections": {"type": "dict", "options": connection_look.OPTIONS},
    "via": {"type": "str"},
    "write_share": {"type": "float"},
}
ORDERED = "twin_rollout_result"  # the register that the role fills
POLL = 2.0  # seconds between two looks at who is still silent


class TwinGate:
    """One wave of a run. ``hostvars`` has what the role registered for the host that stands for the wave."""

    def __init__(self, twins: dict | None, asked: Asked, wave: dict, hostvars, say: Callable[[str], None]) -> None:
        self._asked, self._wave, self._say = asked, wave, say
        self._order = order_for(twins, asked)
        self._twins = options_of(twins or {})
        self._devices = devices_of(wave["hosts"], hostvars)
        registered = hostvars[wave["hosts"][0]]
        ordered = registered.get(ORDERED) or {}
        sent = (ordered.get("counts") or {}).get("ordered")
        self._floor = max(float(self._order.issued), float(ordered["started_at"]) if sent else 0.0)
        self._first_seen: dict[str, float] = {}
        self._hub = connect(self._twins)
        self._module = self._twins["module_id"] if self._twins["front_end"] == "module" else None
        tail, options = f"/{self._module}" if self._module else "", self._twins["connections"]
        whos = {host: f"{device}{tail}" for host, device in self._devices.items()}
        looking = None if options is None else {**options, "timeout": self._twins["timeout"]}
        self.found: list[Evidence] = []  # what the last look saw
        self._connections = WaveConnections(self._hub, looking, whos, registered.get(BEFORE), say)

    def judge(self, policy: dict, soak: Callable[[dict, gate.Verdict], gate.Verdict] | None) -> gate.Verdict:
        """Silent devices have the time that a phase may take; after a soak all are asked again, for one may have gone back.

        Who is connected is looked at last. Raises HubError.
        """
        wait = policy["phase_timeout"] if self._wave["mode"] == "run" else 0.0
        found = self.look(policy, wait)
        verdict = gate.judge_wave(policy, found)
        if soak is not None and verdict.wait > 0:
            verdict = soak(policy, verdict)
            if verdict.verdict == gate.PASS:
                found = self.look(policy)
                verdict = gate.judge_wave(policy, found)
        return verdict if verdict.verdict != gate.PASS else self._connections.judge(policy, found, wait)

    def look(self, policy: dict, wait: float = 0.0) -> list[Evidence]:
        """What the devices say; while silence alone is in the way, look again for up to ``wait`` seconds. Raises HubError."""
        seen: dict[str, twin_reports.Seen] = {}
        told = time.monotonic()
        end = told + wait
        while True:
            asked_at = time.monotonic()
            left = [device for device in self._devices.values() if device not in seen or seen[device].step.state not in FINAL]
            seen |= self._read(left)
            found = evidence_by_host(self._devices, seen, self._asked, Clock(time.time(), self._floor, self._first_seen))
            silent = sum(one.word == SILENT for one in found)
            to_come = any(one.step.state == WAITING for one in seen.values())
            if not to_come or time.monotonic() >= end or gate.judge_wave(policy, found).verdict != gate.INCONCLUSIVE:
                self.found = found
                return found
            if time.monotonic() - told >= TELL_EVERY:
                told = time.monotonic()
                self._say(f"gate: {silent} of {len(found)} devices have not answered yet, {end - told:.0f} s to wait at the most")
            # as long as the reading took, for devices that read their own twins share that quota
            pause = max(POLL, time.monotonic() - asked_at)
            time.sleep(min(pause, max(0.0, end - time.monotonic())))

    def _read(self, devices: list[str]) -> dict[str, twin_reports.Seen]:
        most = self._twins["fresh_reads_most"]
        return twin_reports.read(self._hub, devices, self._module, self._order, most, time.time(), self._say)


def options_of(twins: dict) -> dict:
    """Plain values, for azure-iot-hub takes no texts of Ansible's own kinds; the connection string also from the environment."""
    plain = json.loads(json.dumps(twins))
    if not plain["hub"] and not plain["connection_string"]:
        plain["connection_string"] = os.environ.get(CONNECTION_STRING)
    return plain


def order_for(twins: dict | None, asked: Asked) -> OrderFile:
    """The order that a twin wave of this run is about; raises HubError that says what is missing."""
    paths = (twins or {}).get("orders") or {}
    if not twins or not paths.get(asked.phase) or not twins.get("fleet"):
        raise HubError(
            f"a wave goes through twins, so set rootwave_twins: hub, fleet, and orders.{asked.phase}, the signed phase's file",
            code="BadOptions",
        )
    return order_file.read(str(paths[asked.phase]), asked.phase, twins["fleet"], twins.get("keys"), asked.undo, asked.digest)


__all__ = ("TWINS", "TwinGate", "order_for")
