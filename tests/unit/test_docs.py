# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documents promise, compared with the sources: a blocker that an operator cannot look up is of no use at 3 a.m."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.model import STAGES

from tests.unit.test_rules import CORE, imports

ROOT = Path(__file__).resolve().parents[2]
RETIRE = (ROOT / "docs" / "retire.md").read_text()
FIREWALLS = (ROOT / "docs" / "firewalls.md").read_text()
# not ssl: pem only parses with it; time: desired only parses dates
IO = {"os", "socket", "subprocess", "select", "threading", "fcntl", "tempfile", "shutil"}


def blocker_ids() -> set[str]:
    """The first argument of every Blocker(...) in the core; the probe's stages stand behind "endpoint-" + stage."""
    found = {f"endpoint-{stage}" for stage in STAGES if stage not in ("ok", "not-offered")}
    for path in CORE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and getattr(node.func, "id", "") == "Blocker"
                and isinstance(node.args[0], ast.Constant)
            ):
                found.add(node.args[0].value)
    return found


def told(text: str) -> set[str]:
    """Every `word`; `-tcp` behind `endpoint-dns` is endpoint-tcp."""
    words = set(re.findall(r"`([a-z-]+)`", text))
    return words | {f"endpoint{word}" for word in words if word.startswith("-")}


def test_every_blocker_is_told():
    assert {"clock", "safe-after", "later-phase", "endpoint-unproved"} <= blocker_ids()
    assert not blocker_ids() - told(RETIRE) - told(FIREWALLS)


@pytest.mark.parametrize("blocker", ["endpoint-clock", "endpoint-tcp", "mixed-file"])
def test_that_check_can_fail(blocker):
    assert blocker in blocker_ids() - told(RETIRE.replace(f"`{blocker}`", "").replace("`-tcp`", ""))


def azure_kinds() -> set[str]:
    """What stands before the colon of a blocker that hub_info makes: in an f-string's first part, or an evidence's name."""
    folder = ROOT / "plugins" / "plugin_utils"
    ids = re.findall(r'AzureBlocker\(\s*f"([a-z-]+):', (folder / "azure_blockers.py").read_text())
    evidence = re.findall(r'_missing\(\s*"([a-z-]+)"', (folder / "estate.py").read_text())
    return {*ids, *evidence} - {"private-endpoint"}  # told, but no blocker


def test_every_blocker_of_azure_is_told():
    told_ids = set(re.findall(r"^\| `([a-z-]+):<", RETIRE, re.MULTILINE))
    assert len(told_ids) == 7 and azure_kinds() == told_ids


def without_io() -> list[str]:
    sentence = re.search(r"^Without I/O \(`([a-z, ]+)`\)", (ROOT / "docs" / "architecture.md").read_text(), re.MULTILINE)
    return sentence.group(1).split(", ") if sentence else []


def test_what_architecture_calls_without_io_has_none():
    assert without_io()
    for name in without_io():
        assert not {module for level, module in imports(CORE / f"{name}.py") if level == 0} & IO, name


def test_the_io_check_can_fail():
    assert {module for level, module in imports(CORE / "journal.py") if level == 0} & IO
