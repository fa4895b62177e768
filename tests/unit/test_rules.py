# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules that the folders promise (docs/architecture.md), read from the sources themselves."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "plugins" / "module_utils" / "gateway"
PURE = ("model.py", "pem.py", "plan.py", "errors.py")
ON_GATEWAYS = [*CORE.rglob("*.py"), *(ROOT / "plugins" / "modules").glob("*.py"), ROOT / "plugins/module_utils/ansible_host.py"]
SOURCES = [path for folder in ("plugins", "lab", "tests") for path in (ROOT / folder).rglob("*.py")]
ROLES = [path.name for path in (ROOT / "roles").iterdir()]


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports(path: Path):
    """(level, first part of the name) of every import."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name.split(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.level, (node.module or "").split(".")[0]


@pytest.mark.parametrize("path", sorted(CORE.rglob("*.py")), ids=relative)
def test_core_imports_stdlib_and_itself(path):
    foreign = {name for level, name in imports(path) if level == 0 and name not in sys.stdlib_module_names}
    assert not foreign


@pytest.mark.parametrize("name", PURE)
def test_pure_files_do_no_io(name):
    io = {"os", "socket", "subprocess", "select", "threading", "fcntl", "tempfile", "time"}
    assert not {module for level, module in imports(CORE / name) if level == 0} & io


@pytest.mark.parametrize("path", sorted(ON_GATEWAYS), ids=relative)
def test_gateway_code_is_python_37(path):
    ast.parse(path.read_text(), feature_version=(3, 7))


def test_the_37_check_can_fail():
    with pytest.raises(SyntaxError):
        ast.parse("if (x := 1): pass", feature_version=(3, 7))


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_files_fit_in_one_head(path):
    assert len(path.read_text().splitlines()) <= 400


@pytest.mark.parametrize("path", sorted((ROOT / "playbooks").glob("*.yml")), ids=relative)
def test_playbooks_are_short(path):
    assert len(path.read_text().splitlines()) <= 40


@pytest.mark.parametrize("role", ROLES)
def test_defaults_are_documented(role):
    """Every default is an option with the same default, and only required options have none."""
    defaults = yaml.safe_load((ROOT / "roles" / role / "defaults" / "main.yml").read_text())
    specs = yaml.safe_load((ROOT / "roles" / role / "meta" / "argument_specs.yml").read_text())["argument_specs"]
    options = {name: option for entry_point in specs.values() for name, option in entry_point.get("options", {}).items()}
    assert {name: option["default"] for name, option in options.items() if "default" in option} == defaults
    assert all(option.get("required") for name, option in options.items() if name not in defaults)
    readme = (ROOT / "roles" / role / "README.md").read_text()
    assert all(f"`{name}`" in readme for name in options)


@pytest.mark.parametrize("path", sorted((ROOT / "tests" / "sanity").glob("ignore-*.txt")), ids=relative)
def test_sanity_ignores_nothing(path):
    assert path.read_text() == ""
