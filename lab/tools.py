# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running other programs on the lab's own machine, with a failure that says what to do. Standard library only."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path


class LabError(Exception):
    """The lab cannot go on; the message says what failed, on what, and what to do next."""


def run(argv, stdin: str | None = None, cwd=None, environment=None) -> str:
    """Standard output of a program; raises LabError with its last words when it fails."""
    done = subprocess.run(argv, check=False, input=stdin, capture_output=True, text=True, cwd=cwd, env=environment)
    if done.returncode != 0:
        words = (done.stderr or done.stdout).strip()[-2000:]
        raise LabError(f"{' '.join(map(str, argv))} ended with code {done.returncode}: {words}")
    return done.stdout


def succeeds(argv) -> bool:
    return subprocess.run(argv, check=False, capture_output=True).returncode == 0


def say(text: str) -> None:
    """One line of progress."""
    print(text, file=sys.stderr, flush=True)


WATCHES = Path("/proc/sys/fs/inotify/max_user_instances")
WATCHES_FOR_OTHERS, WATCHES_FOR_ONE = 128, 8  # the kernel's default; a container's systemd, dbus and journal take five or so


def ensure_watches(containers: int) -> None:
    """Raise inotify(7)'s limit until the next boot; a systemd that gets no watch never ends its start."""
    need = WATCHES_FOR_OTHERS + WATCHES_FOR_ONE * containers
    if int(WATCHES.read_text()) >= need:
        return
    try:
        WATCHES.write_text(str(need))
    except OSError as exc:
        raise LabError(f"{containers} containers need: sysctl fs.inotify.max_user_instances={need} ({exc.strerror})") from exc
    say(f"raised fs.inotify.max_user_instances to {need} until the next boot")


# What the lab needs beside Python, and the program that shows it is there.
PACKAGES = {
    "podman": "podman",
    "runc": "runc",
    "crun": "crun",
    "netavark": "/usr/lib/podman/netavark",
    "aardvark-dns": "/usr/lib/podman/aardvark-dns",
    "iptables": "iptables",
    "nftables": "nft",
    "mmdebstrap": "mmdebstrap",
    "debian-archive-keyring": "/usr/share/keyrings/debian-archive-keyring.gpg",
    "dnsmasq-base": "dnsmasq",
    "mosquitto-clients": "mosquitto_sub",
    "iproute2": "ip",
    "openssh-client": "ssh",
    "openssl": "openssl",
    "ca-certificates": "update-ca-certificates",
    "python3-venv": "/usr/share/doc/python3-venv",
    "git": "git",
    "shellcheck": "shellcheck",
    "softhsm2": "softhsm2-util",  # a PKCS#11 token for the tests
}


def missing_packages() -> list[str]:
    return [name for name, proof in PACKAGES.items() if not (os.path.exists(proof) or shutil.which(proof))]


def install_packages() -> None:
    """Install what is missing with apt-get where that is allowed; else say the exact command."""
    missing = missing_packages()
    if not missing:
        return
    install = ["apt-get", "install", "--yes", "--no-install-recommends", *missing]
    if not shutil.which("apt-get"):
        raise LabError(f"the lab needs Debian 12+ or Ubuntu 24.04+, or these programs by hand: {' '.join(missing)}")
    prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if prefix and not succeeds(["sudo", "-n", "true"]):
        raise LabError(f"missing packages; run: sudo apt-get update && sudo {' '.join(install)}")
    say(f"installing {' '.join(missing)}")
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    run([*prefix, "apt-get", "update", "--quiet"], environment=environment)
    run([*prefix, *install], environment=environment)
