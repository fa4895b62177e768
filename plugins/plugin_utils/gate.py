# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. Pure: evidence of one wave + the campaign's policy -> a verdict. Fails closed.

The denominator is the wave as campaign and inventory fixed it, not whoever answered.
"""

from __future__ import annotations

from dataclasses import dataclass

from .evidence import SILENT, UNREACHABLE, WORDS, Evidence

PASS, FAIL, INCONCLUSIVE = "pass", "fail", "inconclusive"
HOSTS_MOST, TROUBLES_MOST = 8, 5  # in a message; the full list is in the play above it
CONFIRM_MARGIN = 3  # confirm_within must be this many times what the slowest gateway took


@dataclass(frozen=True)
class Verdict:
    """``wait``: seconds of soak that are missing when nothing else speaks against the wave."""

    verdict: str
    numbers: dict
    reasons: tuple = ()
    wait: float = 0.0


def judge_wave(policy: dict, evidence: list[Evidence]) -> Verdict:
    """A finished wave: pass, fail, or inconclusive (too little evidence, which pauses and never promotes)."""
    numbers = count(evidence)
    broken = _broken(policy, evidence, numbers) + _too_slow(policy, evidence)
    if broken:
        return Verdict(FAIL, numbers, tuple(broken))
    thin = _thin(policy, evidence, numbers)
    if thin:
        return Verdict(INCONCLUSIVE, numbers, tuple(thin))
    held = min((one.held or 0.0 for one in evidence if one.word == "done"), default=0.0)
    return Verdict(PASS, numbers, wait=max(0.0, policy["soak"] - held))


def judge_budget(policy: dict, size: int, so_far: list[Evidence]) -> Verdict:
    """A wave in the middle: fail as soon as what went wrong is more than the whole wave may lose."""
    numbers = count(so_far)
    lost = sum(not one.good for one in so_far)
    affordable = size * (100 - policy["min_success_percent"]) / 100
    reasons = _too_slow(policy, so_far)
    if lost > affordable + 1e-9:
        reasons.append(
            f"{lost} of {size} gateways went wrong already, min_success_percent {policy['min_success_percent']} "
            f"allows {int(affordable + 1e-9)}: {_names(one for one in so_far if not one.good)}"
        )
    unreachable = numbers[UNREACHABLE]
    if unreachable > policy["max_unreachable"]:
        reasons.append(_unreachable(policy, so_far, unreachable))
    return Verdict(FAIL if reasons else PASS, numbers, tuple(reasons))


def count(evidence: list[Evidence]) -> dict:
    """{"total": …, "done": …, …}: every word, so that a reader sees the zeros too."""
    numbers = {"total": len(evidence)}
    for word in WORDS:
        numbers[word] = sum(one.word == word for one in evidence)
    return numbers


def _broken(policy: dict, evidence: list[Evidence], numbers: dict) -> list[str]:
    reasons = []
    if numbers[UNREACHABLE] > policy["max_unreachable"]:
        reasons.append(_unreachable(policy, evidence, numbers[UNREACHABLE]))
    # silent gateways may still turn out well: they make a verdict inconclusive, the others' failures make it fail
    at_best = sum(one.good or one.word == SILENT for one in evidence)
    if at_best * 100 < policy["min_success_percent"] * len(evidence):
        good = sum(one.good for one in evidence)
        reasons.append(
            f"{good} of {len(evidence)} gateways succeeded, min_success_percent is {policy['min_success_percent']}: "
            + _names(one for one in evidence if not one.good)
        )
    return reasons


def _thin(policy: dict, evidence: list[Evidence], numbers: dict) -> list[str]:
    reasons = []
    good = sum(one.good for one in evidence)
    if good * 100 < policy["min_success_percent"] * len(evidence):
        reasons.append("no word from " + _names(one for one in evidence if one.word == SILENT))
    if numbers["done"] < policy["min_sample"]:
        reasons.append(f"{numbers['done']} gateways done, min_sample is {policy['min_sample']}")
    return reasons


def _too_slow(policy: dict, evidence: list[Evidence]) -> list[str]:
    slowest = max(evidence, key=lambda one: one.elapsed, default=None)
    if slowest is None or slowest.elapsed * CONFIRM_MARGIN <= policy["confirm_within"]:
        return []
    return [
        f"{slowest.host} took {slowest.elapsed:.0f} s and confirm_within is {policy['confirm_within']} s: an armed revert "
        f"could run out during a healthy run; set it to at least {slowest.elapsed * CONFIRM_MARGIN:.0f}"
    ]


def _unreachable(policy: dict, evidence: list[Evidence], number: int) -> str:
    names = _names(one for one in evidence if one.word == UNREACHABLE)
    return f"{number} unreachable, max_unreachable is {policy['max_unreachable']}: {names}"


def _names(evidence) -> str:
    """Gateways with one and the same trouble stand together: a wave often fails for one reason."""
    troubles: dict[str, list[str]] = {}
    for one in evidence:
        troubles.setdefault(f"{one.word}{': ' + one.reason if one.reason else ''}", []).append(one.host)
    told = []
    for trouble, hosts in list(troubles.items())[:TROUBLES_MOST]:
        more = f" and {len(hosts) - HOSTS_MOST} more" if len(hosts) > HOSTS_MOST else ""
        told.append(f"{', '.join(hosts[:HOSTS_MOST])}{more} ({trouble})")
    if len(troubles) > TROUBLES_MOST:
        told.append(f"{len(troubles) - TROUBLES_MOST} other kinds of trouble")
    return "; ".join(told)


__all__ = ("FAIL", "INCONCLUSIVE", "PASS", "Verdict", "count", "judge_budget", "judge_wave")
