# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One launch of a job template on a lab, by ansible-runner: variables, survey and slicing from the table that AWX gets."""

from __future__ import annotations

import copy
import json
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import ansible_runner
import yaml

from lab import config, inventory
from tests import awx_table
from tests.system.fleet import ANSIBLE, Fleet, environment


@dataclass
class Ended:
    """What AWX keeps of a job: its status, the artifacts of set_stats, the hosts' counts, and what was printed, blanks as one."""

    status: str
    artifacts: dict
    changed: dict[str, int]
    output: str

    @property
    def ok(self) -> bool:
        return self.status == "successful"

    @property
    def evidence(self) -> dict:
        return self.artifacts["rootwave_evidence"]


@dataclass
class Launcher:
    """Launches of one campaign's templates; ``environ`` is what credentials inject."""

    fleet: Fleet
    campaign: Path
    slices: int = 1
    environ: dict = field(default_factory=dict)
    more_inventories: tuple = ()

    def job(self, template: str, evidence=None, overrides=None, without=(), limit="", cancel=None, **answers) -> Ended:
        """Runs it to its end, or until ``cancel()``. Its inventory lacks the gateways ``without``, as that of a slice does."""
        asked = awx_table.launch(template, str(self.campaign), self.waves(), answers, self.slices)
        artifacts = {"rootwave_evidence": evidence} if evidence else {}
        folder = Path(tempfile.mkdtemp(dir=self.fleet.folder))
        done = ansible_runner.run(
            private_data_dir=str(folder),
            project_dir=str(config.ROOT),
            playbook=asked.playbook,
            inventory=[self._inventory(folder, overrides or {}, without), *self.more_inventories],
            extravars={**asked.extra_vars, **artifacts},
            envvars=environment({"PATH": f"{ANSIBLE.parent}:{os.environ['PATH']}", **self.environ}),
            limit=limit or None,
            cancel_callback=cancel,
            quiet=True,
        )
        ends = [event["event_data"] for event in done.events if event["event"] == "playbook_on_stats"]
        last = ends[-1] if ends else {}
        output = " ".join(done.stdout.read().split())
        return Ended(done.status, last.get("artifact_data", {}), last.get("changed", {}), output)

    def waves(self) -> list[str]:
        """What the survey of the templates was made of."""
        waves = yaml.safe_load(self.campaign.read_text())["waves"]
        return [wave["group"] if isinstance(wave, dict) else wave for wave in waves]

    def _inventory(self, folder: Path, overrides: dict, without) -> str:
        document = copy.deepcopy(inventory.hosts_of(self.fleet.lab))
        for group in document["fleet"]["children"].values():
            group["hosts"] = {
                name: {**known, **overrides.get(name, {})} for name, known in group["hosts"].items() if name not in without
            }
        (folder / "job.json").write_text(json.dumps(document))
        return str(folder / "job.json")


__all__ = ("Ended", "Launcher")
