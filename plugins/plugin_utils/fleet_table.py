# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. Pure: assessments of gateways -> a table for a human, as lines of equal columns."""

from __future__ import annotations

HEADER = ("gateway", "system", "old roots", "new roots", "endpoints verified by", "findings")


def fleet_table(assessments: dict, inventory=(), hostvars=None) -> list[str]:
    """Lines; ``assessments`` maps a gateway to gateway_info's result, ``inventory`` is every host that could be a gateway.

    ``hostvars`` of gateways that are hosts of the inventory plugin hub too add a column with what the hub says of them.
    """
    rows: list[tuple[str, ...]] = [HEADER] + [_row(name, result) for name, result in assessments.items()]
    at_hub = {name: (hostvars or {}).get(name, {}).get("rootwave_connection_state") for name in assessments}
    if any(at_hub.values()):
        rows = [(*rows[0], "at the hub"), *((*row, at_hub[row[0]] or "unknown") for row in rows[1:])]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    left = [host for host in inventory if host not in assessments]
    if left:
        lines.append(
            f"{len(left)} hosts of the inventory are in no wave: {', '.join(left[:10])}{' ...' if len(left) > 10 else ''}"
        )
    return lines


def _row(name: str, result) -> tuple[str, ...]:
    if not isinstance(result, dict) or result.get("outcome") != "assessed":
        known = result if isinstance(result, dict) else {}
        word = "unreachable" if known.get("unreachable") else "not assessed"
        return (name, word, "?", "?", "?", " ".join(str(known.get("msg", "")).split())[:80])
    return (name, result["host"]["os"].replace("GNU/Linux ", ""), *_roots(result), _verified_by(result), _findings(result))


def _roots(result: dict) -> tuple[str, str]:
    stores = list(result["stores"].values())  # Ansible hands over one-way views
    old = sorted({anchor for store in stores for anchor, forms in store["absent"].items() if forms})
    new = [state for store in stores for state in store["present"].values()]
    return ", ".join(old) or "none", f"{sum(state == 'own' for state in new)} of {len(new)} held"


def _verified_by(result: dict) -> str:
    """The anchors in the subject's own words; a failed stage in place of an anchor."""
    told = {
        probe["anchor_subject"].split(",")[0].removeprefix("CN=") or "ok" for probe in result["probes"] if probe["stage"] == "ok"
    }
    told |= {f"{probe['host']}:{probe['port']} {probe['stage']}" for probe in result["probes"] if probe["stage"] != "ok"}
    return ", ".join(sorted(told)) or "not probed"


def _findings(result: dict) -> str:
    parts = [f"{blocker['id']}" for blocker in result.get("blockers", [])]
    parts += [finding["id"] for finding in result["findings"] if finding["severity"] != "info"]
    quiet = sum(finding["severity"] == "info" for finding in result["findings"])
    return ", ".join(parts + ([f"{quiet} info"] if quiet else [])) or "none"


__all__ = ("fleet_table",)
