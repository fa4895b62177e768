# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The build context that ansible-builder makes of execution-environment.yml, and what must be in it."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

import yaml
from bindep.depends import Depends
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
DEFINITION = "execution-environment.yml"
BUILDER = Path(sys.executable).with_name("ansible-builder")
# What jobs start beside Python, by the names of each package manager
SYSTEM = {"rpm": {"openssh-clients", "openssl"}, "dpkg": {"openssh-client", "openssl"}}
# Imported by us, and required by a package that is named or is Ansible itself
THROUGH = {
    "requests": "azure-core",
    "certifi": "requests",
    "urllib3": "requests",
    "msrest": "azure-iot-hub",
    "jinja2": "ansible-core",
}
# Used where azure-iot-hub can be installed; elsewhere pipeline.py does the same
FOR_THE_SDK = ("hub/sdk.py", "hub/connect.py")
ANSIBLE = ("ansible", "ansible_collections")
MACHINES = ("x86_64", "aarch64")


def definition(folder: Path = ROOT) -> dict:
    return yaml.safe_load((folder / DEFINITION).read_text())


def create(folder: Path, context: Path) -> Path:
    """What ``ansible-builder create`` makes of a folder with the definition and all that it names."""
    argv = [BUILDER, "create", "--file", folder / DEFINITION, "--context", context, "--output-filename", "Containerfile"]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return context


def problems(context: Path) -> list[str]:
    """What a context lacks, each in one line."""
    found = [] if (context / "Containerfile").exists() else ["no Containerfile"]
    if not list(context.glob("_build/collection/rootwave-iot-*.tar.gz")):
        found.append("no collection")
    for kind, wanted in SYSTEM.items():
        found += [f"{kind}: no {name}" for name in sorted(wanted - system_packages(context / "_build" / "bindep.txt", kind))]
    text = (context / "_build" / "requirements.txt").read_text()
    for machine in MACHINES:
        left_out = FOR_THE_SDK if machine == "aarch64" else ()
        found += [f"{machine}: {name} is imported by {where}" for name, where in uncovered(text, machine, left_out).items()]
    return found


def system_packages(bindep: Path, kind: str) -> set[str]:
    rules = Depends(bindep.read_text()).active_rules([f"platform:{kind}"])
    return {rule[0] for rule in rules}


def requirements(text: str, machine: str, python: str = "3.12") -> set[str]:
    """Names of the packages that pip installs for this machine and Python."""
    around = {"platform_machine": machine, "python_version": python}
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    wanted = [Requirement(line) for line in lines if line]
    return {canonicalize_name(one.name) for one in wanted if one.marker is None or one.marker.evaluate(around)}


def uncovered(text: str, machine: str, left_out: Sequence[str] = ()) -> dict[str, str]:
    """{package: the file that imports it} of what the requirements do not name."""
    there = {"ansible-core", *requirements(text, machine)}
    found: dict[str, str] = {}
    for path in sorted((ROOT / "plugins").rglob("*.py")):
        if not any(path.match(pattern) for pattern in left_out):
            for name in {package_of(module) for module in imports(path)}:
                if named(name) not in there:
                    found.setdefault(name, path.relative_to(ROOT).as_posix())
    return found


def named(package: str) -> str:
    """The package that requirements.txt has to name, so that this one is there."""
    return named(THROUGH[package]) if package in THROUGH else package


@functools.cache
def imports(path: Path) -> tuple[str, ...]:
    """Absolute imports of a file by full name, also those inside functions and by importlib; not Python's or Ansible's own."""
    return tuple(_imports(path))


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "importlib.import_module":
            names = [node.args[0].value]
        yield from (name for name in names if name.partition(".")[0] not in (*sys.stdlib_module_names, *ANSIBLE))


@functools.cache
def package_of(module: str) -> str:
    """The distribution whose file the module is; azure is a name that many share."""
    top = module.partition(".")[0]
    candidates = set(_distributions().get(top, []))
    assert candidates, f"{module} is imported and not installed here: add it to requirements.txt"
    parts = module.split(".")
    while len(candidates) > 1 and parts:
        place = "/".join(parts)
        owners = {name for name in candidates if _has(name, place)}
        candidates, parts = owners or candidates, parts[:-1]
        if len(owners) == 1:
            break
    assert len(candidates) == 1, f"{module} belongs to one of {sorted(candidates)}"
    return canonicalize_name(candidates.pop())


_distributions = functools.cache(metadata.packages_distributions)


@functools.cache
def _files(distribution: str) -> set[str]:
    return {str(path) for path in metadata.files(distribution) or []}


def _has(distribution: str, place: str) -> bool:
    return bool(_files(distribution) & {f"{place}.py", f"{place}/__init__.py"})
