# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. Which approval the batch of a play needs, and whether it still holds (ADR 0014)."""

from __future__ import annotations

from . import approval
from .awx_workflow import phases_of
from .evidence import Evidence


def needed(args: dict, index: int) -> approval.Wanted | None:
    """The approval that batch ``index`` needs, or None: of the wave before, and of stage's last one before retire.

    Asked where a run has one wave (run_wave.yml): a run over all of them judges at each border by itself.
    """
    waves, batches = args["waves"]["waves"], args["waves"]["batches"]
    asked = args["evidence"] or args["evidence_required"] or args["sliced"]
    if args["closing"] or args["phase"] == "revert" or not asked:
        return None
    running = [wave["name"] for wave in waves if wave["mode"] == "run"]
    first = index == 0 or batches[index - 1]["wave"] != batches[index]["wave"]
    if running != [batches[index]["wave"]] or not first:
        return None
    names = [wave["group"] for wave in args["campaign"]["waves"]]
    position = names.index(running[0])
    if position:
        return approval.Wanted(args["campaign"]["digest"], args["phase"], names[position - 1])
    return approval.Wanted(args["campaign"]["digest"], "stage", names[-1]) if args["phase"] == "retire" else None


def wave_in_play(args: dict, wanted: approval.Wanted) -> dict | None:
    """The wave that was approved, where this play reads its reports."""
    if wanted.phase != args["phase"]:
        return None
    return next((wave for wave in args["waves"]["waves"] if wave["name"] == wanted.wave), None)


def following(args: dict, wave: str) -> str:
    """What is to be done once a wave is approved, as a sentence's part."""
    names, phase = [one["group"] for one in args["campaign"]["waves"]], args["phase"]
    after = names[names.index(wave) + 1 :]
    if after:
        return f"{phase} wave {after[0]}"
    retires = phase == "stage" and len(phases_of(args["campaign"])) > 1
    return "cutover, then retire" if retires else f"nothing more: {phase} is through"


def against(args: dict, wanted: approval.Wanted, seen: list[Evidence], members: list[str], now: float) -> list[str]:
    """Why the approval does not hold; ``seen`` is of the gateways that this play reads, ``members`` are the approved wave's.

    Behind the cutover the play reads no reports of stage's last wave: a gateway that is not staged refuses to retire by itself.
    """
    found = approval.complaints(args["evidence"], wanted, now, args["campaign"]["policy"]["evidence_max_age"])
    if found:
        return found
    if wave_in_play(args, wanted) is None:
        return approval.others_since(args["evidence"], members, args["sliced"])
    return approval.changed_since(args["evidence"], approval.digests(seen), args["sliced"])


__all__ = ("against", "following", "needed", "wave_in_play")
