# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A query's text as tokens: words, literals, operators, each with its place."""

from __future__ import annotations

import re
from dataclasses import dataclass

TEXT_MOST = 8192  # characters, azure-docs query-twins


class QueryError(Exception):
    """The text is no query that the hub knows; the message names what and where."""


@dataclass(frozen=True)
class Token:
    """``kind`` is word, text, number, sign or end; ``value`` is the literal's value or the sign itself."""

    kind: str
    value: object
    place: int

    def is_word(self, word: str) -> bool:
        return self.kind == "word" and str(self.value).upper() == word

    def is_sign(self, sign: str) -> bool:
        return self.kind == "sign" and self.value == sign


PATTERN = re.compile(
    r"""\s*(?:
    (?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
  | (?P<word>[A-Za-z_$][A-Za-z0-9_$-]*)
  | (?P<text>'(?:[^'\\]|''|\\.)*'|"(?:[^"\\]|""|\\.)*")
  | (?P<sign><=|>=|!=|<>|[=<>(),.*\[\]])
  )""",
    re.VERBOSE,
)


def tokens(text: str) -> list[Token]:
    """All tokens and a last one of kind end; raises QueryError."""
    if len(text) > TEXT_MOST:
        raise QueryError(f"the query has {len(text)} characters, at most {TEXT_MOST} are allowed")
    found, place, end = [], 0, len(text.rstrip())
    while place < end:
        match = PATTERN.match(text, place)
        if match is None:
            raise QueryError(f"unexpected {text[place:].lstrip()[:1]!r} at {place}")
        kind = str(match.lastgroup)
        found.append(Token(kind, _value(kind, match[kind]), match.start(kind)))
        place = match.end()
    return [*found, Token("end", "", place)]


def _value(kind: str, raw: str):
    if kind == "number":
        return int(raw) if re.fullmatch(r"-?\d+", raw) else float(raw)
    if kind == "text":
        quote = raw[0]
        return re.sub(r"\\(.)", r"\1", raw[1:-1].replace(quote * 2, quote))
    return "!=" if raw == "<>" else raw
