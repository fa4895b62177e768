# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The execution environment has what the plugins import and the playbooks start, on both architectures."""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from lab import config

PLUGINS = config.ROOT / "plugins"
OWN = ("ansible", "ansible_collections", "_ansiballz", "__future__")
# Signing with a token needs an extra package (docs/signing.md) that an image for AWX has not: signing keys never are there
SIGNING = {"pkcs11", "asn1crypto"}
PLATFORMS = [{"platform_machine": machine, "python_version": "3.12", "extra": ""} for machine in ("x86_64", "aarch64")]


@pytest.fixture(scope="module")
def context(tmp_path_factory):
    """A build context, made as an operator would."""
    folder = tmp_path_factory.mktemp("context")
    builder = Path(sys.executable).with_name("ansible-builder")
    argv = [builder, "create", "--file", config.ROOT / "execution-environment.yml", "--context", folder]
    subprocess.run(argv, check=True, capture_output=True)
    return folder


def requirements(text: str, platform: dict[str, str]) -> set[str]:
    """The names of the distributions that a requirements.txt installs on a platform, with all that these need."""
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    found, asked = set(), [Requirement(line) for line in ["ansible-core", *filter(None, lines)]]
    while asked:
        one = asked.pop()
        name = canonicalize_name(one.name)
        if _wanted(one, set(), platform) or "extra" in str(one.marker):  # those of an extra were chosen by who asked for it
            needs = [] if name in found else importlib.metadata.requires(name) or []
            found.add(name)
            asked += [need for need in map(Requirement, needs) if _wanted(need, one.extras, platform)]
    return found


def _wanted(need: Requirement, extras: set[str], platform: dict[str, str]) -> bool:
    return need.marker is None or any(need.marker.evaluate({**platform, "extra": extra}) for extra in {"", *extras})


def imported(folder: Path) -> set[str]:
    """Every module of somebody else that a source below a folder imports, wherever in it."""
    found: set[str] = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                found.add(node.module)
    return {name for name in found if name.partition(".")[0] not in {*sys.stdlib_module_names, *OWN, *SIGNING}}


def owners() -> dict[str, str]:
    """{file: distribution} of all that is installed."""
    return {
        str(found.locate_file(file)): canonicalize_name(found.metadata["Name"])
        for found in importlib.metadata.distributions()
        for file in found.files or ()
    }


def missing(modules: set[str], installed: set[str]) -> dict[str, str]:
    """{module: its distribution} of those that no requirement installs."""
    of, found = owners(), {}
    for name in sorted(modules):
        spec = importlib.util.find_spec(name)
        assert spec and spec.origin, f"{name} is not installed here"
        owner = of.get(spec.origin, name)
        if owner not in installed:
            found[name] = owner
    return found


def test_the_context_has_requirements_system_packages_and_collections(context):
    recipe = (context / "Containerfile").read_text()
    kept = context / "_build"
    assert "ansible-core>=2.17" in recipe and "ansible-runner>=2.4" in recipe
    assert (kept / "requirements.txt").read_text() == (config.ROOT / "requirements.txt").read_text()
    assert (kept / "bindep.txt").read_text() == (config.ROOT / "bindep.txt").read_text()
    assert yaml.safe_load((kept / "requirements.yml").read_text()) == yaml.safe_load(
        (config.ROOT / "requirements.yml").read_text()
    )


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda platform: platform["platform_machine"])
def test_every_import_has_its_requirement(context, platform):
    """Where azure-iot-hub cannot be installed (aarch64) the pipeline client takes its place, so that one may be absent."""
    installed = requirements((context / "_build" / "requirements.txt").read_text(), platform)
    absent = missing(imported(PLUGINS), installed)
    allowed = set() if platform["platform_machine"] == "x86_64" else {"azure-iot-hub", "msrest"}
    assert set(absent.values()) <= allowed, absent


LEFT_OUT = ["jsonschema", "azure-identity", "azure-mgmt-iothub>", "azure-monitor-query", "securesystemslib[crypto]"]


@pytest.mark.parametrize("name", LEFT_OUT)
def test_a_requirement_that_is_left_out_is_noticed(context, name):
    text = (context / "_build" / "requirements.txt").read_text()
    left = "\n".join(line for line in text.splitlines() if not line.startswith(name))
    assert left != text.rstrip("\n")
    gone = canonicalize_name(re.split(r"[\[>]", name)[0])
    assert gone in missing(imported(PLUGINS), requirements(left, PLATFORMS[0])).values()


@pytest.mark.parametrize("platform", ["rpm", "dpkg"])
def test_the_programs_that_the_control_node_starts_are_there(context, platform):
    """ssh for gateways, openssl for what serves which chain, git for the project."""
    lines = [line.partition("#")[0].split(" ", 1) for line in (context / "_build" / "bindep.txt").read_text().splitlines()]
    packages = {line[0] for line in lines if len(line) > 1 and f"platform:{platform}" in line[1]}
    assert {"openssl", {"rpm": "openssh-clients", "dpkg": "openssh-client"}[platform]} <= packages
    assert packages & {"git", "git-core"}
