# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Address files, whoever wrote them: each complaint names the key."""

from __future__ import annotations

import json
import time

import pytest
from ansible_collections.rootwave.iot.plugins.plugin_utils.address_file import parse, text_of
from ansible_collections.rootwave.iot.plugins.plugin_utils.prefixes import MOST, PRIVATE, PUBLIC, Entry, PrefixError, network_of

GOOD = """schema: 1
prefixes:
  - {prefix: 20.1.2.0/24, source: by hand}
  - prefix: 2603:1030::/47
    source: "2026-11-23"
"""


def test_by_hand():
    assert [one.as_dict() for one in parse(GOOD, (PUBLIC,))] == [
        {"prefix": "20.1.2.0/24", "source": "by hand"},
        {"prefix": "2603:1030::/47", "source": "2026-11-23"},
    ]


def test_overlaps_by_hand_become_disjoint():
    text = GOOD.replace("2603:1030::/47", "20.1.2.7").replace('"2026-11-23"', "mine")
    assert [one.as_dict() for one in parse(text)] == [{"prefix": "20.1.2.0/24", "source": "by hand; mine"}]


def test_json_is_yaml():
    rows = [{"prefix": "20.1.2.0/24", "source": "by hand"}]
    assert [one.as_dict() for one in parse(json.dumps({"schema": 1, "prefixes": rows}))] == rows


@pytest.mark.parametrize("source", ["plain", 'quo"te', "back\\slash", "a: b # c", "Größe 🙂", "yes", "- x"])
def test_any_source_reads_back(source):
    entries = [Entry(network_of("20.1.2.0/24"), source)]
    assert parse(text_of(entries)) == entries


@pytest.mark.parametrize(
    "old, new, words",
    [
        ("schema: 1", "schema: 2", "schema: 2 is not known here; update Rootwave"),
        ("schema: 1", "schema: true", "schema: True is not known here"),
        ("schema: 1", "schema: 1\nprefixes: [{prefix: 20.9.0.0/24, source: x}]", "line 3: not YAML: key prefixes stands twice"),
        ("{prefix: 20.1.2.0/24,", "{prefix: 20.1.2.0/24, prefix: 20.1.3.0/24,", "key prefix stands twice"),
        ("schema: 1", "scheme: 1", "a mapping with schema and prefixes"),
        ("20.1.2.0/24", "20.1.2.1/24", "prefixes.0: 20.1.2.1/24 has host bits set"),
        ("20.1.2.0/24", "0.0.0.0/0", "prefixes.0: 0.0.0.0/0 is wider than /8"),
        ("20.1.2.0/24", "10.1.2.0/24", "prefixes.0: 10.1.2.0/24 is private; private: true is for private endpoints"),
        ("20.1.2.0/24", "12", "prefixes.0: 12 is no text"),
        ('"2026-11-23"', "2026-11-23", "prefixes.1: source: one line of text is wanted.*; quote what looks like a date"),
        ('"2026-11-23"', "2026-99-99", "not YAML"),
        ("by hand", '"a\\nb"', "prefixes.0: source: one line"),
        ("source: by hand", "sauce: by hand", "prefixes.0: it has prefix and source, nothing else"),
        ("  - {prefix", "  - {{prefix", "prefixes.0|not YAML"),
        ("source: by hand}", "source: by hand", "line 4: not YAML|line 5: not YAML"),
    ],
)
def test_bad(old, new, words):
    assert old in GOOD
    with pytest.raises(PrefixError, match=words):
        parse(GOOD.replace(old, new), (PUBLIC,))


@pytest.mark.parametrize("text", ["", "[]", "schema: 1\nprefixes: []\n", "schema: 1\nprefixes:\n", "[" * 100_000, "a: &a [*a]"])
def test_none(text):
    with pytest.raises(PrefixError):
        parse(text)


def many(count):
    return text_of([Entry(network_of(f"20.{index >> 8}.{index & 255}.0/24"), "AzureIoTHub, change 42") for index in range(count)])


def test_as_many_as_are_taken_and_no_more():
    begin = time.monotonic()
    assert len(parse(many(MOST), (PUBLIC, PRIVATE))) == MOST
    assert time.monotonic() - begin < 10
    with pytest.raises(PrefixError, match="4097 of them, at most 4096"):
        parse(many(MOST + 1))
