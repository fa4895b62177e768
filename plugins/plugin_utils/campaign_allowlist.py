# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. The allowlist of a campaign with what its address files hold, checked (ADR 0013)."""

from __future__ import annotations

from pathlib import Path

from .address_file import BYTES_MOST, parse
from .campaign_file import CampaignFile
from .prefixes import PRIVATE, PUBLIC, PrefixError

SIDES = ("new", "old")
PORTS = [443, 5671, 8883]  # HTTPS and MQTT over WebSocket, AMQP, MQTT
QUIET_PERIOD = 86400  # seconds


def address_files(source: CampaignFile) -> list[Path]:
    """The address files that the campaign names."""
    section = source.document.get("allowlist") or {}
    return [source.path.parent / section[side] for side in SIDES if side in section]


def allowlist_of(source: CampaignFile) -> dict | None:
    """{"new", "old", "private", "ports", "quiet_period", "places"}, or None where the campaign has none.

    Where the files are called is no matter: what they hold is what gateways are asked.
    """
    section = source.document.get("allowlist")
    if section is None:
        return None
    private = section.get("private", False)
    # A fleet may go from a public hub to its private endpoint, and DPS stay where it is: so one kind does not rule out the other
    meant = (PUBLIC, PRIVATE) if private else (PUBLIC,)
    return {
        **{side: _prefixes(source, side, meant) if side in section else [] for side in SIDES},
        "private": private,
        "ports": sorted(section.get("ports", PORTS)),
        "quiet_period": section.get("quiet_period", QUIET_PERIOD),
        "places": section.get("places", []),
    }


def _prefixes(source: CampaignFile, side: str, meant: tuple[str, ...]) -> list[dict]:
    path = source.path.parent / source.document["allowlist"][side]
    try:
        return [entry.as_dict() for entry in parse(_text(path), meant)]
    except PrefixError as exc:
        raise source.complain(["allowlist", side], f"{path}: {exc}") from exc
    except OSError as exc:
        raise source.complain(["allowlist", side], f"{path}: {exc.strerror}; rootwave.iot.hub_addresses makes it") from exc


def _text(path: Path) -> str:
    data = path.read_bytes()
    if len(data) > BYTES_MOST:
        raise PrefixError(f"longer than {BYTES_MOST} bytes; this is no address file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise PrefixError(f"not UTF-8 text (byte {exc.start})") from exc


__all__ = ("address_files", "allowlist_of")
