# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""The stores that Rootwave knows. Only the one that is here is imported: on a gateway every import is compiled anew. The imports
stand here by name because Ansible ships to a gateway only what an import names.
"""

from __future__ import annotations

from .layouts import layout_here


def system_store(state_dir, layout=None):
    """The system store of this gateway; raises UnsupportedGateway where none is known."""
    layout = layout or layout_here()
    return _way_of(layout.name)(layout, state_dir)


def _way_of(name):
    if name == "debian":
        from .debian import DebianStore

        return DebianStore
    if name == "rhel":
        from .p11kit import P11KitStore

        return P11KitStore
    from .system import ReadOnlyStore

    return ReadOnlyStore


__all__ = ("system_store",)
