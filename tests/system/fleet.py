# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real fleet and real ansible-playbook runs for the tests."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import yaml

from lab import config, containers, fleet, hub_client, images, inventory, network

ANCHORS = config.ROOT / "campaigns" / "anchors"
PLAYBOOKS = config.ROOT / "playbooks"
ANSIBLE = Path(sys.executable).with_name("ansible-playbook")
MARK = "altered-by-a-test"
RUN_MOST = 480  # seconds
PATIENCE = 240.0  # seconds
SOCKETS = tempfile.TemporaryDirectory(prefix="rw-", dir="/tmp")  # short, for a socket's name has at most 108 bytes


@dataclass
class Run:
    """One ended ansible-playbook."""

    code: int
    output: str

    @property
    def changed(self) -> int:
        return sum(int(part.split("=")[1]) for part in self.output.split() if part.startswith("changed=") and part[8:].isdigit())


class Fleet:
    """A lab with what tests ask of it; ``hosts`` and ``campaign`` of a run differ per test, the gateways stay."""

    def __init__(self, lab: config.Lab, folder: Path):
        self.lab, self.folder, self.anchors = lab, folder, ANCHORS
        self.gateways = {gateway.name: gateway for gateway in lab.gateways}

    def group(self, name: str) -> list[str]:
        return [gateway.name for gateway in self.lab.gateways if gateway.group == name]

    def renew(self) -> None:
        """Every gateway that a test changed, as on its first day."""
        chosen = [gateway for gateway in self.lab.gateways if self._touched(gateway)]
        if chosen:
            fleet.renew(self.lab, chosen, images.choose_runtime(images.base_image("trixie")))

    def _touched(self, gateway: config.Gateway) -> bool:
        """Also where that can not be seen."""
        root = containers.root(self.lab, self.lab.container(gateway))
        return root is None or (root / MARK).exists() or (root / "var/lib/rootwave").exists()

    def alter(self, name: str, *argv: str, stdin: bytes = b"") -> None:
        """Change a gateway for one test."""
        done = self.execute(name, "sh", "-c", f'touch /{MARK}; exec "$@"', "sh", *argv, stdin=stdin)
        assert done.returncode == 0, done.stderr.decode()

    def alter_mounts(self, name: str, script: str) -> None:
        """Mounts in a gateway need more rights than the gateway itself has."""
        self.execute(name, "touch", f"/{MARK}")
        argv = ["podman", "exec", "--privileged", self.lab.container(self.gateways[name]), "sh", "-c", script]
        subprocess.run(argv, check=True, capture_output=True)

    def hub_as_new(self) -> None:
        """The hub as on its first day: chain v1 at the old address."""
        network.set_names(self.lab, self.lab.names)
        hub_client.ask(self.lab, "cutover", {"hub": config.HUB, "chain": "v1", "listen": [self.lab.old_address]})
        hub_client.serve(self.lab, "v1")

    def campaign(self, waves, **changes) -> Path:
        path = self.folder / "campaign.yml"
        policy = {"soak": 0, "gate_timeout": 60, **changes.pop("policy", {})}
        inventory.write_campaign(self.lab, path, "test", waves, policy=policy, **changes)
        return path

    def inventory(self, overrides=None) -> Path:
        """hosts.yml with variables of single gateways, or of all of them, changed."""
        document = copy.deepcopy(inventory.hosts_of(self.lab))
        overrides = dict(overrides or {})
        document["fleet"]["vars"].update(overrides.pop("all", {}))
        for group in document["fleet"]["children"].values():
            for name, variables in group["hosts"].items():
                variables.update(overrides.pop(name, {}))
        assert not overrides, f"no such gateways: {overrides}"
        path = self.folder / "hosts.yml"
        path.write_text(yaml.safe_dump(document, sort_keys=False))
        return path

    def argv(self, playbook: str, campaign: Path, *args: str, overrides=None, forks: int = 8) -> list[str]:
        argv = [str(ANSIBLE), str(PLAYBOOKS / f"{playbook}.yml"), "-i", str(self.inventory(overrides)), "--forks", str(forks)]
        return [*argv, "-e", f"rootwave_campaign={campaign}", *args]

    def play(self, playbook: str, campaign: Path, *args: str, overrides=None, forks: int = 8, settings=None) -> Run:
        argv = self.argv(playbook, campaign, *args, overrides=overrides, forks=forks)
        done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=RUN_MOST, env=environment(settings))
        return Run(done.returncode, done.stdout + done.stderr)

    def execute(self, name: str, *argv: str, stdin: bytes = b"") -> subprocess.CompletedProcess:
        return fleet.execute(self.lab, self.gateways[name], argv, stdin)

    def report(self, name: str):
        done = self.execute(name, "cat", "/var/lib/rootwave/report.json")
        return json.loads(done.stdout) if done.returncode == 0 else None

    def outcomes(self, names) -> set[str]:
        """What the gateways' own reports say; ``untouched`` where Rootwave never wrote anything."""
        return {(self.report(name) or {"outcome": "untouched"})["outcome"] for name in names}

    def trust_files(self, name: str) -> str:
        """Every path below the trust folders with type, mode, target and content hash, in order."""
        script = (
            "find /etc/ssl /etc/ca-certificates* /usr/share/ca-certificates /usr/local/share/ca-certificates "
            "-printf '%p %y %m %u %g %l\n' | sort; "
            "find /etc/ssl /etc/ca-certificates* /usr/share/ca-certificates /usr/local/share/ca-certificates "
            "-type f -exec sha256sum {} + | sort -k2"
        )
        return self.execute(name, "sh", "-c", script).stdout.decode()


def wait_until(condition, what):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {PATIENCE:.0f} s"
        time.sleep(0.05)


def environment(settings=None) -> dict[str, str]:
    """What an operator's shell has, and nothing of this machine's own Ansible settings."""
    # masters of an earlier run would lead to gateways that are no more, or end just when they are asked
    sockets = tempfile.mkdtemp(dir=SOCKETS.name)
    kept = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    return {
        **kept,
        "ANSIBLE_SSH_CONTROL_PATH_DIR": sockets,
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_RETRY_FILES_ENABLED": "0",
        "ANSIBLE_TIMEOUT": "10",
        **(settings or {}),
    }
