# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Root file systems for gateways, from Debian's packages alone: mmdebstrap, podman import, one thin layer per lab.

The base images are cached by podman under a name that carries suite, package list and recipe version; the layer with this
lab's Baltimore and settings takes seconds.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from .config import Device, Gateway, Lab
from .tools import LabError, run, say, succeeds

RECIPE = "5"
PACKAGES = ["python3", "openssh-server", "ca-certificates", "nftables", "iproute2", "systemd", "systemd-sysv", "openssl"] + [
    "procps",
    "dbus",
    "mosquitto-clients",
    "p11-kit",
    "p11-kit-modules",
    "libfaketime",
    "firewalld",
    "ufw",
    "iptables",
    "ipset",
]
# A gateway's lab network leads nowhere, so what tests install later lies ready; ufw cannot be beside the persistent ones
KEEP = "ca-certificates netfilter-persistent iptables-persistent ipset-persistent"
KEEP_PACKAGES = f'chroot "$1" sh -c "mkdir /usr/share/lab && cd /usr/share/lab && apt-get download -qq {KEEP}"'
FILES = Path(__file__).parent / "files"
CGROUPS_V2 = Path("/sys/fs/cgroup/cgroup.controllers")  # cgroups(7): there where nothing of version 1 is mounted beside
# Some machines refuse to raise limits above these
LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096")


def cache_dir() -> Path:
    return Path(os.environ.get("ROOTWAVE_CACHE", Path.home() / ".cache" / "rootwave"))


def base_image(suite: str) -> str:
    key = hashlib.sha256(" ".join([RECIPE, suite, *PACKAGES]).encode()).hexdigest()[:12]
    return f"localhost/rootwave-base-{suite}:{key}"


def ensure_base(suite: str) -> None:
    """Make a suite's base image unless it is there already; about half a minute."""
    if succeeds(["podman", "image", "exists", base_image(suite)]):
        return
    archive = cache_dir() / f"{base_image(suite).rpartition('/')[2].replace(':', '-')}.tar"
    archive.parent.mkdir(parents=True, exist_ok=True)
    with archive.with_suffix(".lock").open("w") as lock:  # two labs may start at once
        fcntl.flock(lock, fcntl.LOCK_EX)
        _make_base(suite, archive)


def _make_base(suite: str, archive: Path) -> None:
    if succeeds(["podman", "image", "exists", base_image(suite)]):
        return
    say(f"making the base image of Debian {suite} (once)")
    if not archive.exists():
        draft = archive.with_suffix(".draft.tar")
        run(
            ["mmdebstrap", "--quiet", "--variant=minbase", "--include=" + ",".join(PACKAGES)]
            + [f"--customize-hook={KEEP_PACKAGES}", suite, str(draft)]
        )
        os.replace(draft, archive)
    run(["podman", "import", "--quiet", str(archive), base_image(suite)])


@functools.cache
@functools.cache
def choose_runtime(image: str) -> str:
    """crun where cgroups are of version 2 alone, else runc if it is there: in hybrid mode crun works as long as version 2 has no
    controller, and gets one whenever the last container that has mounted net_cls or hugetlb for itself ends.

    Tried once: it starts a container.
    """
    reasons = []
    # twice, for a lab that starts or ends beside this one may be why the first time fails
    for runtime in ("crun", "runc") if CGROUPS_V2.exists() else ("runc", "runc", "crun"):
        try:
            run(["podman", "--runtime", runtime, "run", "--rm", "--network", "none", *LIMITS, image, "true"])
        except LabError as exc:
            reasons.append(f"{runtime}: {exc}")
            say(reasons[-1])
            continue
        return runtime
    raise LabError("no container runtime works here: " + "; ".join(reasons))


def lab_image(lab: Lab, host: Gateway | Device) -> str:
    return f"localhost/{lab.network}:{host.image}"


def ensure_lab_images(lab: Lab, runtime: str, hosts: Sequence[Gateway | Device], more: Sequence[Path] = ()) -> None:
    """The thin layers that these start from; ``more`` are files for the build beside lab/files."""
    wanted = {host.image: host for host in hosts if not succeeds(["podman", "image", "exists", lab_image(lab, host)])}
    for host in wanted.values():
        say(f"making the image {host.image}")
        _build(lab, host, runtime, more)


def _build(lab: Lab, host: Gateway | Device, runtime: str, more: Sequence[Path]) -> None:
    kind = host.image.rpartition("-")[2]
    few = "few_roots=1" if "-few-" in host.image else "few_roots="
    lines = [f"FROM {base_image(host.suite)}", "COPY . /lab-build/", f"RUN {few} /bin/sh /lab-build/{kind}.sh"]
    with tempfile.TemporaryDirectory(prefix="rootwave-lab-") as folder:
        for path in (*FILES.iterdir(), lab.state_dir / "pki" / "lab-baltimore.pem", *more):
            shutil.copy(path, folder)
        (Path(folder) / "Containerfile").write_text("\n".join(lines) + "\n")
        run(
            ["podman", "--runtime", runtime, "build", "--quiet", "--network", "none", *LIMITS]
            + ["--label", f"rootwave.lab={lab.name}", "--tag", lab_image(lab, host), folder]
        )
