# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. Pure: an envelope's bytes as the order that a twin holds, and whether a twin can hold it.

One form for direct patches, scheduled jobs and configurations. A job's values may not have any of $()<>@,;:\\"/[]?={} (azure-docs
iot-hub-devguide-jobs), so neither JSON nor usual base64 can travel in one; unpadded base64url can. ADR 0012 has the form.
"""

from __future__ import annotations

import base64
import hashlib

from ansible_collections.rootwave.iot.plugins.module_utils.gateway import order as on_device
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.envelope import ENVELOPE_MOST

from . import twin_limits

SECTION = "rootwave"
NAMES = ("stage", "retire", "revert", "keys")


class OrderTooLarge(ValueError):
    """An envelope, or the orders together, that no twin could hold."""


def order_of(envelope: bytes, go: int = 1) -> dict:
    """{"id", "n", "c0", ..., "go"}; the same bytes give the same order, and another ``go`` has a device run it again."""
    if len(envelope) > ENVELOPE_MOST:
        raise OrderTooLarge(f"the envelope has {len(envelope)} bytes, a device reads at most {ENVELOPE_MOST}")
    text = base64.urlsafe_b64encode(envelope).decode("ascii").rstrip("=")
    chunks = [text[start : start + on_device.CHUNK_MOST] for start in range(0, len(text), on_device.CHUNK_MOST)]
    order = {"id": hashlib.sha256(envelope).hexdigest(), "n": len(chunks), "go": go}
    order.update({f"c{index}": chunk for index, chunk in enumerate(chunks)})
    on_device.assemble(order)  # what a device would refuse is never sent
    return order


def patch_of(orders: dict) -> dict:
    """The desired properties that set orders by name (stage, retire, revert, keys); None withdraws one."""
    return {SECTION: dict(orders)}


def must_fit(orders: dict, desired: dict | None = None) -> int:
    """Bytes of a twin's desired properties with these orders beside what is there; OrderTooLarge when the hub would refuse."""
    patch = patch_of(orders)
    result = twin_limits.merged({name: value for name, value in (desired or {}).items() if not name.startswith("$")}, patch)
    found = twin_limits.complaints("desired", patch, result)
    if found:
        raise OrderTooLarge("; ".join(found))
    return twin_limits.size(result)


__all__ = ("NAMES", "SECTION", "OrderTooLarge", "must_fit", "order_of", "patch_of")
