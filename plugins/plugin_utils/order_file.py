# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. A signed order (*.dsse.json) read for sending: what is something else never leaves this machine."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ansible_collections.rootwave.iot.plugins.module_utils.gateway import envelope, order
from ansible_collections.rootwave.iot.plugins.module_utils.gateway import keys as key_files
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.errors import Refused, TrustError

from .hub.errors import HubError
from .order_form import OrderTooLarge, order_of

KEYS = "keys"
NAMES = ("stage", "retire", "revert", KEYS)


class OrderFile(NamedTuple):
    """``name`` is where it stands in a twin. What new keys do not have is empty or 0; times are epoch seconds."""

    name: str
    data: bytes
    id: str
    fleet: str
    digest: str = ""
    undo: str | None = None
    serial: int = 0
    issued: int = 0
    expires: int = 0


def read(
    path: str, name: str, fleet: str, keys: str | None = None, undo: str | None = None, digest: str | None = None
) -> OrderFile:
    """The order of this name for this fleet; raises HubError for one that is something else.

    ``keys`` is a keys.json that must accept it, ``digest`` the campaign's. Without ``keys`` nobody's signature is looked at here:
    devices do.
    """
    try:
        data = _bytes(path, envelope.ENVELOPE_MOST)
        known = key_files.from_bytes(_bytes(keys, key_files.FILE_MOST), keys) if keys else None
        found = _keys(data, known) if name == KEYS else _phase(data, known)
    except (TrustError, OrderTooLarge) as exc:
        raise wrong(path, str(exc)) from exc
    for what, is_, wanted in (
        ("phase", found.name, name),
        ("fleet", found.fleet, fleet),
        ("undo", found.undo, undo if name == "revert" else None),
        ("campaign's digest", found.digest, digest or found.digest),
    ):
        if is_ != wanted:
            raise wrong(path, f"its {what} is {is_ or 'none'}, the task says {wanted or 'none'}")
    return found


def must_not_be_over(found: OrderFile, now: float) -> None:
    """Raises HubError for a phase that every device would refuse by now."""
    if found.expires and now > found.expires:
        raise HubError(f"the order expired {now - found.expires:.0f} s ago; sign the phase again", code="BadOptions")


def wrong(path: str, why: str) -> HubError:
    return HubError(f"{path}: {why}", code="BadOptions")


def _phase(data: bytes, known) -> OrderFile:
    signed = envelope.parse(data)
    if signed.payload_type != envelope.PHASE_TYPE:
        raise Refused("type", f"it holds {signed.payload_type[:64]!r}, not a phase")
    phase = order.verify_phase(data, known) if known else order.phase_of(signed.payload)
    times = {"serial": phase.serial, "issued": phase.issued, "expires": phase.expires}
    return OrderFile(phase.phase, data, order_of(data)["id"], phase.fleet, phase.digest, phase.undo, **times)


def _keys(data: bytes, known) -> OrderFile:
    signed = envelope.parse(data)
    if signed.payload_type != envelope.KEYS_TYPE:
        raise Refused("type", f"it holds {signed.payload_type[:64]!r}, not keys")
    if known:
        order.verify_keys(data, known)
    return OrderFile(KEYS, data, order_of(data)["id"], key_files.from_bytes(signed.payload, "the new keys").fleet)


def _bytes(path: str | None, most: int) -> bytes:
    try:
        with Path(path or "").expanduser().open("rb") as stream:
            return stream.read(most + 1)
    except OSError as exc:
        raise wrong(str(path), exc.strerror or str(exc)) from exc


__all__ = ("NAMES", "OrderFile", "must_not_be_over", "read", "wrong")
