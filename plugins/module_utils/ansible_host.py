# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. The edge between the core and Ansible on a gateway: reports become module results."""

from __future__ import annotations

BAD_OUTCOMES = ("refused", "reverted", "failed")
PLACE_NOTES = {"repair": "(Rootwave's chain as it must be)", "keep": "(kept over a reboot)"}
SHARED_SPEC = {
    "desired": {"type": "dict", "required": True},
    "now": {"type": "int", "required": True},
}


def finish(module, report, diff=None):
    """End a module with a report: success or failure by its outcome, never a guess."""
    result = dict(report)
    if diff is not None and module._diff:
        result["diff"] = diff
    if report["outcome"] in BAD_OUTCOMES:
        module.fail_json(msg=failure(report), **result)
    module.exit_json(**result)


def failure(report):
    """One sentence for a human: what failed and why."""
    if report["blockers"]:
        more = len(report["blockers"]) - 1
        rest = " (and {0} more in 'blockers')".format(more) if more else ""
        return "{0} refused, nothing was changed: {1}: {2}{3}".format(
            report["phase"], report["blockers"][0]["id"], report["blockers"][0]["detail"], rest
        )
    if report["outcome"] == "reverted":
        return "{0} was applied and reverted: {1}".format(report["phase"], report.get("error", "not committed in time"))
    return "{0} failed: {1}".format(report["phase"], report.get("error", "no reason was recorded"))


def diff_of(report):
    """Sorted lines ``subject  sha256`` of the anchors that the plan is about, as they are and as they will be."""
    diffs = []
    for store in sorted({change["store"] for change in report["plan"]} - {"allowlist"}):
        before, after = [], []
        for change in report["plan"]:
            if change["store"] == store:
                line = "{0}  {1}".format(change["subject"], change["sha256"])
                held = line + "  held by Rootwave"
                was, becomes = {
                    "add": ([], [held]),
                    "hold": ([line], [held]),
                    "release": ([held], [line]),
                    "remove": ([line], []),
                }[change["action"]]
                before += was
                after += becomes
        header = "trust store {0}".format(store)
        diffs.append(
            {
                "before_header": header,
                "after_header": header,
                "before": "".join(line + "\n" for line in sorted(before)),
                "after": "".join(line + "\n" for line in sorted(after)),
            }
        )
    return diffs + _diff_of_places(report)


def _diff_of_places(report):
    """The prefixes that each place of a ruleset loses and gets, one a line."""
    changes = [change for change in report["plan"] if change["store"] == "allowlist"]
    diffs = []
    for place in dict.fromkeys(change["place"] for change in changes):
        sides = {"admit": [], "take-out": []}
        notes = []
        for change in changes:
            if change["place"] == place:
                sides.setdefault(change["action"], notes).extend(_lines_of(change))
        header = "allowlist {0}".format(place)
        diffs.append(
            {
                "before_header": header,
                "after_header": header,
                "before": "".join(line + "\n" for line in sides["take-out"]),
                "after": "".join(line + "\n" for line in sides["admit"] + notes),
            }
        )
    return diffs


def _lines_of(change):
    """Of what is taken out each prefix with the packets that it has seen."""
    seen = change.get("packets")
    if not seen:
        return change["prefixes"] or [PLACE_NOTES.get(change["action"], "")]
    words = ["no counter" if packets is None else "{0} packets since stage".format(packets) for packets in seen]
    return ["{0}  {1}".format(*line) for line in zip(change["prefixes"], words)]


__all__ = ("SHARED_SPEC", "diff_of", "failure", "finish")
