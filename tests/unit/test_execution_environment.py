# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The execution environment's build context, without a container: complete for both machines, and every check can fail."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from ansible_collections.rootwave.iot.plugins.plugin_utils import packages
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests import execution_environment as ee
from tests import tarball

FILES = (ee.DEFINITION, "bindep.txt", "requirements.txt", "requirements.yml")
PINS = dict(re.findall(r"^([\w-]+)==([\w.]+)", (ee.ROOT / "requirements-dev.txt").read_text(), re.MULTILINE))
NEEDED = sorted(ee.requirements((ee.ROOT / "requirements.txt").read_text(), "x86_64"))


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    """What ansible-builder reads of a checkout, the built collection with it."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in FILES:
        shutil.copy(ee.ROOT / name, folder)
    tarball.build(folder)
    return folder


@pytest.fixture
def changed(checkout, tmp_path):
    """A copy of the checkout in which one file lacks the lines that match, or is gone; returns what its context lacks."""

    def change(name: str, pattern: str | None = None) -> list[str]:
        copy = shutil.copytree(checkout, tmp_path / "copy")
        (path,) = copy.glob(name)
        if pattern is None:
            path.unlink()
        else:
            lines = path.read_text().splitlines(keepends=True)
            kept = [line for line in lines if not re.match(pattern, line)]
            assert len(kept) < len(lines), f"nothing of {name} matches {pattern}"
            path.write_text("".join(kept))
        return ee.problems(ee.create(copy, tmp_path / "context"))

    return change


def test_context_is_complete(checkout, tmp_path):
    context = ee.create(checkout, tmp_path / "context")
    assert ee.problems(context) == []
    lines = (context / "Containerfile").read_text().splitlines()
    for argument, value in {
        "EE_BASE_IMAGE": ee.definition()["images"]["base_image"]["name"],
        "PYCMD": "/usr/bin/python3.12",
        "PYPKG": "python3.12",
        "ANSIBLE_INSTALL_REFS": f"ansible-core=={PINS['ansible-core']} ansible-runner=={PINS['ansible-runner']}",
    }.items():
        assert f'ARG {argument}="{value}"' in lines
    galaxy = lines.index("FROM base AS galaxy")
    installs = [number for number, line in enumerate(lines) if "ansible-galaxy collection install" in line]
    assert len(installs) == 2 and galaxy < installs[0] < installs[1] < lines.index("FROM base AS builder")
    assert "-r requirements.yml" in lines[installs[0]] and "/build/collection/" in lines[installs[1]]


@pytest.mark.parametrize("package", [name for name in NEEDED if name != "six"])
def test_twin_a_requirement_left_out(package, changed):
    """All but six, which azure-iot-hub imports without saying so: below."""
    found = changed("requirements.txt", rf"(?i){package}\b(?!-)")
    machines = ["x86_64"] if package == "azure-iot-hub" else list(ee.MACHINES)
    assert {line.partition(" is imported by plugins/")[0] for line in found} >= {f"{one}: {package}" for one in machines}


@pytest.mark.parametrize("line, lost", [("openssh-clients", "rpm"), ("openssh-client ", "dpkg"), ("openssl", "rpm")])
def test_twin_a_system_package_left_out(line, lost, changed):
    assert f"{lost}: no {line.strip()}" in changed("bindep.txt", line)


def test_twin_a_platform_marker_left_out(checkout, tmp_path):
    copy = shutil.copytree(checkout, tmp_path / "copy")
    (copy / "bindep.txt").write_text((copy / "bindep.txt").read_text().replace("platform:rpm platform:dpkg", "platform:dpkg"))
    assert ee.problems(ee.create(copy, tmp_path / "context")) == ["rpm: no openssl"]


def test_twin_the_collection_was_not_built(changed):
    assert changed("rootwave-iot-*.tar.gz") == ["no collection"]


def test_markers_of_both_machines():
    text = (ee.ROOT / "requirements.txt").read_text()
    everything = ee.requirements(text, "x86_64")
    assert ee.requirements(text, "aarch64") == everything - {"azure-iot-hub"}
    assert ee.requirements(text, "x86_64", "3.14") == everything - {"azure-iot-hub"}
    # where it is left out, nothing but the files that are for it alone misses anything
    assert set(ee.uncovered(text, "aarch64")) == {"azure-iot-hub", "msrest"}


def test_no_requirement_is_for_nothing():
    imported = {ee.named(ee.package_of(name)) for path in (ee.ROOT / "plugins").rglob("*.py") for name in ee.imports(path)}
    assert set(NEEDED) - imported == {"six"}
    source = metadata.distribution("azure-iot-hub").locate_file("azure/iot/hub")
    assert any("import six" in path.read_text() for path in Path(str(source)).rglob("*.py"))
    assert "six" not in _required_by("azure-iot-hub")


@pytest.mark.parametrize("package, through", ee.THROUGH.items())
def test_what_comes_through_another_package(package, through):
    assert package in _required_by(through)


def _required_by(package: str) -> set[str]:
    return {canonicalize_name(Requirement(line).name) for line in metadata.requires(package) or []}


def test_an_environment_made_by_others(tmp_path):
    """Who adds rootwave.iot to an environment of their own needs no more: ansible-builder asks installed collections."""
    tarball.install(tmp_path / "collections")
    argv = [ee.BUILDER, "introspect", tmp_path / "collections"]
    done = subprocess.run(argv, check=True, capture_output=True, text=True)
    said = yaml.safe_load(done.stdout)
    python = {canonicalize_name(Requirement(line.partition("#")[0].strip()).name) for line in said["python"]}
    assert python == set(NEEDED) - {"pyyaml"}  # ansible-builder leaves out what ansible-core brings
    assert {line.split()[0] for line in said["system"]} == ee.SYSTEM["rpm"] | ee.SYSTEM["dpkg"]


def test_what_its_page_says():
    page = " ".join((ee.ROOT / "docs" / "awx-execution-environment.md").read_text().split())
    assert f"pip install ansible-builder=={PINS['ansible-builder']}" in page
    assert f"ansible-builder build --tag registry.example.net/rootwave-ee:{_version()}" in page
    said = packages.missing("jsonschema", ModuleNotFoundError("No module named 'jsonschema'"))
    assert said.replace(sys.executable, ee.definition()["dependencies"]["python_interpreter"]["python_path"]) in page
    text = (ee.ROOT / ee.DEFINITION).read_text()
    assert "ansible-galaxy collection build --force" in page and "ansible-galaxy collection build --force" in text


def _version() -> str:
    return yaml.safe_load((ee.ROOT / "galaxy.yml").read_text())["version"]
