# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the collection and unpack it where Ansible and ansible-test expect one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GALAXY = Path(sys.executable).with_name("ansible-galaxy")


def build(folder: Path) -> Path:
    """The tarball, as ansible-galaxy builds it."""
    subprocess.run(
        [GALAXY, "collection", "build", "--force", "--output-path", folder, ROOT], check=True, stdout=subprocess.DEVNULL
    )
    (tarball,) = folder.glob("rootwave-iot-*.tar.gz")
    return tarball


def install(folder: Path) -> Path:
    """The collection installed below an empty folder; returns its own folder."""
    tarball = build(folder)
    argv = [GALAXY, "collection", "install", "--offline", "--force", "--collections-path", folder, tarball]
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    return folder / "ansible_collections" / "rootwave" / "iot"
