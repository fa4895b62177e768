# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/threat-model.md promises nothing without a test: every row of its tables names tests, and each exists and is run."""

from __future__ import annotations

import ast
import re

import pytest

from tests.unit.test_rules import ROOT

PAGE = (ROOT / "docs" / "threat-model.md").read_text()
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
SECTIONS = ("## Who attacks", "## Bad input, one by one")


def rows(text: str) -> list[list[str]]:
    """The cells of every row of the two tables, without heads."""
    found = []
    for section in SECTIONS:
        lines = [line for line in text.partition(section)[2].partition("\n## ")[0].splitlines() if line.startswith("|")]
        found += [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    return found


def runnable_in(path: str) -> set[str]:
    """Names of the test functions of a file; one that is always left out is none."""
    file = ROOT / path
    if not file.is_file():
        return set()
    functions = [node for node in ast.parse(file.read_text()).body if isinstance(node, ast.FunctionDef)]
    return {one.name for one in functions if one.name.startswith("test_") and not any(map(left_out, one.decorator_list))}


def left_out(decorator: ast.expr) -> bool:
    return bool(re.search(r"mark\.(skip|xfail)\b", ast.unparse(decorator)))


def missing(text: str) -> list[str]:
    """What the page names and nobody can run."""
    return [f"{path}::{name}" for path, name in NAMED.findall(text) if name not in runnable_in(path)]


def test_every_named_test_exists():
    assert len(NAMED.findall(PAGE)) >= 80 and missing(PAGE) == []


def test_every_row_has_a_test():
    assert len(rows(PAGE)) >= 13 + 21
    assert [row[0] for row in rows(PAGE) if not NAMED.search(row[-1])] == []


@pytest.mark.parametrize(
    "now, then",
    [
        pytest.param("::test_a_signed_revert`", "::test_no_such_thing`", id="a test that was renamed"),
        pytest.param("tests/unit/agent/test_evicted.py", "tests/unit/agent/test_gone.py", id="a file that was moved"),
    ],
)
def test_that_check_can_fail(now, then):
    assert now in PAGE and missing(PAGE.replace(now, then))


def test_a_row_without_a_test_is_seen():
    first = rows(PAGE)[0]
    assert not NAMED.search(first[0]) and NAMED.search(first[-1])
    bare = NAMED.sub("", PAGE)
    assert len([row for row in rows(bare) if not NAMED.search(row[-1])]) == len(rows(PAGE))


@pytest.mark.parametrize("name, out", [("skip", True), ("xfail", True), ("slow", False)])
def test_a_test_that_never_runs_is_none(name, out):
    assert left_out(ast.parse(f"pytest.mark.{name}(strict=True)", mode="eval").body) is out
    assert left_out(ast.parse(f"pytest.mark.{name}", mode="eval").body) is out
    assert not left_out(ast.parse("MUCH", mode="eval").body)
