# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What agent/ promises (docs/agent.md): Python 3.7, nothing imported that is not packed, files that fit a head."""

from __future__ import annotations

import ast
import re
import sys

import pytest

from agent import build, config
from tests.unit.test_rules import ROOT, imports

PACKED = sorted(path for path in build.HERE.glob("*.py") if path.name not in build.NOT_PACKED)
CONTROL = [build.HERE / name for name in build.NOT_PACKED]
KNOWN = {"agent", "gateway", "paho"}


def name_of(path):
    return path.name


@pytest.mark.parametrize("path", PACKED, ids=name_of)
def test_packed_files_import_only_what_is_packed(path):
    foreign = {name for level, name in imports(path) if level == 0 and name not in sys.stdlib_module_names}
    assert foreign <= KNOWN - {"agent"}


@pytest.mark.parametrize("path", PACKED, ids=name_of)
def test_packed_files_are_python_37(path):
    ast.parse(path.read_text(), feature_version=(3, 7))


@pytest.mark.parametrize("path", PACKED, ids=name_of)
def test_paho_is_imported_in_one_place(path):
    assert ("paho" in {name for _level, name in imports(path)}) is (path.name == "transport.py")


@pytest.mark.parametrize("path", CONTROL, ids=name_of)
def test_the_build_needs_nothing_but_python(path):
    assert not {name for level, name in imports(path) if level == 0 and name not in sys.stdlib_module_names}


@pytest.mark.parametrize("path", [*PACKED, *CONTROL], ids=name_of)
def test_files_are_short(path):
    assert len(path.read_text().splitlines()) <= 300
    assert "SPDX-License-Identifier: Apache-2.0" in path.read_text()


def test_the_import_check_can_fail():
    assert {name for _level, name in imports(ROOT / "lab" / "fleet.py")} - set(sys.stdlib_module_names) - {""}
    with pytest.raises(SyntaxError):
        ast.parse("def f(a, /): pass", feature_version=(3, 7))


def test_state_is_where_the_core_keeps_its_own():
    from gateway.report import STATE_DIR

    assert config.Config("f", "h", "d").state_dir == STATE_DIR


def unit(name):
    return (build.HERE / "units" / name).read_text()


def sandbox(text):
    lines = [line for line in text.splitlines() if "=" in line and not line.startswith("#")]
    own = ("Description", "Type", "ExecStart", "ExecStartPre", "Restart", "RestartSec", "Wants", "TimeoutStartSec")
    return [line for line in lines if line.split("=")[0] not in own]


def test_both_services_have_one_sandbox():
    assert sandbox(unit("rootwave-agent.service")) == sandbox(unit("rootwave-inbox.service"))
    assert "ProtectSystem=strict" in sandbox(unit("rootwave-agent.service"))


def test_every_path_that_a_layout_writes_is_writable():
    from gateway.stores.layouts import LAYOUTS

    writable = re.findall(r"^ReadWritePaths=-?(\S+)", unit("rootwave-agent.service"), re.MULTILINE) + ["/var/lib/rootwave"]
    for layout in (layout for layout in LAYOUTS if layout.managed):
        for path in (layout.anchors, layout.bundle, layout.hashed, layout.conf, layout.blocklist):
            assert not path or any(path.startswith(f"{folder}/") or path == folder for folder in writable), path
    assert not any("/usr/share/x".startswith(f"{folder}/") for folder in writable)
