# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""The stores that Rootwave knows. An explicit table: Ansible ships to a gateway only what an import names."""

from __future__ import annotations

from .debian import DebianStore
from .p11kit import P11KitStore
from .system import ReadOnlyStore, layout_here

WAYS = {"debian": DebianStore, "rhel": P11KitStore}


def system_store(state_dir, layout=None):
    """The system store of this gateway; raises UnsupportedGateway where none is known."""
    layout = layout or layout_here()
    return WAYS.get(layout.name, ReadOnlyStore)(layout, state_dir)


__all__ = ("system_store",)
