# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""An administrator's own copies of a root, where one is to go; imported only then."""

from __future__ import annotations

from ..errors import BadInput


def copies_of(anchor, observed, tool):
    """The paths of the files that hold this anchor and nothing else, in order; BadInput for one that holds others beside it."""
    found = []
    for path in sorted(observed.sources):
        if anchor.sha256 not in observed.sources[path]:
            continue
        if len(set(observed.sources[path])) > 1:
            raise BadInput(
                "{0} holds other certificates beside {1}; split it into one file each, run {2} and start again".format(
                    path, anchor.name, tool
                )
            )
        found.append(path)
    return found


__all__ = ("copies_of",)
