# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The execution environment on the lab's Debian: ansible-builder's context, and wheels instead of package indexes.

ansible-builder itself installs by dnf from registries and mirrors. Here the base has the system packages already, pip takes the
same requirements from a folder, and all that ansible-builder does to the image afterwards is taken from its own Containerfile.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import re
import shutil
import sys
import tempfile
from pathlib import Path

from lab import images
from lab.config import ROOT, Lab
from lab.tools import run, say
from tests import execution_environment as ee
from tests import tarball

SUITE, PYTHON, GLIBC = "bookworm", "3.11", 36  # pip downloads for these, whatever Python runs the tests
PINS = re.findall(r"^[\w-]+==.*$", (ROOT / "requirements-dev.txt").read_text(), re.MULTILINE)


def context(folder: Path) -> Path:
    """ansible-builder's build context of this checkout."""
    checkout = folder / "checkout"
    checkout.mkdir()
    for name in (ee.DEFINITION, "bindep.txt", "requirements.txt", "requirements.yml"):
        shutil.copy(ROOT / name, checkout)
    tarball.build(checkout)
    return ee.create(checkout, folder / "context")


def build(lab: Lab, made: Path) -> str:
    """The image of a context; it goes with its lab."""
    images.ensure_base(SUITE)
    refs = " ".join(ee.definition()["dependencies"][name]["package_pip"] for name in ("ansible_core", "ansible_runner"))
    (init,) = re.findall(r"'(dumb-init==[\d.]+)'", (made / "Containerfile").read_text())
    packages = f"pip {refs} {init}"
    folder = _wheels(packages.split())
    (pip,) = folder.glob("pip-*.whl")
    lines = [f"FROM {images.base_image(SUITE)}", "ARG PYCMD=/usr/bin/python3", "ENV PIP_BREAK_SYSTEM_PACKAGES=1"]
    lines += [f"RUN dpkg --status {' '.join(sorted(ee.system_packages(made / '_build' / 'bindep.txt', 'dpkg')))} > /dev/null"]
    lines += ["COPY _build /build", "COPY _build/scripts /output/scripts"]
    lines += ["COPY _build/scripts/entrypoint /opt/builder/bin/entrypoint", "WORKDIR /build"]
    options = "--quiet --root-user-action ignore --no-cache-dir --no-index --find-links /wheels"
    lines += [f"RUN $PYCMD /wheels/{pip.name}/pip install {options} {packages} --requirement requirements.txt"]
    lines += [ee.definition()["additional_build_steps"]["append_galaxy"]]
    lines += ["WORKDIR /", "RUN rm -rf /build", *_last_steps(made)]
    return _build(lab, "ee", lines, made, "--volume", f"{folder}:/wheels:ro")


def without(lab: Lab, image: str, package: str) -> str:
    """The same image, in which one Python package is missing."""
    lines = [f"FROM {image}", "USER root", f"RUN python3 -m pip uninstall --quiet --root-user-action ignore --yes {package}"]
    with tempfile.TemporaryDirectory() as folder:
        return _build(lab, f"ee-without-{package}", [*lines, "USER 1000"], Path(folder))


def _last_steps(made: Path) -> list[str]:
    """What ansible-builder does after the last package: its check of Ansible, /etc/passwd, the working directory, what starts."""
    final = (made / "Containerfile").read_text().partition("# Final build stage")[2]
    check, after = re.split(r"^RUN /output/scripts/install-from-bindep.*$", final, flags=re.MULTILINE)
    checks = [line for line in check.splitlines() if "check_ansible" in line]
    return [*checks, *(line for line in after.splitlines() if " pip install " not in line)]


def _wheels(packages: list[str]) -> Path:
    """All that the image installs, in the versions of requirements-dev.txt where it names one; downloaded once."""
    wanted = [*packages, *(ROOT / "requirements.txt").read_text().splitlines()]
    key = hashlib.sha256("\n".join([SUITE, PYTHON, platform.machine(), *wanted, *PINS]).encode()).hexdigest()[:12]
    folder = images.cache_dir() / f"ee-wheels-{key}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            say("downloading the wheels of the execution environment (once)")
            with tempfile.TemporaryDirectory(dir=folder.parent) as draft:
                _download(packages, Path(draft))
                os.rename(shutil.copytree(draft, folder.with_suffix(".draft"), dirs_exist_ok=True), folder)
    return folder


def _download(packages: list[str], folder: Path) -> None:
    constraints = folder / "constraints.txt"
    constraints.write_text("\n".join(PINS) + "\n")
    argv = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]
    argv += ["--python-version", PYTHON, "--implementation", "cp", "--abi", f"cp{PYTHON.replace('.', '')}", "--abi", "abi3"]
    argv += ["--abi", "none", "--platform", "any", "--platform", f"manylinux2014_{platform.machine()}"]
    for minor in range(GLIBC, 16, -1):
        argv += ["--platform", f"manylinux_2_{minor}_{platform.machine()}"]
    argv += ["--dest", str(folder), "--constraint", str(constraints), "--requirement", str(ROOT / "requirements.txt")]
    run([*argv, *packages])


def _build(lab: Lab, tag: str, lines: list[str], folder: Path, *options: str) -> str:
    name = f"localhost/{lab.network}:{tag}"
    say(f"making the image {tag}")
    path = folder / "Containerfile.lab"
    path.write_text("\n".join(lines) + "\n")
    runtime = images.choose_runtime(images.base_image(SUITE))
    run(
        ["podman", "--runtime", runtime, "build", "--quiet", "--network", "none", *images.LIMITS, *options]
        + ["--label", f"rootwave.lab={lab.name}", "--tag", name, "--file", str(path), str(folder)]
    )
    return name
