# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. Pure: what Ansible or a twin knows of one gateway -> one word, and the facts a gate needs.

Missing evidence is a word of its own: a gateway that nobody heard of is never counted as done.
"""

from __future__ import annotations

from dataclasses import dataclass

DONE, ACCEPTED = "done", "accepted"
REFUSED, FAILED, TIMED_OUT = "refused", "failed", "timed out"
UNREACHABLE, SILENT = "unreachable", "silent"
WORDS = (DONE, ACCEPTED, REFUSED, FAILED, TIMED_OUT, UNREACHABLE, SILENT)


@dataclass(frozen=True)
class Evidence:
    """One gateway's part in a wave: one of WORDS and why; seconds since its commit, seconds its phase took, its commit's time."""

    host: str
    word: str
    reason: str = ""
    held: float | None = None
    elapsed: float = 0.0
    committed_at: float | None = None

    @property
    def good(self) -> bool:
        return self.word in (DONE, ACCEPTED)


@dataclass(frozen=True)
class Asked:
    """What a wave was asked: evidence about anything else is none."""

    digest: str  # of the campaign
    phase: str
    undo: str | None = None  # the phase that a revert takes back
    accepted: tuple = ()  # ids of blockers that the campaign accepts


def evidence_of(host: str, result, asked: Asked) -> Evidence:
    """``result`` is what rootwave.iot.gateway, gateway_info's report of an earlier run, or twin_evidence left behind."""
    if not isinstance(result, dict) or result.get("skipped"):
        return Evidence(host, SILENT, "no result")
    if result.get("silent"):
        return Evidence(host, SILENT, _reason(result))
    if result.get("unreachable"):
        return Evidence(host, UNREACHABLE, _reason(result))
    if result.get("timedout"):
        return Evidence(host, TIMED_OUT, _reason(result))
    outcome = result.get("outcome")
    if "campaign" in result and not _about(result, asked):
        return Evidence(host, SILENT, f"its last report is not about phase {asked.phase} of this campaign")
    if outcome == "refused":
        blockers = [blocker["id"] for blocker in result.get("blockers", [])]
        word = ACCEPTED if blockers and set(blockers) <= set(asked.accepted) else REFUSED
        return Evidence(host, word, _reason(result), elapsed=_elapsed(result))
    if result.get("failed") or outcome in ("failed", "reverted"):
        return Evidence(host, FAILED, _reason(result), elapsed=_elapsed(result))
    if outcome == "done" and _about(result, asked):
        held, since = result.get("seconds_since_commit"), result.get("committed_at")
        return Evidence(host, DONE, held=held, elapsed=_elapsed(result), committed_at=since)
    return Evidence(host, SILENT, f"its last report says {outcome}")


def _about(result: dict, asked: Asked) -> bool:
    digest = (result.get("campaign") or {}).get("digest")
    return (digest, result.get("phase"), result.get("undo")) == (asked.digest, asked.phase, asked.undo)


def _elapsed(result: dict) -> float:
    value = result.get("elapsed")
    return float(value) if isinstance(value, (int, float)) else 0.0


def _reason(result: dict) -> str:
    return " ".join(str(result.get("msg") or "no message").split())[:500]


__all__ = (
    "ACCEPTED",
    "DONE",
    "FAILED",
    "REFUSED",
    "SILENT",
    "TIMED_OUT",
    "UNREACHABLE",
    "WORDS",
    "Asked",
    "Evidence",
    "evidence_of",
)
