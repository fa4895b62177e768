# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. Pure: the last reports of a fleet -> how far its campaign is, wave by wave, and what is next."""

from __future__ import annotations

from .awx_workflow import phases_of
from .evidence import DONE, Asked, evidence_of
from .gate import count
from .waves import TWIN

NAMED_MOST = 10  # gateways with trouble, of a wave


def campaign_report(campaign: dict, waves: list[dict], reports: dict, workflow: str = "") -> dict:
    """{"lines": [...], "waves": [{"wave", "phase", "numbers", "troubles"}], "next": ...}; ``reports`` are {host: gateway_info's}.

    ``workflow`` is the one in AWX that people launch again, instead of a command.
    A wave stands in the last phase of this campaign that one of its gateways tells of; who tells of nothing is silent.
    """
    rows = [_wave(campaign, wave, reports) for wave in waves]
    following = _next(campaign, rows, workflow)
    lines = [line for row in rows for line in _lines(row)]
    return {"lines": [*lines, f"Next: {following}"], "waves": rows, "next": following}


def _wave(campaign: dict, wave: dict, reports: dict) -> dict:
    if wave.get("via") == TWIN:
        return {"wave": wave["name"], "phase": None, "numbers": {}, "troubles": [], "via": TWIN}
    phase, undo = _phase(campaign, [reports.get(host) for host in wave["hosts"]])
    accepted = tuple(item["finding"] for item in campaign["accept"])
    asked = Asked(campaign["digest"], phase, undo, accepted)
    seen = [evidence_of(host, reports.get(host), asked) for host in wave["hosts"]]
    troubles = [f"{one.host}: {one.word}{f', {one.reason}' if one.reason else ''}" for one in seen if not one.good]
    return {"wave": wave["name"], "phase": phase, "numbers": count(seen), "troubles": troubles, "via": "ssh"}


def _phase(campaign: dict, found: list) -> tuple[str, str | None]:
    """The furthest phase that a report of this campaign is about, as (phase, undo)."""
    about = [one for one in found if isinstance(one, dict) and (one.get("campaign") or {}).get("digest") == campaign["digest"]]
    told = {(one.get("phase"), one.get("undo")) for one in about}
    order = [("stage", None), ("retire", None), ("revert", "retire"), ("revert", "stage")]
    return max((one for one in told if one in order), key=order.index, default=("stage", None))


def _lines(row: dict) -> list[str]:
    if row["via"] == TWIN:
        return [f"wave {row['wave']}: goes through twins; its gate (judge_wave) tells how it stands"]
    numbers = ", ".join(f"{number} {word}" for word, number in row["numbers"].items() if number)
    more = len(row["troubles"]) - NAMED_MOST
    told = [f"  {one}" for one in row["troubles"][:NAMED_MOST]] + ([f"  and {more} more"] if more > 0 else [])
    return [f"wave {row['wave']}: {row['phase']}: {numbers}", *told]


def _next(campaign: dict, rows: list[dict], workflow: str) -> str:
    """The first wave that is not through, and how it is run; of waves that go through twins no gateway tells."""
    twins = [row["wave"] for row in rows if row["via"] == TWIN]
    known = [row for row in rows if row["via"] != TWIN]
    if not twins:
        return _next_of(campaign, known, workflow)
    names = ", ".join(twins)
    first = f"look what the gate of {names} says (judge_wave)"
    again = f"launch the workflow {workflow} again" if workflow else "run run_wave.yml for the first wave that has not passed"
    return f"{first}; where it passed, {_next_of(campaign, known, workflow)}" if known else f"{first}, then {again}"


def _next_of(campaign: dict, known: list[dict], workflow: str) -> str:
    """The same of the waves whose gateways tell."""

    def how(phase, wave):
        return f"launch the workflow {workflow} again, what is done is skipped" if workflow else _command(campaign, phase, wave)

    for row in known:
        if row["numbers"][DONE] < row["numbers"]["total"]:
            what = "mend what is told above, then run" if row["numbers"]["silent"] < row["numbers"]["total"] else "run"
            return f"{what} phase {row['phase']} on wave {row['wave']}: {how(row['phase'], row['wave'])}"
    staged = [row for row in known if row["phase"] == "stage"]
    if not staged or len(phases_of(campaign)) == 1:
        return "nothing, all waves are through"
    command = f"phase retire on wave {staged[0]['wave']}: {how('retire', staged[0]['wave'])}"
    return f"once the hub serves the new chain, {command}" if len(staged) == len(known) else f"run {command}"


def _command(campaign: dict, phase: str, wave: str) -> str:
    return f"run_wave.yml -e rootwave_campaign={campaign['path']} -e rootwave_phase={phase} -e rootwave_wave={wave}"


__all__ = ("campaign_report",)
