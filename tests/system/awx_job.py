# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A job as AWX starts it: ansible-runner in a container of the execution environment, under an id that no image knows.

What AWX lays into the private data directory, and what it sets, is from its awx/main/tasks/jobs.py (build_env, build_args,
write_inventory_file, sync_and_copy).
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from lab import config, fleet, images, inventory
from lab.tools import run
from tests.system.ee_image import SUITE

UID = 12345  # OpenShift gives a number out of the namespace's range, and group 0
ADDRESS = 10  # its last number: between the hub's and the gateways'
RUN_MOST = 480  # seconds
RUNNER = Path(sys.executable).with_name("ansible-runner")
FLEET = "rollout"  # the folder of a project that has the campaign
CONTROL_PATH = "/runner/cp"
ENVIRONMENT = {
    "ANSIBLE_SSH_CONTROL_PATH_DIR": CONTROL_PATH,
    "ANSIBLE_COLLECTIONS_PATH": "/runner/requirements_collections:~/.ansible/collections:/usr/share/ansible/collections",
    "ANSIBLE_ROLES_PATH": "/runner/requirements_roles:~/.ansible/roles:/usr/share/ansible/roles:/etc/ansible/roles",
    "ANSIBLE_INVENTORY_UNPARSED_FAILED": "True",
    "ANSIBLE_RETRY_FILES_ENABLED": "False",
    "JOB_ID": "1",
    "INVENTORY_ID": "1",
}


@dataclass
class Ended:
    """What a job left, as AWX reads it: from artifacts alone."""

    code: int
    status: str
    output: str
    events: list[dict]

    @property
    def stats(self) -> dict:
        """{"ok": {host: tasks}, "changed", "failures", "dark", ...}; empty when no play began."""
        found = [event["event_data"] for event in self.events if event["event"] == "playbook_on_stats"]
        return found[-1] if found else {}

    @property
    def task_files(self) -> set[str]:
        """Where the tasks that ran stand."""
        paths = {event["event_data"].get("task_path", "") for event in self.events if "event_data" in event}
        return {path.rpartition(":")[0] for path in paths if path}


class Job:
    """One job template's launches on a lab; ``folder`` becomes the private data directory."""

    def __init__(self, lab: config.Lab, folder: Path, campaign: Path):
        self.lab, self.private, self.ident = lab, folder, 0
        self.container = f"{lab.network}-ee"
        for name in ("env", "inventory", "cp", "artifacts"):
            (folder / name).mkdir(parents=True)
        subprocess.run(["git", "clone", "--quiet", config.ROOT, folder / "project"], check=True)
        self._write_campaign(campaign)
        self._write_inventory()
        self._write("env/ssh_key", fleet.client_key(lab).read_text(), 0o600)
        self._write("env/extravars", yaml.safe_dump({"rootwave_campaign": f"{FLEET}/campaign.yml", "awx_job_id": 1}))
        self._write("env/cmdline", "-u root --forks=5")
        self._write("env/settings", yaml.safe_dump({"job_timeout": RUN_MOST, "suppress_ansible_output": True}))
        self._write("env/envvars", yaml.safe_dump(ENVIRONMENT))
        run(["chown", "--recursive", f"{UID}:0", str(folder)])

    def run(self, image: str, playbook: str) -> Ended:
        """``ansible-runner run`` with the project on a read-only mount."""
        self.ident += 1
        argv = ["ansible-runner", "run", "/runner", "--playbook", f"playbooks/{playbook}.yml", "--ident", str(self.ident)]
        done = self.execute(image, argv)
        return _ended(done.returncode, self.private / "artifacts" / str(self.ident), done.stderr.decode())

    def execute(self, image: str, argv: list[str]) -> subprocess.CompletedProcess:
        """Any program in the job's container."""
        volumes = ["--volume", f"{self.private}:/runner", "--volume", f"{self.private}/project:/runner/project:ro"]
        return self._in_container(image, volumes, argv)

    def stream(self, image: str, playbook: str, folder: Path) -> Ended:
        """What a container group does: the private data directory comes by standard input, results go by standard output."""
        argv = [RUNNER, "transmit", self.private, "--playbook", f"playbooks/{playbook}.yml", "--ident", "streamed"]
        sent = subprocess.run(argv, check=True, capture_output=True)
        home, folder = (folder / name for name in ("runner", "received"))
        home.mkdir(parents=True)
        home.chmod(0o777)  # as Kubernetes makes an empty directory
        argv = ["ansible-runner", "worker", "--private-data-dir=/runner"]
        done = self._in_container(image, ["--volume", f"{home}:/runner"], argv, sent.stdout)
        folder.mkdir()
        argv = [RUNNER, "process", folder, "--ident", "streamed"]
        told = subprocess.run(argv, check=False, input=done.stdout, capture_output=True)
        return _ended(done.returncode, folder / "artifacts" / "streamed", (done.stderr + told.stderr).decode())

    def remove(self) -> None:
        run(["podman", "rm", "--force", "--ignore", "--time", "0", self.container])

    def _in_container(self, image: str, volumes: list[str], argv: list[str], stdin: bytes = b"") -> subprocess.CompletedProcess:
        """In the lab's network, where nothing leads further: the default route goes before the first process starts.

        Nothing can be written but the volumes and podman's /tmp. AWX leaves the image writable, for whom its modes let.
        """
        self.remove()
        runtime, address = images.choose_runtime(images.base_image(SUITE)), self.lab.address(ADDRESS)
        create = ["podman", "--runtime", runtime, "create", "--name", self.container, "--interactive"]
        create += ["--label", f"rootwave.lab={self.lab.name}", "--user", f"{UID}:0", "--read-only", *images.LIMITS]
        create += ["--cap-drop=ALL", "--security-opt=no-new-privileges", "--network", self.lab.network]
        create += ["--dns", self.lab.dns_address, "--ip", address, "--mac-address", config.mac(address)]
        run([*create, *volumes, image, *argv])
        run(["podman", "init", self.container])
        pid = run(["podman", "inspect", "--format", "{{.State.Pid}}", self.container]).strip()
        run(["nsenter", "--target", pid, "--net", "ip", "route", "delete", "default"])
        start = ["podman", "start", "--attach", "--interactive", self.container]
        return subprocess.run(start, check=False, input=stdin, capture_output=True, timeout=RUN_MOST + 30)

    def _write_campaign(self, campaign: Path) -> None:
        """Into the project, with its anchors beside it, as a fleet's own repository has them."""
        folder = self.private / "project" / FLEET
        folder.mkdir()
        document = yaml.safe_load(campaign.read_text())
        for anchor in (*document["anchors"]["present"], *document["anchors"]["absent"]):
            anchor["file"] = Path(shutil.copy(anchor["file"], folder)).name
        (folder / "campaign.yml").write_text(yaml.safe_dump(document))
        shutil.copy(self.lab.state_dir / "known_hosts", folder)

    def _write_inventory(self) -> None:
        """A script that prints it, and no path of this machine; AWX keeps a host's variables, not where they came from."""
        known = inventory.hosts_of(self.lab)["fleet"]
        shared = {
            key: value for key, value in known["vars"].items() if key not in ("ansible_user", "ansible_ssh_private_key_file")
        }
        options = f"-o UserKnownHostsFile=/runner/project/{FLEET}/known_hosts -o StrictHostKeyChecking=yes"
        shared["ansible_ssh_common_args"] = options
        groups = {name: {"hosts": list(group["hosts"])} for name, group in known["children"].items()}
        hostvars = {name: values for group in known["children"].values() for name, values in group["hosts"].items()}
        document = {"all": {"children": ["fleet"]}, "fleet": {"children": list(groups), "vars": shared}, **groups}
        text = json.dumps({**document, "_meta": {"hostvars": hostvars}})
        self._write("inventory/hosts", f"#! /usr/bin/env python3\n# -*- coding: utf-8 -*-\nprint({text!r})\n", 0o700)

    def _write(self, name: str, text: str, mode: int = 0o644) -> None:
        path = self.private / name
        path.touch(mode=mode)
        path.write_text(text)


def _ended(code: int, artifacts: Path, errors: str) -> Ended:
    assert (artifacts / "status").exists(), f"no job ran in the container: {errors}"
    events = sorted(_events(artifacts), key=lambda event: event["counter"])
    output = "".join(event["stdout"] + "\n" for event in events)
    return Ended(code, (artifacts / "status").read_text(), output + errors, events)


def _events(artifacts: Path) -> Iterator[dict]:
    for path in (artifacts / "job_events").glob("*.json"):
        yield json.loads(path.read_text())


__all__ = ("FLEET", "UID", "Ended", "Job")
