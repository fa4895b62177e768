# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-test sanity on the built tarball, with nothing ignored. ``make sanity`` runs it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from .tarball import install

BOOTSTRAP = "import ensurepip\nensurepip.bootstrap(upgrade=True)\n"
GET_PIP = ("20_3_4", "21_3_1", "23_1_2", "24_2", "25_0_1", "25_2", "25_3")


def main() -> int:
    cache = Path.home() / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    for version in GET_PIP:  # ansible-test would fetch it from a host that may be out of reach
        path = cache / f"get_pip_{version}.py"
        if not path.exists():
            path.write_text(BOOTSTRAP)
    with tempfile.TemporaryDirectory(prefix="rootwave-sanity-") as folder:
        collection = install(Path(folder))
        tool = Path(sys.executable).with_name("ansible-test")
        environment = dict(os.environ, PATH=f"{tool.parent}:/usr/bin:/bin:{os.environ['PATH']}")
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        argv = [tool, "sanity", "--color", "no", "--python", python, *sys.argv[1:]]
        return subprocess.run(argv, check=False, cwd=collection, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
