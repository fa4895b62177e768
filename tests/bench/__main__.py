# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paired runs on 24 gateways in one go; only ratios count, for the machine is never quiet. Writes artifacts/bench.json.

Each pair starts from new gateways: the baseline's first and second run, then, on new gateways again, ours. SSH connections are
warm for every timed second run and cold for every timed first run. Ping and our second run are short, so they take turns a few
times and the median of each counts. Allowlists (firewall.py) have a lab of their own. The hub's side (hub.py, orders.py) is
measured against the time that the hub's quota allows,
an idle agent (agent.py) against what a device can spare.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ansible_collections.rootwave.iot.plugins.module_utils.gateway.desired import gate_token
from ansible_collections.rootwave.iot.plugins.plugin_utils.campaign import load

from lab import commands, config, fleet, hub_client, images, inventory, openssl, pki
from lab.tools import say

from . import agent as agent_bench
from . import firewall as firewall_bench
from . import hub as hub_bench
from . import orders as orders_bench

HERE = Path(__file__).parent
GATEWAYS, PAIRS, TURNS = 24, 3, 3
ANSIBLE = Path(sys.executable).with_name("ansible-playbook")
ROOTS = ("digicert-global-root-g2", "microsoft-rsa-root-ca-2017")


class Bench:
    """One lab of 24 gateways in one group, renewed before every first run."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.lab = commands.up("bench", {"broad": GATEWAYS}, folder / "inventory")
        self.runtime = images.choose_runtime(images.base_image("trixie"))
        # the hub serves the new chain from the start, so that stage and retire follow each other without a cutover
        hub_client.serve(self.lab, "v2")
        campaign = folder / "campaign.yml"
        inventory.write_campaign(self.lab, campaign, "bench", ["broad"])
        digest = load(str(campaign))["digest"]
        settings = {
            "rootwave_campaign": str(campaign),
            # one endpoint: one handshake in a pass with nothing to do, three for stage, five for retire with its two more offers
            "rootwave_endpoints": [{"host": config.HUB, "port": 8883, "role": "hub"}],
            "bench_tokens": {phase: gate_token(digest, phase, "broad") for phase in ("stage", "retire")},
            "bench_roots": [str(config.ROOT / "campaigns" / "anchors" / f"{name}.pem") for name in ROOTS],
        }
        (folder / "settings.json").write_text(json.dumps(settings))

    def renew(self) -> None:
        fleet.renew(self.lab, self.lab.gateways, self.runtime)

    def check(self) -> None:
        """By the gateways' own reports and by openssl: what was timed is the whole job, not a refusal."""
        roots = pki.create(self.lab.state_dir)
        for gateway in self.lab.gateways:
            report = json.loads(fleet.execute(self.lab, gateway, ["cat", "/var/lib/rootwave/report.json"]).stdout)
            trusted = {name: openssl.trusts(self.lab, gateway, roots[name].pem) for name in ("lab-g2", "lab-baltimore")}
            if (report["phase"], report["outcome"], trusted) != ("retire", "done", {"lab-g2": True, "lab-baltimore": False}):
                raise SystemExit(f"{gateway.name} was not brought to the desired state: {report['outcome']}, {trusted}")

    def timed(self, playbook: str, sockets: str, changes: int | None = None, **environment: str) -> float:
        argv = [
            ANSIBLE,
            HERE / playbook,
            "-i",
            self.folder / "inventory",
            "--forks",
            str(GATEWAYS),
            "-e",
            f"@{self.folder}/settings.json",
        ]
        settings = {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(config.ROOT / "playbooks" / "collections"),
            "ANSIBLE_SSH_CONTROL_PATH_DIR": sockets,
            **environment,
        }
        started = time.monotonic()
        done = subprocess.run(argv, env=settings, capture_output=True, text=True, check=False)
        seconds = time.monotonic() - started
        if done.returncode != 0:
            raise SystemExit(f"{playbook} failed:\n{done.stdout[-3000:]}{done.stderr[-1000:]}")
        changed = sum(int(count) for count in re.findall(r"changed=(\d+)", done.stdout))
        if changes is not None and changed != changes:
            raise SystemExit(f"{playbook} changed {changed} gateways, expected {changes}:\n{done.stdout[-3000:]}")
        say(f"  {playbook:14} {seconds:6.1f} s{' (mitogen)' if environment else ''}")
        return seconds

    def pair(self) -> dict[str, float]:
        mitogen = {"ANSIBLE_STRATEGY_PLUGINS": mitogen_folder(), "ANSIBLE_STRATEGY": "mitogen_linear"}
        self.renew()
        with new_sockets() as sockets:
            stock_first = self.timed("baseline.yml", sockets)
            stock_noop = self.timed("baseline.yml", sockets)
            mitogen_noop = self.timed("baseline.yml", sockets, **mitogen)
        self.renew()
        with new_sockets() as sockets:
            first = self.timed("first.yml", sockets)
            turns = [(self.timed("ping.yml", sockets), self.timed("retire.yml", sockets, changes=0)) for _turn in range(TURNS)]
        ping, noop = (statistics.median(seconds) for seconds in zip(*turns, strict=True))
        self.check()
        return {
            "noop_pass_over_ping": noop / ping,
            "stock_noop_over_ours": stock_noop / noop,
            "mitogen_noop_over_ours": mitogen_noop / noop,
            "stock_first_over_ours": stock_first / first,
        }


def new_sockets():
    """No connection is open yet; the path is short, for a socket's name has at most 108 bytes."""
    return tempfile.TemporaryDirectory(prefix="rw-", dir="/tmp")


def mitogen_folder() -> str:
    import ansible_mitogen

    return str(Path(ansible_mitogen.__file__).parent / "plugins" / "strategy")


def summed_up(values: list[float]) -> dict[str, float]:
    found = {"min": min(values), "median": statistics.median(values), "max": max(values)}
    return {word: round(value, 2) for word, value in found.items()}


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="rootwave-bench-") as folder:
        bench = Bench(Path(folder))
        try:
            pairs = []
            for number in range(1, PAIRS + 1):
                say(f"pair {number} of {PAIRS}")
                pairs.append(bench.pair())
        finally:
            commands.down("bench", Path(folder) / "inventory")
    say("allowlists")
    firewall = firewall_bench.figures(GATEWAYS)
    say("the hub's side")
    figures = {"firewall": firewall, "hub": hub_bench.figures(), "orders": orders_bench.figures(), "agent": agent_bench.figures()}
    ratios = {key: summed_up([pair[key] for pair in pairs]) for key in pairs[0]}
    artifacts = config.ROOT / "artifacts"
    artifacts.mkdir(exist_ok=True)
    (artifacts / "bench.json").write_text(json.dumps({**ratios, **figures}, indent=1) + "\n")
    for key, value in ratios.items():
        print(f"{key:24} min {value['min']:6.2f}  median {value['median']:6.2f}  max {value['max']:6.2f}")
    for name, figure in [one for part in figures.values() for one in part.items()]:
        print(f"{name:32} {figure:8.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
