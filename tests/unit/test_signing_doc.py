# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/signing.md tells every reason that a device refuses for, and no other."""

from __future__ import annotations

import ast
import re

from tests.unit.test_rules import CORE, ROOT

SIGNING = (ROOT / "docs" / "signing.md").read_text()


def reasons() -> set[str]:
    """The first argument of every Refused(...) in the core."""
    calls = [node for path in CORE.rglob("*.py") for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    return {call.args[0].value for call in calls if getattr(call.func, "id", "") == "Refused"}


def told(text: str) -> set[str]:
    return set(re.findall(r"^\| `([a-z-]+)` \|", text.partition("## Why a device refused")[2], re.MULTILINE))


def test_every_reason_is_told():
    assert len(reasons()) >= 14 and reasons() == told(SIGNING)


def test_that_check_can_fail():
    assert reasons() - told(SIGNING.replace("| `serial` |", "| |")) == {"serial"}
