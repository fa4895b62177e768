# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A gateway in a folder: Debian's own update-ca-certificates on a store of three roots, the network scripted.

Only what cannot be real here is replaced: privileges, the revert's timer, and the answers of endpoints.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections import namedtuple
from pathlib import Path

from ansible_collections.rootwave.iot.plugins.module_utils.gateway import host, pem, reconcile
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.desired import from_document
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.model import Proof
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.stores.debian import DebianStore
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.stores.layouts import LAYOUTS

from .certificates import BALTIMORE, BALTIMORE_SHA256, G2, G2_SHA256, root

MS2017 = root("microsoft-rsa-root-ca-2017")
STEPS = ("locked", "recovered", "observed", "planned", "rehearsed", "armed", "applied", "proved", "committed")
Session = namedtuple("Session", "address port")
NEW = {"name": "g2", "sha256": G2_SHA256, "pem": G2}
# Debian's tool, which can be broken by a file beside it
TOOL = """#!/bin/sh
[ -e "$(dirname "$0")/broken" ] && { echo "No space left on device" >&2; exit 1; }
exec update-ca-certificates "$@"
"""
OLD = {"name": "baltimore", "sha256": BALTIMORE_SHA256, "pem": BALTIMORE}


class Gateway(host.Host):
    """``needs`` is the fingerprint that the hub's chain ends at; ``served`` overrides the stage of a probe."""

    def __init__(self, folder):
        self.folder = folder
        self.state_dir = str(folder / "state")
        self.fact = str(folder / "facts.d" / "rootwave.fact")
        self.layout = make_layout(folder)
        self.store = DebianStore(self.layout, self.state_dir)
        self.needs = BALTIMORE_SHA256
        self.served = {}
        self.offset = 0
        self.sessions = []
        self.found = []
        self.armed = []
        self.arm_errors: list = []
        self.root = True
        (folder / "shipped").mkdir(parents=True)
        (folder / "local").mkdir()
        (folder / "certs").mkdir()
        for name, text in (("Baltimore", BALTIMORE), ("MS2017", MS2017)):
            (folder / "shipped" / (name + ".crt")).write_text(text)
        (folder / "conf").write_text("Baltimore.crt\nMS2017.crt\n")
        (folder / "tool").write_text(TOOL)
        (folder / "tool").chmod(0o755)
        self.run_tool()

    def run_tool(self):
        subprocess.run(self.layout.tool, check=True, stdout=subprocess.DEVNULL)

    def clock(self):
        return time.time() + self.offset

    def privileged(self):
        return self.root

    def probe(self, endpoint, trust, now, offer, desired):
        trusted = pem.fingerprints(Path(trust.cafile).read_bytes()) if trust.cafile else self.store.observe().bundle
        stage = self.served.get((endpoint.port, offer), self.served.get(trust.label))
        if stage is None:
            stage = "ok" if self.needs in trusted else "tls-untrusted"
        return [Proof(endpoint.host, endpoint.port, "hub", trust.label, offer, stage, "scripted", "192.0.2.1")]

    def prove(self, function, timeout):
        return function()

    def unlisted_sessions(self, addresses):
        return [session for session in self.sessions if session.address not in addresses]

    def findings(self, desired, observed):
        return self.found

    def arm(self, identity, folder, seconds):
        for error in self.arm_errors:
            raise error
        self.armed.append((identity, folder, seconds))

    def power_safe(self):
        return True

    def snapshot(self):
        """Every file and link of the store, to compare before and after."""
        return {
            str(path.relative_to(self.folder)): os.readlink(str(path)) if path.is_symlink() else path.read_bytes()
            for part in ("certs", "local", "shipped", "conf")
            for path in [self.folder / part] + sorted((self.folder / part).rglob("*"))
            if path.is_symlink() or path.is_file()
        }


def make_layout(folder):
    """Debian's row of the table, its paths moved into a folder by the tool's own options."""
    debian = next(layout for layout in LAYOUTS if layout.name == "debian")
    options = {
        "--certsconf": "conf",
        "--certsdir": "shipped",
        "--localcertsdir": "local",
        "--etccertsdir": "certs",
        "--hooksdir": "hooks",
    }
    argv = [str(folder / "tool")]
    for option, name in options.items():
        argv += [option, str(folder / name)]
    return debian._replace(
        anchors=str(folder / "local"),
        tool=tuple(argv),
        bundle=str(folder / "certs" / "ca-certificates.crt"),
        hashed=str(folder / "certs"),
        shipped=str(folder / "shipped"),
        conf=str(folder / "conf"),
        hooks=str(folder / "hooks"),
    )


def wanted(phase, **changes):
    """A Desired of a one-endpoint campaign from Baltimore to G2."""
    document = {
        "schema": 1,
        "campaign": "test",
        "digest": "0" * 64,
        "phase": phase,
        "present": [NEW],
        "absent": [OLD],
        "endpoints": [{"host": "hub.example", "port": 8883}],
        "safe_after": {"date": "2024-09-30", "source": "https://example.com"},
    }
    document.update(changes)
    return from_document(document)


class Killed(BaseException):
    """Stands for SIGKILL: nothing in the run may catch it."""


def run(gateway, phase, now=None, **changes):
    steps = changes.pop("on_step", reconcile.no_step)
    dry_run = changes.pop("dry_run", False)
    return reconcile.reconcile(gateway, wanted(phase, **changes), now or time.time(), dry_run, steps)


def stop_at(name):
    def step(reached):
        if reached == name:
            raise Killed(name)

    return step


def migrate(gateway):
    """Stage, then the hub moves to the new root."""
    assert run(gateway, "stage")["outcome"] == "done"
    gateway.needs = G2_SHA256


def openssl_trusts(gateway, text):
    """What OpenSSL says, by the bundle and by the hashed directory."""
    answers = []
    for option in (["-CAfile", gateway.layout.bundle, "-no-CApath"], ["-CApath", gateway.layout.hashed, "-no-CAfile"]):
        done = subprocess.run(
            ["openssl", "verify", "-no_check_time"] + option,
            check=False,
            input=text.encode(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"PATH": "/usr/bin:/bin", "SSL_CERT_FILE": "/nonexistent", "SSL_CERT_DIR": "/nonexistent"},
        )
        answers.append(done.returncode == 0)
    return answers
