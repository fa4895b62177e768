# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. A source that fails leaves the inventory as it was: Ansible keeps what it has added until then."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def all_or_nothing(inventory) -> Iterator[None]:
    """Whatever was done to hosts and groups in here is undone when it ends with an exception.

    Every attribute of the inventory, its hosts and its groups is kept rather than a list of them, which differs between
    versions of Ansible. Containers are copied as deep as Ansible changes them in place; variables it replaces as a whole.
    """
    kept = [(one, _attributes(one)) for one in (inventory, *inventory.hosts.values(), *inventory.groups.values())]
    try:
        yield
    except BaseException:
        for one, attributes in kept:
            vars(one).clear()
            vars(one).update(attributes)
        raise


def _attributes(one) -> dict:
    return {name: copy.copy(value) if isinstance(value, (dict, list, set)) else value for name, value in vars(one).items()}


__all__ = ("all_or_nothing",)
