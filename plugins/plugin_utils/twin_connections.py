# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. Whether a wave's devices that say done are connected still, by what hub_connections looks at.

Devices that are not done count against their wave already. So only those that are done are looked at, and a run that is
resumed needs to know nothing of an earlier one but the number that its hub had connected before the wave.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from . import gate
from .connection_events import histories
from .connection_evidence import ABSENT, Sides, divide, weigh
from .connection_look import Looked, look
from .evidence import DONE, FAILED, SILENT, Evidence
from .hub.throttle import ThrottledHub

BEFORE = "twin_rollout_before"  # the register that the role fills
POLL = 30.0  # seconds between two looks, for the log comes late
NOT_ASKED = "connections: not looked at, rootwave_twins has no connections"
LOST = "it said done, then its session ended, and it has not come back"
GONE = "it said done, and is not in its hub's registry any more"
OPEN = "it said done, and whether it is connected is not certain yet"


class WaveConnections:
    """``options`` is ``connections`` of a wave's twins or None, ``whos`` {host: identity}, ``before`` what is registered."""

    def __init__(self, hub: ThrottledHub, options: dict | None, whos: dict[str, str], before, say: Callable[[str], None]) -> None:
        self._hub, self._options, self._whos, self._say = hub, options, whos, say
        self._before = before if isinstance(before, dict) else {}

    def judge(self, policy: dict, found: list[Evidence], wait: float) -> gate.Verdict:
        """Of a wave that passes by its reports. What is open may become certain for ``wait`` seconds. Raises HubError."""
        if self._options is None:
            return replace(gate.judge_wave(policy, found), reasons=(NOT_ASKED,))
        baseline = self._options["baseline"] or (self._before.get("metric") or {}).get("latest")
        if not baseline:
            why = self._before.get("msg") or "run the wave with the role twin_rollout, or set connections.baseline"
            return gate.Verdict(gate.INCONCLUSIVE, gate.count(found), (f"connections: none were counted before the wave: {why}",))
        options = {**self._options, "baseline": baseline}
        whos = [self._whos[one.host] for one in found if one.word == DONE]
        end = time.monotonic() + wait
        while True:
            looked = look(self._hub, options, whos, None, self._say)
            verdict = judged(policy, found, self._whos, looked)
            if verdict.verdict != gate.INCONCLUSIVE or looked.missing or time.monotonic() >= end:
                return verdict
            self._say(f"gate: {'; '.join(verdict.reasons)[:300]}; {end - time.monotonic():.0f} s to look again at the most")
            time.sleep(min(POLL, max(0.0, end - time.monotonic())))


def judged(policy: dict, found: list[Evidence], whos: dict[str, str], looked: Looked) -> gate.Verdict:
    """The wave again, with what was seen of each device; then the hub as a whole, by those that nothing speaks against."""
    sides = divide(looked.states, None if looked.events is None else histories(looked.events), looked.question)
    troubles = _troubles(looked, sides)
    verdict = gate.judge_wave(policy, [_with(one, troubles.get(whos[one.host])) for one in found])
    if verdict.verdict == gate.FAIL:
        return verdict
    wide = weigh(*looked._replace(states=[state for state in looked.states if state.who not in troubles]))
    reasons = tuple(f"connections: {reason}" for reason in wide["reasons"])
    if wide["verdict"] != gate.PASS:
        return replace(verdict, verdict=wide["verdict"], reasons=verdict.reasons + reasons)
    counts = wide["counts"]
    seen = f"connections: {counts['connected']} of {len(looked.states)} that are done are connected"
    return replace(verdict, reasons=(*verdict.reasons, seen, *reasons))


def _troubles(looked: Looked, sides: Sides) -> dict[str, tuple[str, str]]:
    """{identity: (word, why)} of those that do not speak for their wave."""
    open_ = [*sides.recent, *sides.silent, *sides.unsure, *sides.unproved]
    absent = [state.who for state in looked.states if state.connection == ABSENT]
    return {
        **dict.fromkeys(open_, (SILENT, OPEN)),
        **{one.who: (FAILED, LOST) for one in sides.gone},
        **dict.fromkeys(absent, (FAILED, GONE)),
    }


def _with(one: Evidence, trouble: tuple[str, str] | None) -> Evidence:
    return one if one.word != DONE or trouble is None else replace(one, word=trouble[0], reason=trouble[1])


__all__ = ("BEFORE", "WaveConnections", "judged")
