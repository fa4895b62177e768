# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Twin limits on the control node: RFC 7386's own table, each bound from both sides, and the lab hub's second reading."""

from __future__ import annotations

import pytest
from ansible_collections.rootwave.iot.plugins.plugin_utils.twin_limits import complaints, merged, size

from lab.hub import documents

# RFC 7386, appendix A, those whose target and patch are objects
MERGES = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


def nested(depth: int) -> dict:
    return {"k": nested(depth - 1)} if depth > 1 else {"k": 1}


def eight(value: str) -> dict:
    return {str(n): value for n in range(8)}


@pytest.mark.parametrize("target, patch, result", MERGES)
def test_merge(target, patch, result):
    before = repr(target)
    assert merged(target, patch) == result
    assert repr(target) == before


@pytest.mark.parametrize(
    "section, fits, does_not, words",
    [
        ("tags", {"k": "v" * 4096}, {"k": "v" * 4097}, "tags.k has 4097 bytes"),
        ("tags", {"k": 2**52}, {"k": 2**52 + 1}, "tags.k is beyond 2^52"),
        ("tags", {"k": [-(2**52)]}, {"k": [1, -(2**52) - 1]}, "tags.k[1] is beyond"),
        ("tags", {"k" * 1024: 1}, {"k" * 1025: 1}, "a name below tags has 1025 bytes"),
        ("desired", {"a-b": 1}, {"x": {"a.b": 1}}, "the name 'a.b' below desired.x has '.'"),
        ("desired", {"a_b": 1}, {"$a b": 1}, "has ' ', '$'"),
        ("desired", nested(11), nested(12), "nested deeper than 10"),
        ("tags", eight("v" * 1000), eight("v" * 1024), "8200 bytes, the hub takes 8192"),
    ],
)  # fmt: skip
def test_bounds(section, fits, does_not, words):
    assert complaints(section, fits, merged({}, fits)) == []
    assert words in "; ".join(complaints(section, does_not, merged({}, does_not)))


def test_the_result_counts_and_not_the_patch():
    full = eight("v" * 1000)
    small = {"one": "v" * 400}
    assert complaints("tags", small, merged({}, small)) == []
    assert "the hub takes 8192" in complaints("tags", small, merged(full, small))[0]
    away = {"0": None}
    assert complaints("tags", away, merged(full, away)) == []


@pytest.mark.parametrize("value", [{"a": 1}, {"a": [True, "x\x01y"]}, {"a": {"b": None}}, {"long": "ä" * 40}])
def test_the_lab_counts_the_same(value):
    assert size(value) == documents.size(value)
