# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A query's text becomes a Query: recursive descent, one method per rule. Anything it does not know is a QueryError."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from .evaluate import UNDEFINED, Condition, Value, aggregate, comparison, function, literal, membership, path_of
from .tokens import QueryError, Token, tokens

DEPTH_MOST = 64  # of parentheses and NOTs: hostile text must not exhaust the stack
SOURCES = ("devices", "devices.modules", "devices.jobs")
AGGREGATES = ("COUNT", "SUM", "AVG", "MIN", "MAX")
KEYWORDS = ("FROM", "WHERE", "GROUP", "BY", "AS", "AND", "OR", "NOT", "IN", "NIN", "SELECT")


@dataclass(frozen=True)
class Column:
    """One part of a SELECT list; ``function`` is empty for a plain path."""

    name: str
    value: Value
    path: tuple[str, ...]
    function: str = ""


@dataclass(frozen=True)
class Query:
    """``columns`` is None for SELECT *."""

    source: str
    columns: list[Column] | None
    where: Condition
    groups: list[tuple[str, ...]]
    top: int | None = None

    @property
    def item_type(self) -> str:
        if self.columns is not None:
            return "Raw"
        return "DeviceJob" if self.source == "devices.jobs" else "Twin"

    @property
    def aggregates(self) -> bool:
        return bool(self.groups) or any(column.function for column in self.columns or [])

    def matches(self, document: dict) -> bool:
        return self.where(document)

    def project(self, document: dict) -> dict:
        """One row; what the document does not have is left out."""
        if self.columns is None:
            return document
        values = ((column.name, column.value(document)) for column in self.columns)
        return {name: value for name, value in values if value is not UNDEFINED}

    def aggregate(self, documents: Iterable[dict]) -> list[dict]:
        """Rows of a query with aggregates, one per group; documents that do not match are passed over."""
        keys = [path_of(path) for path in self.groups]
        classes: dict[str, list[dict]] = {} if keys else {"[]": []}
        for document in documents:
            if self.where(document):
                values = [key(document) for key in keys]
                named = json.dumps([["undefined"] if value is UNDEFINED else [value] for value in values] if keys else [])
                classes.setdefault(named, []).append(document)
        return [self._row(members) for members in classes.values()]

    def _row(self, members: list[dict]) -> dict:
        row = {}
        for column in self.columns or []:
            if column.function:
                row[column.name] = aggregate(column.function, [column.value(document) for document in members])
            else:
                row[column.name] = column.value(members[0])
        return {name: value for name, value in row.items() if value is not UNDEFINED}


def parse(text: str) -> Query:
    return Parser(tokens(text)).query()


def condition(text: str) -> Condition:
    """A bare condition; ``*`` and nothing hold for everything."""
    if text.strip() in ("", "*"):
        return lambda _document: True
    return Parser(tokens(text)).whole_condition()


class Parser:
    def __init__(self, found: list[Token]) -> None:
        self._tokens, self._at, self._depth = found, 0, 0

    def query(self) -> Query:
        self._word("SELECT")
        top = self._top()
        columns = self._columns()
        self._word("FROM")
        source = ".".join(self._path()).lower()
        if source not in SOURCES:
            raise QueryError(f"unknown source {source}; it is one of {', '.join(SOURCES)}")
        where = self._or() if self._take_word("WHERE") else lambda _document: True
        groups = self._groups() if self._take_word("GROUP") else []
        self._end()
        query = Query(source, columns, where, groups, top)
        self._check_groups(query)
        return query

    def whole_condition(self) -> Condition:
        where = self._or()
        self._end()
        return where

    # SELECT list

    def _top(self) -> int | None:
        if not self._take_word("TOP"):
            return None
        token = self._next()
        if token.kind != "number" or not isinstance(token.value, int) or token.value < 1:
            raise self._unexpected(token)
        return token.value

    def _columns(self) -> list[Column] | None:
        if self._take_sign("*"):
            return None
        columns = [self._column()]
        while self._take_sign(","):
            columns.append(self._column())
        return columns

    def _column(self) -> Column:
        path = self._path()
        name, called = path[-1], ""
        if self._take_sign("("):
            called = path[0].upper()
            if len(path) != 1 or called not in AGGREGATES:
                raise QueryError(f"unknown aggregate {'.'.join(path)}")
            empty = self._peek().is_sign(")")
            if not empty:
                path = self._path()
            if empty and called != "COUNT":
                raise QueryError(f"{called} needs a path")
            self._sign(")")
            name = called.lower()
        if self._take_word("AS"):
            name = str(self._next_word().value)
        return Column(name, path_of(_own(path)), _own(path), called)

    def _groups(self) -> list[tuple[str, ...]]:
        self._word("BY")
        groups = [_own(self._path())]
        while self._take_sign(","):
            groups.append(_own(self._path()))
        return groups

    @staticmethod
    def _check_groups(query: Query) -> None:
        if not query.aggregates:
            return
        loose = [column.name for column in query.columns or [] if not column.function and column.path not in query.groups]
        if query.columns is None or loose:
            raise QueryError(f"{', '.join(loose) or '*'} is neither grouped nor an aggregate")

    # conditions

    def _or(self) -> Condition:
        parts = [self._and()]
        while self._take_word("OR"):
            parts.append(self._and())
        return parts[0] if len(parts) == 1 else lambda document: any(part(document) for part in parts)

    def _and(self) -> Condition:
        parts = [self._not()]
        while self._take_word("AND"):
            parts.append(self._not())
        return parts[0] if len(parts) == 1 else lambda document: all(part(document) for part in parts)

    def _not(self) -> Condition:
        self._depth += 1
        if self._depth > DEPTH_MOST:
            raise QueryError(f"nested deeper than {DEPTH_MOST} levels")
        try:
            if self._take_word("NOT"):
                part = self._not()
                return lambda document: not part(document)
            if self._take_sign("("):
                inner = self._or()
                self._sign(")")
                return inner
            return self._test()
        finally:
            self._depth -= 1

    def _test(self) -> Condition:
        place = self._peek().place
        left, called = self._value()
        if called:
            return function(called, self._arguments(), place)
        if self._take_word("IN"):
            return membership(left, self._members(), True)
        if self._take_word("NIN"):
            return membership(left, self._members(), False)
        token = self._next()
        if token.kind != "sign" or token.value not in ("=", "!=", "<", "<=", ">", ">="):
            raise self._unexpected(token)
        return comparison(left, str(token.value), self._plain_value())

    def _arguments(self) -> list[Value]:
        self._sign("(")
        values = [self._plain_value()]
        while self._take_sign(","):
            values.append(self._plain_value())
        self._sign(")")
        return values

    def _members(self) -> list[Value]:
        self._sign("[")
        if self._take_sign("]"):
            return []
        values = [self._plain_value()]
        while self._take_sign(","):
            values.append(self._plain_value())
        self._sign("]")
        return values

    def _plain_value(self) -> Value:
        place = self._peek().place
        value, called = self._value()
        if called:
            raise QueryError(f"a function is not a value, at {place}")
        return value

    def _value(self) -> tuple[Value, str]:
        """(value, "") or (anything, the name of a function whose arguments come next)."""
        token = self._peek()
        if token.kind in ("text", "number"):
            self._at += 1
            return literal(token.value), ""
        for word, value in (("TRUE", True), ("FALSE", False), ("NULL", None)):
            if self._take_word(word):
                return literal(value), ""
        path = self._path()
        if self._peek().is_sign("("):
            return path_of(path), ".".join(path)
        return path_of(_own(path)), ""

    # tokens

    def _path(self) -> tuple[str, ...]:
        parts = [str(self._next_word().value)]
        while True:
            if self._take_sign("."):
                parts.append(str(self._next_word(keywords=True).value))
            elif self._peek().is_sign("[") and self._tokens[self._at + 1].kind == "text":
                self._at += 1
                parts.append(str(self._next().value))
                self._sign("]")
            else:
                return tuple(parts)

    def _peek(self) -> Token:
        return self._tokens[self._at]

    def _next(self) -> Token:
        token = self._tokens[self._at]
        if token.kind != "end":
            self._at += 1
        return token

    def _next_word(self, keywords: bool = False) -> Token:
        token = self._next()
        if token.kind != "word" or (not keywords and str(token.value).upper() in KEYWORDS):
            raise self._unexpected(token)
        return token

    def _take_word(self, word: str) -> bool:
        found = self._peek().is_word(word)
        self._at += found
        return found

    def _take_sign(self, sign: str) -> bool:
        found = self._peek().is_sign(sign)
        self._at += found
        return found

    def _word(self, word: str) -> None:
        if not self._take_word(word):
            raise QueryError(f"expected {word} at {self._peek().place}")

    def _sign(self, sign: str) -> None:
        if not self._take_sign(sign):
            raise QueryError(f"expected {sign} at {self._peek().place}")

    def _end(self) -> None:
        if self._peek().kind != "end":
            raise self._unexpected(self._peek())

    @staticmethod
    def _unexpected(token: Token) -> QueryError:
        return QueryError(f"unexpected {token.value or 'end'!r} at {token.place}")


def _own(path: tuple[str, ...]) -> tuple[str, ...]:
    """Without the source that a path may begin with: devices.deviceId, devices.jobs.jobId."""
    for source in (("devices", "jobs"), ("devices", "modules"), ("devices",)):
        if tuple(part.lower() for part in path[: len(source)]) == source and len(path) > len(source):
            return path[len(source) :]
    return path
