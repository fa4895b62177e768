# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from lab.hub import documents
from lab.hub.errors import HubError

# RFC 7386, appendix A, where both sides are objects
RFC_7386 = [
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


@pytest.mark.parametrize("target, patch, result", RFC_7386)
def test_merge(target, patch, result):
    assert documents.merge(target, patch) == result


def nested(levels: int) -> dict:
    document: dict = {"leaf": 1}
    for _each in range(levels - 1):
        document = {"level": document}
    return document


@pytest.mark.parametrize(
    "patch",
    [
        {"a.b": 1},
        {"$a": 1},
        {"a b": 1},
        {"a#": 1},
        {"a\n": 1},
        {"": 1},
        {"k" * 1025: 1},
        {"a": "x" * 4097},
        {"a": ["x" * 4097]},
        {"a": 2**52 + 1},
        nested(12),
        ["not", "an", "object"],
        None,
    ],
)
def test_what_a_twin_cannot_hold(patch):
    with pytest.raises(HubError) as caught:
        documents.check_patch("desired", patch)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "patch",
    [{"k" * 1024: 1}, {"a": "x" * 4096}, {"a": 2**52}, {"a": -(2**52)}, nested(10), {"a-b_c": None}, {"a": [1, {"b": 2}]}],
)
def test_what_it_can(patch):
    assert documents.check_patch("desired", patch) == patch


def test_the_services_own_keys_are_passed_over():
    assert documents.check_patch("desired", {"a": 1, "$version": 4, "$metadata": {}}) == {"a": 1}


@pytest.mark.parametrize("section, most", [("tags", 8 * 1024), ("desired", 32 * 1024)])
def test_size(section, most):
    fits = {f"{index:03d}": "x" * 509 for index in range(most // 512)}
    documents.check_size(section, fits)
    with pytest.raises(HubError, match=str(most)):
        documents.check_size(section, {**fits, "k": True})


def test_size_as_the_hub_counts():
    assert documents.size({"ab": "x\ny", "n": 1.5, "t": True, "z": None}) == 2 + 2 + 1 + 8 + 1 + 4 + 1


def test_metadata_follows_the_patch():
    first = documents.stamp({}, {"a": {"b": 1}, "c": 2}, "t1", 2)
    second = documents.stamp(first, {"a": {"b": 3}, "c": None}, "t2", 3)
    assert second["a"]["b"] == {"$lastUpdated": "t2", "$lastUpdatedVersion": 3}
    assert "c" not in second and first["c"]["$lastUpdatedVersion"] == 2
