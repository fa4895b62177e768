# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""Deflate (RFC 1951) whose output depends on its input alone, for the build: not packed.

zipimport reads stored and deflated members only. Stored, the package is too large; zlib's output differs between zlib, zlib-ng
and their versions, so two machines would not make the same bytes. One block with the fixed codes: small, and enough.
"""

from __future__ import annotations

WINDOW, LEAST, MOST = 32768, 3, 258
CANDIDATES = 24  # earlier places with the same three bytes that are compared
LENGTHS = [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258]
DISTANCES = [1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145]
DISTANCES += [8193, 12289, 16385, 24577]


def deflate(data):
    """The raw deflate stream of some bytes."""
    out = _Bits()
    out.put(1, 1)  # the last block
    out.put(1, 2)  # with the fixed codes
    for length, value in _matches(data):
        if length:
            _put_match(out, length, value)
        else:
            _put_symbol(out, value)
    _put_symbol(out, 256)
    return out.bytes()


class _Bits:
    def __init__(self):
        self._done, self._bits, self._count = bytearray(), 0, 0

    def put(self, value, count):
        """Least significant bit first, 3.1.1."""
        self._bits |= value << self._count
        self._count += count
        while self._count >= 8:
            self._done.append(self._bits & 0xFF)
            self._bits >>= 8
            self._count -= 8

    def put_code(self, code, count):
        """A Huffman code, most significant bit first."""
        self.put(int(format(code, f"0{count}b")[::-1], 2), count)

    def bytes(self):
        return bytes(self._done) + (bytes([self._bits & 0xFF]) if self._count else b"")


def _put_symbol(out, symbol):
    """3.2.6."""
    if symbol < 144:
        out.put_code(0b00110000 + symbol, 8)
    elif symbol < 256:
        out.put_code(0b110010000 + symbol - 144, 9)
    elif symbol < 280:
        out.put_code(symbol - 256, 7)
    else:
        out.put_code(0b11000000 + symbol - 280, 8)


def _put_match(out, length, distance):
    """3.2.5."""
    at = max(index for index, least in enumerate(LENGTHS) if least <= length)
    _put_symbol(out, 257 + at)
    out.put(length - LENGTHS[at], 0 if at < 8 or at == 28 else at // 4 - 1)
    at = max(index for index, least in enumerate(DISTANCES) if least <= distance)
    out.put_code(at, 5)
    out.put(distance - DISTANCES[at], 0 if at < 4 else at // 2 - 1)


def _matches(data):
    """(length, distance) of what stood there before, or (0, byte)."""
    seen: dict = {}
    position = 0
    while position < len(data):
        length, distance = _longest(data, position, seen.get(data[position : position + LEAST], ()))
        yield (length, distance) if length else (0, data[position])
        for each in range(position, position + max(1, length)):
            seen.setdefault(data[each : each + LEAST], []).append(each)
        position += max(1, length)


def _longest(data, position, places):
    best, distance = 0, 0
    most = min(MOST, len(data) - position)
    for place in reversed(places[-CANDIDATES:]):
        if position - place > WINDOW:
            break
        if best and data[place : place + best + 1] != data[position : position + best + 1]:
            continue  # no longer than the best one
        length = LEAST
        while length < most and data[place + length] == data[position + length]:
            length += 1
        if length > best:
            best, distance = length, position - place
    return (best, distance) if best >= LEAST and most >= LEAST else (0, 0)


__all__ = ("deflate",)
