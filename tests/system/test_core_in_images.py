# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The core's unit tests inside the lab's images: Python 3.9, 3.11 and 3.13, each with its own OpenSSL and nothing else.

The one that runs this has run them itself (make unit).
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from lab import config, images

# pip weighs markers by the Python that runs it, so what only 3.9 needs is named here
FOR_39 = ("exceptiongroup", "iniconfig==2.1.0", "packaging==25.0", "pluggy==1.6.0", "tomli", "typing_extensions")
TESTS = "tests/unit/plugins/module_utils/gateway"
PYTHONS = {"bullseye": "3.9", "bookworm": "3.11", "trixie": "3.13"}
OTHERS = [(suite, version) for suite, version in PYTHONS.items() if version != "{}.{}".format(*sys.version_info)]


@pytest.fixture(scope="session")
def pytest_for_old_pythons(tmp_path_factory):
    """The last pytest for Python 3.9, pure Python wheels only, for all three."""
    folder = tmp_path_factory.mktemp("pytest")
    argv = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", folder]
    argv += ["--python-version", "3.9", "--implementation", "py", "--abi", "none", "--platform", "any", "--only-binary=:all:"]
    subprocess.run([*argv, "pytest==8.4.2", *FOR_39], check=True)
    return folder


@pytest.mark.parametrize("suite, version", OTHERS)
def test_core(pytest_for_old_pythons, suite, version):
    image = images.base_image(suite)
    images.ensure_base(suite)
    argv = ["podman", "--runtime", images.choose_runtime(image), "run", "--rm", "--network", "none", *images.LIMITS]
    argv += [
        "--volume",
        f"{config.ROOT}:/project:ro",
        "--volume",
        f"{pytest_for_old_pythons}:/pytest:ro",
        "--workdir",
        "/project",
    ]
    argv += ["--env", "PYTHONPATH=/pytest", "--env", "PYTHONDONTWRITEBYTECODE=1", image]
    seen = subprocess.run([*argv, "python3", "--version"], check=True, capture_output=True, text=True).stdout
    assert seen.startswith(f"Python {version}.")
    done = subprocess.run([*argv, "python3", "-m", "pytest", TESTS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
