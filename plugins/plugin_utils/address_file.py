# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. Pure: the text of an address file <-> its entries.

``{"schema": 1, "prefixes": [{"prefix", "source"}]}`` as YAML, one prefix a line, so that a diff of two files is one of prefixes.
"""

from __future__ import annotations

import json
from typing import Any

import yaml

from .prefixes import MOST, SOURCE_MOST, Entry, PrefixError, must_be_usable, network_of, outermost

BYTES_MOST = 4 * 1024 * 1024
FASTEST: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where PyYAML was built with libyaml


class Loader(FASTEST):
    """A key that stands twice would silently win over the other one."""

    def construct_mapping(self, node, deep=False):
        seen: set = set()
        for key, _value in node.value:
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"key {key.value} stands twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


HEAD = "# Addresses for firewalls. Made by rootwave.iot.hub_addresses; make it anew instead of editing it.\n"


def text_of(entries: list[Entry]) -> str:
    """Texts as JSON, which YAML reads too: no quoting that could go wrong."""
    lines = [f"  - {json.dumps(entry.as_dict(), ensure_ascii=False)}\n" for entry in entries]
    return "".join([HEAD, "schema: 1\nprefixes:\n", *lines])


def parse(text: str, meant: tuple[str, ...] = ()) -> list[Entry]:
    """The entries, disjoint and in order; PrefixError names the key. With ``meant`` each must be usable as one of these kinds."""
    rows = _rows(_document(text))
    sources: dict = {}
    for index, row in enumerate(rows):
        try:
            network, source = _row(row)
            if meant:
                must_be_usable(network, meant)
        except PrefixError as exc:
            raise PrefixError(f"prefixes.{index}: {exc}") from exc
        sources.setdefault(network, []).append(source)
    return outermost(sources, [source for texts in sources.values() for source in texts])


def _document(text: str) -> Any:
    try:
        return yaml.load(text, Loader=Loader)
    except (yaml.YAMLError, RecursionError, ValueError) as exc:  # ValueError: a date such as 2026-99-99
        mark = getattr(exc, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        raise PrefixError(f"{where}not YAML: {getattr(exc, 'problem', None) or exc}") from exc


def _rows(document: Any) -> list:
    if not isinstance(document, dict) or set(document) != {"schema", "prefixes"}:
        raise PrefixError("an address file is a mapping with schema and prefixes; rootwave.iot.hub_addresses makes one")
    if document["schema"] != 1 or isinstance(document["schema"], bool):
        raise PrefixError(f"schema: {document['schema']!r} is not known here; update Rootwave")
    rows = document["prefixes"]
    if not isinstance(rows, list) or not rows:
        raise PrefixError("prefixes: a list that is not empty is wanted; an empty allowlist would cut every gateway off")
    if len(rows) > MOST:
        raise PrefixError(f"prefixes: {len(rows)} of them, at most {MOST} are taken")
    return rows


def _row(row: Any) -> tuple:
    if not isinstance(row, dict) or set(row) != {"prefix", "source"}:
        raise PrefixError("it has prefix and source, nothing else")
    return network_of(row["prefix"]), checked_source(row["source"])


def checked_source(source: Any) -> str:
    """It is shown in reports and beside rules; one line of it, and not too long."""
    if not isinstance(source, str) or not source.strip() or not source.isprintable() or len(source) > SOURCE_MOST:
        raise PrefixError(f"source: one line of text is wanted, at most {SOURCE_MOST} characters; quote what looks like a date")
    return source


__all__ = ("BYTES_MOST", "checked_source", "parse", "text_of")
