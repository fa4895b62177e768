# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole story on a local fleet: assess, stage, cutover, rescue the holdouts, retire. ``make demo`` runs it.

Gateways are reached by SSH, devices by their twins alone. Figures: lab/count.py. What firewalls have to do with it:
lab/demo_firewalls.py. Writes artifacts/demo/summary.json (docs/demo.md).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from . import commands, config, count, demo_firewalls, device_fleet, filters, hub_client, openssl, pki, signers, twins
from .device import DEVICE_GROUPS
from .environment import environment
from .inventory import ROOTS_ONLY
from .tools import LabError, say

DEVICES = sum(DEVICE_GROUPS.values())
GROUPS = {"canary": 1, "early": 3, "broad": 8, ROOTS_ONLY: 1, "holdout": 1}
ANSWER_MOST = 120.0  # seconds for one device to answer its orders
INVENTORY = config.ROOT / "inventories" / "lab"


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

    def playbook(
        self, name: str, campaign: str, *more: str, folder: Path = config.ROOT / "playbooks", fails: bool = False
    ) -> None:
        """Run a playbook on the lab, its output shown as it comes; ``fails`` where it has to."""
        argv = [str(Path(sys.executable).with_name("ansible-playbook")), str(folder / f"{name}.yml")]
        argv += ["-i", str(self.inventory), "--forks", "14", "-e", f"rootwave_campaign={self.lab.state_dir / campaign}", *more]
        settings = json.loads((self.lab.state_dir / "hub.json").read_text())
        around = {**os.environ, **environment(settings, pki.roots_file(self.lab.state_dir))}
        around |= {"ANSIBLE_DISPLAY_SKIPPED_HOSTS": "false", "ANSIBLE_LOCALHOST_WARNING": "false"}
        done = subprocess.run(argv, check=False, env=around)
        if (done.returncode != 0) != fails:
            raise LabError(f"{name} ended with code {done.returncode}; the gate's message above says why")

    def start(self) -> None:
        if config.load(self.name) is not None:
            say("ending the lab of an earlier run")
            commands.down(self.name, self.inventory)
        self.lab = commands.up(self.name, dict(GROUPS), self.inventory, devices=DEVICES, kind=filters.MIXED)

    def sign(self) -> None:
        signers.sign(self.lab, self.lab.state_dir / "campaign-twins.yml")
        signed = " and ".join(signers.PEOPLE[: signers.THRESHOLD])
        say(f"{signed} have signed {', '.join(signers.SERIALS)}; the hub had no part in it")

    def tamper(self) -> dict:
        """Somebody with a stolen hub key adds a root of their own to the signed phase and puts it on a canary's twin."""
        device = self.lab.devices[0]
        thief = pki.make_root("Lab thief's root")
        twins.order(self.lab, device, "stage", twins.tampered(signers.order_file(self.lab, "stage"), thief))
        answer = twins.wait_for(self.lab, device, "stage", ("refused", "failed", "proved", "reverted"), ANSWER_MOST)
        say(f"{device.name} answers: {answer['state']}: {answer['reason']}")
        trusted = openssl.trusts(self.lab, device, thief.pem)
        return {"tampered_refused": int(answer["state"] == "refused"), "tampered_root_trusted": int(trusted)}

    def catch_up(self) -> None:
        """The orders lie in the twins of who is switched off; then they are switched on, and take them in their order."""
        self.playbook("order_late", "campaign-inbox.yml", folder=Path(__file__).parent / "playbooks")
        for device in [one for one in self.lab.devices if one.late]:
            say(f"switching {device.name} on")
            device_fleet.switch_on(self.lab, device)
            for phase in signers.SERIALS:
                answer = twins.wait_for(self.lab, device, phase, ("proved", "refused", "failed", "reverted"), ANSWER_MOST)
                say(f"{device.name} answers about {phase}: {answer['state']} {answer.get('reason') or ''}".rstrip())

    def run(self) -> dict:
        self.chapter("lab up", self.start)
        plan, firewalls = Plan(self.lab), demo_firewalls.Firewalls(self.lab)
        before = self.chapter("who trusts Baltimore", lambda: count.baltimore_trusted(self.lab))
        self.chapter("what firewalls let out", firewalls.first_day)
        self.chapter("assess the fleet", lambda: self.playbook("assess_fleet", "campaign-all.yml"))
        self.chapter("two of three people sign for the devices", self.sign)
        tampered = self.chapter("a stolen hub key, a tampered campaign", self.tamper)
        self.chapter("a bad allowlist cuts SSH off", lambda: firewalls.bad_allowlist(self.playbook))
        self.chapter("stage roots and addresses: canary, early, broad", lambda: self.playbook("stage_campaign", "campaign.yml"))
        self.chapter("stage roots alone, by SSH and by twin", lambda: self.playbook("stage_campaign", "campaign-roots.yml"))
        self.chapter("stage devices whose application has the connection", lambda: self.order_inbox("stage"))
        self.chapter("the hub moves: new chain, new address", lambda: hub_client.cutover(self.lab))
        moved = self.chapter("count", lambda: count.connected(self.lab, len(plan.staged | plan.ordered)))
        self.chapter("what firewalls let out by now", lambda: firewalls.after_stage(moved))
        self.chapter("stage the whole fleet once more", lambda: self.playbook("stage_campaign", "campaign-fleet.yml"))
        rescued = self.chapter("count again", lambda: count.connected(self.lab, len(plan.gateways | plan.ordered)))
        self.chapter("retire roots and addresses in waves", lambda: self.playbook("retire_campaign", "campaign-all.yml"))
        self.chapter("retire in waves by twin", lambda: self.playbook("retire_campaign", "campaign-twins.yml"))
        self.chapter("retire on devices whose application has the connection", lambda: self.order_inbox("retire"))
        self.chapter("one that was off catches up", self.catch_up)
        end = self.chapter("count at the end", lambda: count.connected(self.lab, len(self.lab.hosts)))
        self.chapter("what firewalls let out at the end", lambda: firewalls.at_the_end(rescued))
        after = self.chapter("who trusts Baltimore now", lambda: count.baltimore_trusted(self.lab))
        self.chapter("assess again", lambda: self.playbook("assess_fleet", "campaign-all.yml"))
        told = {**plan.summary(before, moved, rescued, end, after), **tampered, **firewalls.figures}
        return {**told, "seconds": self.seconds}

    def order_inbox(self, phase: str) -> None:
        self.playbook("order_campaign", "campaign-inbox.yml", "-e", f"rootwave_phase={phase}")


class Plan:
    """Who is to be staged when, and what the counts say of them."""

    def __init__(self, lab: config.Lab):
        self.gateways = {one.name for one in lab.gateways}
        self.holdouts = {one.name for one in lab.gateways if one.group in ("holdout", ROOTS_ONLY)}
        self.staged = self.gateways - self.holdouts
        self.devices = {one.name for one in lab.devices}
        self.late = {one.name for one in lab.devices if one.late}
        self.ordered = self.devices - self.late

    def summary(self, before: set[str], moved: set[str], rescued: set[str], end: set[str], after: set[str]) -> dict:
        """Of names that trust Baltimore (before, after) or hold a session (moved, rescued, end)."""
        return {
            "gateways": len(self.gateways),
            "staged": len(self.staged),
            "holdouts": len(self.holdouts),
            "reconnected_after_cutover": len(self.staged & moved),
            "stranded_after_cutover": len(self.staged - moved),
            "holdouts_stranded": len(self.holdouts - moved),
            "holdouts_recovered": len((self.holdouts - moved) & rescued),
            "connected_at_the_end": len(self.gateways & end),
            "baltimore_trusted_before": len(self.gateways & before),
            "baltimore_trusted_after": len(self.gateways & after),
            "devices": len(self.devices),
            "devices_staged": len(self.ordered),
            "devices_reconnected_after_cutover": len(self.ordered & moved),
            "devices_stranded_after_cutover": len(self.ordered - moved),
            "devices_off": len(self.late - before - moved - rescued),
            "devices_caught_up": len((self.late & end) - moved - after),
            "devices_connected_at_the_end": len(self.devices & end),
            "devices_baltimore_trusted_before": len(self.devices & before),
            "devices_baltimore_trusted_after": len(self.devices & after),
        }


def sentence(summary: dict) -> str:
    return (
        "{reconnected_after_cutover} of {staged} staged gateways and {devices_reconnected_after_cutover} of {devices_staged} "
        "devices reconnected after cutover, {stranded_after_cutover} and {devices_stranded_after_cutover} stranded; "
        "{holdouts_stranded} of {holdouts} holdouts stranded, {holdouts_recovered} back after staging; "
        "{tampered_refused} tampered campaign refused; {devices_caught_up} of {devices_off} devices that were off caught up; "
        "Baltimore trusted on {baltimore_trusted_after} of {gateways} gateways and "
        "{devices_baltimore_trusted_after} of {devices} devices. "
    ).format(**summary) + demo_firewalls.sentence(summary)


def as_promised(summary: dict) -> bool:
    return (
        summary["stranded_after_cutover"] == summary["devices_stranded_after_cutover"] == 0
        and summary["reconnected_after_cutover"] == summary["staged"]
        and summary["holdouts_stranded"] == summary["holdouts_recovered"] == summary["holdouts"]
        and summary["connected_at_the_end"] == summary["baltimore_trusted_before"] == summary["gateways"]
        and summary["devices_reconnected_after_cutover"]
        == summary["devices_baltimore_trusted_before"]
        == summary["devices_staged"]
        and (summary["tampered_refused"], summary["tampered_root_trusted"]) == (1, 0)
        and summary["devices_off"] == summary["devices_caught_up"] == summary["devices"] - summary["devices_staged"]
        and summary["devices_connected_at_the_end"] == summary["devices"]
        and summary["baltimore_trusted_after"] == summary["devices_baltimore_trusted_after"] == 0
        and demo_firewalls.as_promised(summary)
    )


def what_next(name: str, inventory: Path) -> str:
    """``down`` takes away the inventory too: another lab's, where it is not told which."""
    lab, place = ".venv/bin/python -m lab", "" if inventory == INVENTORY else f" --inventory {inventory}"
    return f"Look around: {lab} status --name {name}; end it: {lab} down --name {name}{place}"


def main() -> int:
    parser = argparse.ArgumentParser(prog=".venv/bin/python -m lab.demo", description=__doc__)
    parser.add_argument("--name", default="lab")
    parser.add_argument("--inventory", type=Path, default=INVENTORY)
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
    print(what_next(arguments.name, arguments.inventory))
    return 0 if as_promised(summary) else 1


if __name__ == "__main__":
    sys.exit(main())
