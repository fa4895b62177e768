# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""JSON from whoever can write a twin: what two parsers could read in two ways is refused, and so is what eats a stack.

RFC 8259 leaves names that stand twice to the reader (section 4) and allows limits of size, depth and numbers (section 9).
"""

from __future__ import annotations

import json
import math
import re

from .errors import Refused

DEPTH_MOST = 16
INTEGER_MOST = 2**52  # of a twin, and exact in every parser's floating point numbers
DIGITS_MOST = 24
STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)


def loads(data, most, what):
    """The object that ``data`` (bytes) holds; Refused with reason ``too-large`` or ``damaged``. ``what`` is for the message."""
    if len(data) > most:
        raise Refused("too-large", "{0} has {1} bytes, at most {2} are read".format(what, len(data), most))
    try:
        text = data.decode("utf-8")
        _check_depth(text)
        document = json.loads(text, object_pairs_hook=_object, parse_constant=_constant, parse_int=_integer, parse_float=_number)
        json.dumps(document, ensure_ascii=False).encode("utf-8")  # half a surrogate pair is text to json, and to nobody else
    except ValueError as exc:
        raise Refused("damaged", "{0} is not JSON as it is read here: {1}".format(what, exc)) from exc
    if not isinstance(document, dict):
        raise Refused("damaged", "{0} is not a JSON object".format(what))
    return document


def is_whole(value, least):
    """Whether it is a number without a fraction, from ``least`` on; True and False are numbers to Python, and not here."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= INTEGER_MOST


def _check_depth(text):
    """Before the parser, which calls itself for each bracket."""
    depth = 0
    for character in STRING.sub("", text):
        depth += (character in "[{") - (character in "]}")
        if depth > DEPTH_MOST:
            raise ValueError("nested deeper than {0} levels".format(DEPTH_MOST))


def _object(pairs):
    found = {}
    for name, value in pairs:
        if name in found:
            raise ValueError("the name {0!r} stands twice".format(name[:64]))
        found[name] = value
    return found


def _constant(word):
    raise ValueError("{0} is no number".format(word))


def _integer(text):
    if len(text) > DIGITS_MOST or abs(int(text)) > INTEGER_MOST:
        raise ValueError("a number beyond 2^52")
    return int(text)


def _number(text):
    if len(text) > DIGITS_MOST or not math.isfinite(float(text)):
        raise ValueError("a number too long or too large")
    return float(text)


__all__ = ("is_whole", "loads")
