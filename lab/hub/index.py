# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What queries see: twins in the order of their names, ``lag`` seconds late.

The real hub's queries are eventually consistent (azure-docs query-twins); reading a twin by its id is always current.
"""

from __future__ import annotations

import bisect
import time
from collections.abc import Callable, Iterator


class Index:
    """``current`` gives a twin's document now, or None where there is none."""

    def __init__(self, current: Callable[[str], dict | None], clock: Callable[[], float] = time.monotonic) -> None:
        self._current, self._clock = current, clock
        self._keys: list[str] = []
        self._past: dict[str, list[tuple[float, dict | None]]] = {}
        self.lag = 0.0

    def load(self, keys) -> None:
        self._keys = sorted(keys)

    def changing(self, key: str, before: dict | None) -> None:
        """Called before a change: ``before`` is the document as it was, None for one that is to be made."""
        place = bisect.bisect_left(self._keys, key)
        if place == len(self._keys) or self._keys[place] != key:
            self._keys.insert(place, key)
        if self.lag > 0:
            self._past.setdefault(key, []).append((self._clock(), before))

    def documents(self, after: str = "") -> Iterator[tuple[str, dict]]:
        """(key, document) of every twin behind ``after`` as it was ``lag`` seconds ago."""
        # a copy of the names: the registry may change while a caller awaits
        for key in self._keys[bisect.bisect_right(self._keys, after) :]:
            document = self.document(key)
            if document is not None:
                yield key, document

    def document(self, key: str) -> dict | None:
        past = self._past.get(key)
        if past:
            seen = self._clock() - self.lag
            hidden = [entry for entry in past if entry[0] > seen]
            if hidden:
                self._past[key] = hidden
                return hidden[0][1]
            del self._past[key]
        return self._current(key)
