# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. A campaign file becomes one plain dictionary, complete and checked, or a CampaignError."""

from __future__ import annotations

import functools
import hashlib
import json
from pathlib import Path

from .anchors import AnchorError, anchor_pem, must_be_in_force
from .campaign_allowlist import address_files, allowlist_of
from .campaign_file import CampaignError, CampaignFile

POLICY = {
    "min_success_percent": 100,  # of a wave's gateways
    "max_unreachable": 0,  # gateways of a wave
    "min_sample": 1,  # gateways that must have succeeded, else a gate is inconclusive
    "soak": 300,  # seconds that a wave must have held before the next one starts
    "gate_timeout": 600,  # seconds that a gate waits for the soak
    "phase_timeout": 600,  # seconds that a gateway has for its phase; then it counts as timed out
    "evidence_max_age": 86400,  # seconds that what somebody approved stays good
    "confirm": "auto",
    "confirm_within": 300,  # seconds
}
WAY = ("description", "waves", "policy")  # who goes when, and how carefully; not what is asked of a gateway
SECTIONS = ("anchors", "allowlist")


def load(path: str, section: str | None = None) -> dict:
    """{"name", "digest", "present", "absent", "endpoints", "waves", "policy", ...}; see docs/campaigns.md.

    The digest covers what gateways are asked, so that a report stays good evidence when only the way of going is changed. With
    a section, nothing is asked about the other one; that is another digest, since such a report is no evidence for the whole.
    """
    resolved = Path(path).expanduser().resolve()
    source = _source(resolved, _stamp(resolved))
    campaign = json.loads(_load(source, tuple(map(_stamp, address_files(source)))))
    if section == "allowlist" and "allowlist" not in campaign:
        raise source.complain(["allowlist"], "this campaign has none, and nothing else was asked for")
    if section == "allowlist":
        campaign |= {"present": [], "absent": []}
    if section == "anchors":
        campaign.pop("allowlist", None)
    return {**campaign, "digest": _digest(campaign), "path": str(resolved)}


def _stamp(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


def _digest(campaign: dict) -> str:
    asked = {key: value for key, value in campaign.items() if key not in WAY}
    return hashlib.sha256(json.dumps(asked, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


# Ansible templates the same expression for every gateway; the files are read and checked once
@functools.lru_cache(maxsize=16)
def _source(path: Path, _stamp: int) -> CampaignFile:
    return CampaignFile(path)


@functools.lru_cache(maxsize=16)
def _load(source: CampaignFile, _stamps: tuple[int, ...]) -> str:
    document = source.document
    campaign = {
        "name": document["name"],
        "description": document.get("description", ""),
        "clouds": document.get("clouds", ["public"]),
        "present": _anchors(source, "present"),
        "absent": _anchors(source, "absent"),
        "endpoints": document.get("endpoints", []),
        "safe_after": document.get("safe_after"),
        "waves": [wave if isinstance(wave, dict) else {"group": wave} for wave in document["waves"]],
        "policy": {**POLICY, **document.get("policy", {})},
        "timeouts": document.get("timeouts", {}),
        "accept": document.get("accept", []),
        "ca_files": document.get("ca_files", []),
    }
    allowlist = allowlist_of(source)
    if allowlist is not None:  # a campaign without one keeps the digest that it had before there were any
        campaign["allowlist"] = allowlist
    _check_anchors(source, campaign)
    _check_waves(source, campaign)
    return json.dumps(campaign)


def _anchors(source: CampaignFile, side: str) -> list[dict]:
    anchors = []
    for index, item in enumerate(source.document["anchors"][side]):
        try:
            text = anchor_pem(item, source.path.parent)
            if side == "present":
                must_be_in_force(text)
        except AnchorError as exc:
            raise source.complain(["anchors", side, index], f"{item['name']}: {exc}") from exc
        anchors.append({"name": item["name"], "sha256": item["sha256"], "pem": text})
    return anchors


def _check_anchors(source: CampaignFile, campaign: dict) -> None:
    seen: dict[str, str] = {}
    for side in ("present", "absent"):
        for index, anchor in enumerate(campaign[side]):
            for key in ("name", "sha256"):
                if anchor[key] in seen:
                    raise source.complain(
                        ["anchors", side, index, key], f"{anchor[key]} is in anchors.{seen[anchor[key]]} already"
                    )
                seen[anchor[key]] = side
    if not seen and "allowlist" not in campaign:
        raise source.complain(["anchors"], "no anchor is present or absent, and there is no allowlist; there is nothing to do")


def _check_waves(source: CampaignFile, campaign: dict) -> None:
    groups: list[str] = []
    for index, wave in enumerate(campaign["waves"]):
        if wave["group"] in groups:
            raise source.complain(["waves", index], f"group {wave['group']} is a wave twice")
        groups.append(wave["group"])


__all__ = ("POLICY", "SECTIONS", "CampaignError", "load")
