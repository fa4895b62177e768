# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conditions and projections as closures over one document: compiled once, run over a hundred thousand twins.

What a document does not have is UNDEFINED: every comparison with it is false, != too (the language's reference says so for
undefined values of Cosmos DB's SQL, which it is a part of). Comparisons of different types are false as well.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from .tokens import QueryError

UNDEFINED = object()
Value = Callable[[dict], object]
Condition = Callable[[dict], bool]


def path_of(parts: tuple[str, ...]) -> Value:
    """The value at a path, or UNDEFINED."""

    def resolve(document):
        for part in parts:
            if not isinstance(document, dict) or part not in document:
                return UNDEFINED
            document = document[part]
        return document

    return resolve


def literal(value) -> Value:
    return lambda _document: value


def kind_of(value) -> str:
    """null, boolean, number, string, object, array, undefined."""
    if value is UNDEFINED:
        return "undefined"
    if value is None:
        return "null"
    kinds = {bool: "boolean", int: "number", float: "number", str: "string", dict: "object", list: "array"}
    return kinds[type(value)]


COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def comparison(left: Value, sign: str, right: Value) -> Condition:
    compare, ordered = COMPARE[sign], sign not in ("=", "!=")

    def check(document) -> bool:
        one, other = left(document), right(document)
        kind = kind_of(one)
        if kind == "undefined" or kind != kind_of(other):
            return False
        if ordered and kind not in ("number", "string"):
            return False
        return compare(one, other)

    return check


def membership(left: Value, members: list[Value], wanted: bool) -> Condition:
    def check(document) -> bool:
        value = left(document)
        if value is UNDEFINED:
            return False
        kind = kind_of(value)
        found = any(kind == kind_of(each := member(document)) and each == value for member in members)
        return found is wanted

    return check


def _texts(test) -> Callable[[object, object], bool]:
    return lambda one, other: isinstance(one, str) and isinstance(other, str) and test(one, other)


def _is(*kinds: str) -> Callable[[object], bool]:
    return lambda value: kind_of(value) in kinds


# name: (number of arguments, test)
FUNCTIONS: dict[str, tuple[int, Callable[..., bool]]] = {
    "IS_DEFINED": (1, lambda value: value is not UNDEFINED),
    "IS_NULL": (1, _is("null")),
    "IS_BOOL": (1, _is("boolean")),
    "IS_NUMBER": (1, _is("number")),
    "IS_STRING": (1, _is("string")),
    "IS_OBJECT": (1, _is("object")),
    "IS_ARRAY": (1, _is("array")),
    "IS_PRIMITIVE": (1, _is("null", "boolean", "number", "string")),
    "STARTSWITH": (2, _texts(str.startswith)),
    "ENDSWITH": (2, _texts(str.endswith)),
    "CONTAINS": (2, _texts(str.__contains__)),
}


def function(name: str, arguments: list[Value], place: int) -> Condition:
    known = FUNCTIONS.get(name.upper())
    if known is None:
        raise QueryError(f"unknown function {name} at {place}")
    count, test = known
    if len(arguments) != count:
        raise QueryError(f"{name} at {place} takes {count} arguments, not {len(arguments)}")
    return lambda document: test(*(argument(document) for argument in arguments))


def aggregate(name: str, values: list) -> object:
    """COUNT over rows; SUM, AVG, MIN and MAX over the numbers among the values."""
    if name == "COUNT":
        return len(values)
    numbers = [value for value in values if kind_of(value) == "number"]
    if not numbers:
        return UNDEFINED
    totals: dict[str, Callable[[list], float]] = {"SUM": sum, "MIN": min, "MAX": max, "AVG": lambda them: sum(them) / len(them)}
    return totals[name](numbers)
