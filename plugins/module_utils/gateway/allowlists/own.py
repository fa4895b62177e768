# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""What is ours, for tools whose elements carry no mark: ``/var/lib/rootwave/allowlist-own.json``, {place or set: [prefix]}.

A prefix is ours when it is written here and the tool has it. So write before a tool gets prefixes, and strike out after it has
lost them: whoever is killed between the two has written too much, which is nothing.
"""

from __future__ import annotations

from .. import files

PATH = "/var/lib/rootwave/allowlist-own.json"


def load(label):
    """The prefixes that were given to a place, a set of texts."""
    return set((files.read_json(PATH) or {}).get(label, ()))


def save(label, texts):
    """From now on these are ours at a place; none takes the place out of the record."""
    known = files.read_json(PATH) or {}
    wanted = {**known, label: sorted(texts)}
    if not texts:
        del wanted[label]
    if wanted != known:
        files.write_json(PATH, wanted)


__all__ = ("load", "save")
