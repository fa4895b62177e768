# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs in a lab's containers: in the namespaces of a container's init, with the rights that it has.

podman exec and the OCI runtimes do that too, and take twenty to eighty times as long.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from .config import Lab
from .tools import run

ENVIRONMENT = (
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME=/root",
    "TERM=xterm",
    "container=podman",
)


def make(lab: Lab, name: str, runtime: str, verb: str, argv: list[str]) -> None:
    """``podman run --detach`` or ``create`` of a container; podman keeps its id, and at each start its init's pid, in files."""
    identity, pid = _notes(lab, name)
    identity.parent.mkdir(exist_ok=True)
    for path in (identity, pid):
        path.unlink(missing_ok=True)  # of one that is gone
    detach = ["--detach"] if verb == "run" else []
    run(["podman", "--runtime", runtime, verb, *detach, "--name", name, "--cidfile", identity, "--pidfile", pid, *argv])


def execute(lab: Lab, name: str, argv, stdin: bytes = b"") -> subprocess.CompletedProcess:
    """Run a program as root in a container, past SSH: the lab's own eyes, independent of what is tested.

    Who is killed has the code that a shell gives it, 128 and the signal.
    """
    init = _init(lab, name)
    # somebody else made it, or it does not run, which podman says best
    entry = ["podman", "exec", "--interactive", name] if init is None else _enter(init)
    done = subprocess.run([*entry, *argv], check=False, input=stdin, capture_output=True)
    if done.returncode < 0:
        done.returncode = 128 - done.returncode
    return done


def root(lab: Lab, name: str) -> Path | None:
    """The root directory of a running container, for a look without a program inside; absolute links lead to the host's."""
    init = _init(lab, name)
    return None if init is None else init / "root"


def _enter(init: Path) -> list[str]:
    bounds = next(line for line in (init / "status").read_text().splitlines() if line.startswith("CapBnd:"))
    rights = int(bounds.split()[1], 16)
    kept = ["-all", *(f"+cap_{number}" for number in range(rights.bit_length()) if rights >> number & 1)]
    limits = ["setpriv", "--inh-caps=-all", f"--bounding-set={','.join(kept)}"]
    return ["nsenter", f"--target={init.name}", "--all", *limits, "env", "--ignore-environment", *ENVIRONMENT]


def _init(lab: Lab, name: str) -> Path | None:
    """The container's init in /proc. A pid may be of somebody else by now, and would let the lab loose on the host itself."""
    identity, pid = _notes(lab, name)
    try:
        init = Path("/proc", pid.read_text().strip())
        return init if identity.read_text().strip() in (init / "cgroup").read_text() else None
    except OSError:
        return None


def _notes(lab: Lab, name: str) -> tuple[Path, Path]:
    folder = lab.state_dir / "containers"
    return folder / f"{name}.id", folder / f"{name}.pid"
