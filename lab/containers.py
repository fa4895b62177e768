# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs in a lab's containers, started by the OCI runtime itself: podman takes five times as long for the very same."""

from __future__ import annotations

import subprocess
from pathlib import Path

from .config import Lab
from .tools import run


def make(lab: Lab, name: str, runtime: str, verb: str, argv: list[str]) -> None:
    """``podman run --detach`` or ``create`` of a container; which one it is and what runs it is kept for execute()."""
    path = _note(lab, name)
    path.unlink(missing_ok=True)  # of one that is gone: whoever is killed here leaves none rather than a wrong one
    path.parent.mkdir(exist_ok=True)
    detach = ["--detach"] if verb == "run" else []
    identity = run(["podman", "--runtime", runtime, verb, *detach, "--name", name, *argv])
    path.write_text(f"{runtime} {identity}")


def execute(lab: Lab, name: str, argv, stdin: bytes = b"") -> subprocess.CompletedProcess:
    """Run a program as root in a container, past SSH: the lab's own eyes, independent of what is tested."""
    note = _note(lab, name)
    if note.exists():
        runtime, identity = note.read_text().split()
        entry = [runtime, "exec", identity]
    else:  # somebody else made it
        entry = ["podman", "exec", "--interactive", name]
    return subprocess.run([*entry, *argv], check=False, input=stdin, capture_output=True)


def _note(lab: Lab, name: str) -> Path:
    return lab.state_dir / "containers" / name
