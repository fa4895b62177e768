# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole story on a local fleet: assess, stage, cutover, rescue the holdouts, retire. ``make demo`` runs it.

Figures come from the hub's live sessions and from openssl on the gateways, never from Rootwave's own reports.
Writes artifacts/demo/summary.json (docs/demo.md).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import commands, config, hub_client, openssl, pki
from .tools import LabError, say

SESSIONS_MOST = 90.0  # seconds for every client to be back after a cutover


class Story:
    """One run of the demo; ``seconds`` collects what each chapter took."""

    def __init__(self, name: str, inventory: Path, artifacts: Path):
        self.name, self.inventory, self.artifacts = name, inventory, artifacts
        self.seconds: dict[str, float] = {}
        self.lab = config.Lab(name, 0, 0)

    def chapter(self, title: str, action):
        say(f"\n==== {title}")
        started = time.monotonic()
        result = action()
        self.seconds[title] = round(time.monotonic() - started, 1)
        return result

    def playbook(self, name: str, campaign: str) -> None:
        """Run a playbook of this collection on the lab, its output shown as it comes."""
        argv = [str(Path(sys.executable).with_name("ansible-playbook")), str(config.ROOT / "playbooks" / f"{name}.yml")]
        argv += ["-i", str(self.inventory), "--forks", "14", "-e", f"rootwave_campaign={self.lab.state_dir / campaign}"]
        environment = dict(os.environ, ANSIBLE_DISPLAY_SKIPPED_HOSTS="false", ANSIBLE_LOCALHOST_WARNING="false")
        done = subprocess.run(argv, check=False, env=environment)
        if done.returncode != 0:
            raise LabError(f"{name} ended with code {done.returncode}; the gate's message above says why")

    def start(self) -> None:
        if config.load(self.name) is not None:
            say("ending the lab of an earlier run")
            commands.down(self.name, self.inventory)
        self.lab = commands.up(self.name, dict(config.GROUPS), self.inventory)

    def baltimore_trusted(self) -> int:
        """Gateways that trust the lab's Baltimore or the real one in any form."""
        roots = [pki.create(self.lab.state_dir)["lab-baltimore"].pem]
        roots.append((config.ROOT / "campaigns" / "anchors" / "baltimore-cybertrust-root.pem").read_text())
        return sum(self.on_each(lambda one: any(openssl.trusts(self.lab, one, root) for root in roots)))

    def on_each(self, question) -> list[bool]:
        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(question, self.lab.gateways))

    def connected(self, expected: int) -> set[str]:
        """Names with a live session, once they are as many as expected or the time is up; openssl must agree."""
        hub_client.wait_connected(self.lab, expected, SESSIONS_MOST)
        names = set(hub_client.registry(self.lab)["connected"])
        reach = self.on_each(lambda one: openssl.reaches_hub(self.lab, one))
        able = {one.name for one, reaches in zip(self.lab.gateways, reach, strict=True) if reaches}
        if names != able:
            raise LabError(f"the hub counts {sorted(names)}, openssl on the gateways reaches it from {sorted(able)}")
        say(f"{len(names)} of {len(self.lab.gateways)} gateways hold a session to the hub")
        return names

    def run(self) -> dict:
        self.chapter("lab up", self.start)
        everyone = {one.name for one in self.lab.gateways}
        holdouts = {one.name for one in self.lab.gateways if one.group == "holdout"}
        staged = everyone - holdouts
        summary: dict = {"gateways": len(everyone), "staged": len(staged), "holdouts": len(holdouts)}
        summary["baltimore_trusted_before"] = self.baltimore_trusted()
        self.chapter("assess the fleet", lambda: self.playbook("assess_fleet", "campaign-all.yml"))
        self.chapter("stage canary, early, broad", lambda: self.playbook("stage_campaign", "campaign.yml"))
        self.chapter("the hub moves: new chain, new address", lambda: hub_client.cutover(self.lab))
        after = self.chapter("count", lambda: self.connected(len(staged)))
        summary["reconnected_after_cutover"] = len(after & staged)
        summary["stranded_after_cutover"] = len(staged - after)
        summary["holdouts_stranded"] = len(holdouts - after)
        self.chapter("stage the holdouts", lambda: self.playbook("stage_campaign", "campaign-holdout.yml"))
        after = self.chapter("count again", lambda: self.connected(len(everyone)))
        summary["holdouts_recovered"] = len(holdouts & after)
        self.chapter("retire Baltimore in waves", lambda: self.playbook("retire_campaign", "campaign-all.yml"))
        summary["connected_at_the_end"] = len(self.chapter("count at the end", lambda: self.connected(len(everyone))))
        summary["baltimore_trusted_after"] = self.baltimore_trusted()
        self.chapter("assess again", lambda: self.playbook("assess_fleet", "campaign-all.yml"))
        return {**summary, "seconds": self.seconds}


def sentence(summary: dict) -> str:
    return (
        "{reconnected_after_cutover} of {staged} staged gateways reconnected after cutover, {stranded_after_cutover} stranded; "
        "{holdouts_stranded} of {holdouts} holdouts stranded, {holdouts_recovered} back after staging; "
        "Baltimore trusted on {baltimore_trusted_after} of {gateways}."
    ).format(**summary)


def as_promised(summary: dict) -> bool:
    return (
        summary["stranded_after_cutover"] == 0
        and summary["reconnected_after_cutover"] == summary["staged"]
        and summary["holdouts_stranded"] == summary["holdouts_recovered"] == summary["holdouts"]
        and summary["connected_at_the_end"] == summary["baltimore_trusted_before"] == summary["gateways"]
        and summary["baltimore_trusted_after"] == 0
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog=".venv/bin/python -m lab.demo", description=__doc__)
    parser.add_argument("--name", default="lab")
    parser.add_argument("--inventory", type=Path, default=config.ROOT / "inventories" / "lab")
    parser.add_argument("--artifacts", type=Path, default=config.ROOT / "artifacts" / "demo")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        os.execvp(
            "sudo",
            ["sudo", "-n", "--preserve-env=ROOTWAVE_CACHE,ROOTWAVE_LAB_DIR", sys.executable, "-m", "lab.demo", *sys.argv[1:]],
        )
    try:
        summary = Story(arguments.name, arguments.inventory, arguments.artifacts).run()
    except LabError as exc:
        say(f"demo: {exc}")
        return 1
    arguments.artifacts.mkdir(parents=True, exist_ok=True)
    (arguments.artifacts / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")
    print(f"\n{sentence(summary)}")
    lab = ".venv/bin/python -m lab"
    print(f"Look around: {lab} status --name {arguments.name}; end it: {lab} down --name {arguments.name}")
    return 0 if as_promised(summary) else 1


if __name__ == "__main__":
    sys.exit(main())
