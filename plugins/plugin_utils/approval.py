# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. Pure: what people approve, bound by a hash to what a gate saw; does it still hold (ADR 0014)?

The hash is no signature: who may set a job's variables can make one. It tells what changed since somebody approved.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from .evidence import Evidence
from .gate import PASS, Verdict

SCHEMA = 1
DIGITS = 16  # of a report's digest
KEYS = {"schema", "campaign", "phase", "wave", "at", "verdict", "numbers", "reasons", "hosts", "next", "hash"}
BYTES_MOST = 8 * 1024 * 1024  # 100,000 hosts
CLOCK_AHEAD_MOST = 300  # seconds; gates may run on several nodes
NAMED_MOST = 5


@dataclass(frozen=True)
class Wanted:
    """What the next wave needs an approval of: the campaign's digest, the phase and the wave before it."""

    campaign: str
    phase: str
    wave: str


def report_digest(seen: Evidence) -> str:
    """Of what one gateway says. A pass that changes nothing leaves it alone: it counts since the same commit."""
    return hashlib.sha256(json.dumps([seen.word, seen.committed_at]).encode()).hexdigest()[:DIGITS]


def made(wanted: Wanted, verdict: Verdict, hosts: dict[str, str], at: float, following: str) -> dict:
    """The variable ``rootwave_evidence``; ``hosts`` are {host: report_digest}, ``following`` says what comes next."""
    evidence = {
        "schema": SCHEMA,
        "campaign": wanted.campaign,
        "phase": wanted.phase,
        "wave": wanted.wave,
        "at": int(at),
        "verdict": verdict.verdict,
        "numbers": dict(verdict.numbers),
        "reasons": list(verdict.reasons),
        "hosts": dict(sorted(hosts.items())),
        "next": following,
    }
    return {**evidence, "hash": hash_of(evidence)}


def hash_of(evidence: dict) -> str:
    """SHA-256 over all but the hash itself, as JSON with sorted keys."""
    rest = {key: value for key, value in evidence.items() if key != "hash"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def complaints(evidence, wanted: Wanted, now: float, max_age: int) -> list[str]:
    """Why an approval does not hold whatever the gateways say; ``evidence`` is what somebody's variable has, anything at all."""
    if not evidence:
        return [f"there is no evidence of wave {wanted.wave}: run its gate (judge_wave) and have it approved"]
    off = _not_as_made(evidence)
    if off:
        return [f"rootwave_evidence is not as a gate makes it ({off}): run the gate of wave {wanted.wave} again"]
    if evidence["hash"] != hash_of(evidence):
        return [f"rootwave_evidence was changed after its gate made it: run the gate of wave {wanted.wave} again"]
    found = [
        f"rootwave_evidence is about {key} {evidence[key]}, and {getattr(wanted, key)} is what stands before this wave"
        for key in ("phase", "wave")
        if evidence[key] != getattr(wanted, key)
    ]
    if evidence["campaign"] != wanted.campaign:
        found.append("the campaign was changed since its evidence was approved: what is asked of gateways is another thing")
    if evidence["verdict"] != PASS:
        found.append(f"the gate of wave {evidence['wave']} said {evidence['verdict']}, and nobody can approve that")
    age = now - evidence["at"]
    if age > max_age:
        found.append(f"the evidence is {age:.0f} s old, evidence_max_age is {max_age} s: run the gate again, and approve again")
    if age < -CLOCK_AHEAD_MOST:
        found.append(f"the evidence is from {-age:.0f} s in the future: set the clocks of the nodes that run jobs")
    return found


def changed_since(evidence: dict, seen: dict[str, str], sliced: bool = False) -> list[str]:
    """What differs between approved evidence and {host: report_digest} as read now; a slice sees a part of the hosts."""
    approved = evidence["hosts"]
    other = sorted(host for host in set(approved) & set(seen) if approved[host] != seen[host])
    found = [f"what {_names(other)} reports is not what was approved: run its gate again, and approve again"] if other else []
    return others_since(evidence, seen, sliced) + found


def others_since(evidence: dict, members, sliced: bool = False) -> list[str]:
    """Which gateways a wave has lost and got since it was approved; a slice cannot know what another one has."""
    gone, come = sorted(set(evidence["hosts"]) - set(members)), sorted(set(members) - set(evidence["hosts"]))
    return [
        f"wave {evidence['wave']} has {what} {_names(hosts)} since it was approved: run its gate again, and approve again"
        for what, hosts in (("lost", [] if sliced else gone), ("got", come))
        if hosts
    ]


def _not_as_made(evidence) -> str:
    """What is wrong with the form, or an empty text."""
    if not isinstance(evidence, dict) or set(evidence) != KEYS:
        return "its keys"
    texts = ("campaign", "phase", "wave", "verdict", "next", "hash")
    if evidence["schema"] != SCHEMA or not all(isinstance(evidence[key], str) for key in texts):
        return "schema or texts"
    if isinstance(evidence["at"], bool) or not isinstance(evidence["at"], int):
        return "at"
    if not isinstance(evidence["hosts"], dict) or not all(isinstance(one, str) for one in evidence["hosts"].values()):
        return "hosts"
    try:
        size = len(json.dumps(evidence, allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        return "what is no JSON"
    return "its length" if size > BYTES_MOST else ""


def _names(hosts: list[str]) -> str:
    return ", ".join(hosts[:NAMED_MOST]) + (f" and {len(hosts) - NAMED_MOST} more" if len(hosts) > NAMED_MOST else "")


def digests(seen: list[Evidence]) -> dict[str, str]:
    """{host: report_digest}"""
    return {one.host: report_digest(one) for one in seen}


__all__ = ("Wanted", "changed_since", "complaints", "digests", "hash_of", "made", "others_since", "report_digest")
