# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody reads who is to approve."""

from __future__ import annotations

from ansible_collections.rootwave.iot.plugins.plugin_utils import approval
from ansible_collections.rootwave.iot.plugins.plugin_utils.approval_text import description
from ansible_collections.rootwave.iot.plugins.plugin_utils.evidence import ACCEPTED, DONE, FAILED, REFUSED, Evidence
from ansible_collections.rootwave.iot.plugins.plugin_utils.gate import Verdict

WANTED = approval.Wanted("d" * 64, "stage", "canary")
ADD = {"store": "system", "action": "add", "anchor": "DigiCert Global Root G2"}
ADMIT = {"store": "allowlist", "action": "admit", "place": "output: ufw rules", "prefixes": ["20.1.0.0/16", "20.2.0.0/16"]}


def evidence(verdict="pass", reasons=()):
    found = Verdict(verdict, {"total": 3, "done": 2, "failed": 0, "refused": 1}, tuple(reasons))
    return approval.made(WANTED, found, {}, 1_795_000_000, "stage wave early")


def test_counts_reasons_blockers_changes_next_and_hash():
    results = {
        "gw-1": {"plan": [ADD, ADMIT], "blockers": []},
        "gw-2": {"plan": [ADD], "blockers": []},
        "gw-3": {"plan": [], "blockers": [{"id": "clock", "detail": "..."}]},
        "gw-4": None,
    }
    found = evidence(reasons=["gw-3 (refused: clock)"])
    assert description("azure-2026", found, results, 86400).split("\n") == [
        "PASS: campaign azure-2026, phase stage, wave canary: 3 total, 2 done, 1 refused",
        "Reason: gw-3 (refused: clock)",
        "Refused for: clock (1 gateways)",
        "Changed: add DigiCert Global Root G2 (2 gateways), admit 2 prefixes at output: ufw rules (1 gateways)",
        "Next: stage wave early. Seen 2026-11-18 11:06 UTC, good until 2026-11-19 11:06 UTC.",
        "Evidence " + found["hash"],
    ]


def test_why_devices_refused_is_told_from_their_twins():
    seen = [
        Evidence("dev-1", REFUSED, "endpoint-dns: hub.example has no address"),
        Evidence("dev-2", REFUSED, "endpoint-dns: hub.example has no address"),
        Evidence("dev-3", ACCEPTED, "x" * 200),
        Evidence("dev-4", DONE),
        Evidence("dev-5", FAILED, "not told here: it is among the reasons"),
    ]
    (line,) = [one for one in description("azure-2026", evidence(), {}, 60, seen).split("\n") if one.startswith("Refused for")]
    assert line == f"Refused for: endpoint-dns: hub.example has no address (2 gateways), {'x' * 80} ... (1 gateways)"


def test_what_is_too_long_loses_neither_the_next_step_nor_the_hash():
    found = evidence("fail", ["x" * 1500, "y" * 1500])
    text = description("azure-2026", found, {}, 60)
    assert len(text) == 2000 and " ...\nNext: stage wave early." in text and text.endswith(found["hash"])
    assert text.startswith("FAIL: ")
