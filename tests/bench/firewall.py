# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Allowlists: 510 prefixes, as many and as wide as the global tag AzureIoTHub has, staged on a gateway against ``nft -f`` of the
same set; and a pass over a whole fleet, roots and addresses, with nothing to do, against ping.

What is timed is the whole phase on the gateway, its proofs and the armed revert too; one prefix takes nearly as long. The
gateways have Debian's three versions of nft; the slowest counts, and of its turns the one that the machine disturbed least.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.desired import gate_token
from ansible_collections.rootwave.iot.plugins.plugin_utils.campaign import load

from lab import commands, config
from lab.tools import say
from tests.system.allowlist_site import SET, Site
from tests.system.fleet import environment

HERE = Path(__file__).parent
TURNS, EXTRA_MOST = 5, 0.5  # seconds beyond nft
NOOP_MOST = 1.5  # pings of the same fleet
# prefixes of each length in the global tag of 2025-11-17 (change 42)
V4 = {24: 1, 25: 59, 26: 1, 27: 185, 32: 108}  # and the lab hub's own, a /32
V6 = 155
WITH_V6 = (
    r"sed -i -e 's/^  set hubs /  set hubs6 { type ipv6_addr; flags interval; counter; }\n&/' "
    r"-e 's/^    ip daddr @hubs tcp/    ip6 daddr @hubs6 tcp dport 8883 accept\n&/' /etc/nftables.conf"
)
LISTS = [["nft", "-j", "list", "table", "inet", "filter"]]
TIMED = """
import subprocess, sys, time
best = []
text = sys.stdin.read()
for _each in range(5):
    subprocess.run(["nft", "add table inet bench"], check=True)
    started = time.monotonic()
    subprocess.run(["nft", "-f", "-"], input=text.encode(), check=True)
    best.append(time.monotonic() - started)
    subprocess.run(["nft", "delete table inet bench"], check=True)
print(min(best))
"""


def tag(hub: str) -> list[str]:
    """510 prefixes that do not meet, neighbours none."""
    found, number = [f"{hub}/32"], 0
    for length, count in V4.items():
        for _each in range(count):
            found.append(f"20.{number // 128}.{number % 128 * 2}.0/{length}")
            number += 1
    return found + [f"2603:1030:{number:x}::/48" for number in range(1, 2 * V6, 2)]


def figures(names_of_groups: int = 24) -> dict[str, float]:
    """{"allowlist_seconds_beyond_nft", ...}; ends the run where a bound is not kept."""
    with tempfile.TemporaryDirectory(prefix="rootwave-bench-") as name:
        folder = Path(name)
        try:
            site = Site(commands.up("bench-firewall", {"broad": names_of_groups}, folder / "inventory"), folder)
            site.both_addresses()
            found = {**_one_gateway(site), **_fleet(site)}
        finally:
            commands.down("bench-firewall", folder / "inventory")
    if found["allowlist_seconds_beyond_nft"] > EXTRA_MOST:
        raise SystemExit(f"510 prefixes take more than {EXTRA_MOST} s beyond nft -f: {found}")
    if found["allowlist_noop_pass_over_ping"] > NOOP_MOST:
        raise SystemExit(f"a pass with nothing to do takes more than {NOOP_MOST} pings: {found}")
    return {key: round(value, 3) for key, value in found.items()}


def _one_gateway(site: Site) -> dict[str, float]:
    new = tag(site.lab.new_address)
    both = {**SET, "set6": "hubs6"}
    seconds: dict[str, list[float]] = {"staged": [], "nft": [], "single": []}
    for gateway in site.lab.gateways[:3]:
        site.filter(gateway.name)
        site.alter(gateway.name, "sh", "-c", f"{WITH_V6} && nft -f /etc/nftables.conf")
        seconds["nft"].append(_nft(site, gateway.name, new))
        for key, asked in (("staged", new), ("single", new[:1])):
            seconds[key].append(min(_staged(site, gateway.name, both, asked) for _turn in range(TURNS)))
        staged = site.staged(gateway.name, both, new=new)
        again = site.phase(gateway.name, "stage", both, new=new)
        if again["ran"] != LISTS or again["changed"]:
            raise SystemExit(f"a pass with nothing to do ran {again['ran']}")
        undone = site.phase(gateway.name, "revert", both, new=new, undo="stage")
        site.ask(gateway.name, commit=undone["pending"])
        count = sum(len(change["prefixes"]) for change in staged["plan"])
        say(f"  {gateway.suite:10} {count} prefixes {seconds['staged'][-1]:5.2f} s, one {seconds['single'][-1]:5.2f} s")
    extra = [staged - nft for staged, nft in zip(seconds["staged"], seconds["nft"], strict=True)]
    more = [staged - single for staged, single in zip(seconds["staged"], seconds["single"], strict=True)]
    return {
        "allowlist_510_seconds": max(seconds["staged"]),
        "allowlist_nft_seconds": max(seconds["nft"]),
        "allowlist_seconds_beyond_nft": max(extra),
        "allowlist_seconds_beyond_one": max(more),
    }


def _staged(site: Site, name: str, place: dict, new: list[str]) -> float:
    """Seconds on the gateway of one whole phase, proofs and armed revert included; it is taken back."""
    report = site.phase(name, "stage", place, new=new)
    if report["outcome"] != "pending":
        raise SystemExit(f"{name} was not staged: {report}")
    site.ask(name, commit=report["pending"], state="reverted")
    return report["elapsed"]


def _nft(site: Site, name: str, texts: list[str]) -> float:
    """Seconds of nft -f of the same sets, the best of five."""
    lines = []
    for version, kind in ((4, "ipv4_addr"), (6, "ipv6_addr")):
        mine = ", ".join(text for text in texts if (":" in text) == (version == 6))
        lines.append(f"add set inet bench hubs{version} {{ type {kind}; flags interval; counter; }}")
        lines.append(f"add element inet bench hubs{version} {{ {mine} }}")
    done = site.execute(name, "python3", "-c", TIMED, stdin="\n".join([*lines, ""]).encode())
    if done.returncode != 0:
        raise SystemExit(done.stderr.decode())
    return float(done.stdout)


def _fleet(site: Site) -> dict[str, float]:
    """The whole fleet staged once, then passes with nothing to do and pings in turn."""
    for gateway in site.lab.gateways:
        site.filter(gateway.name)
    prefixes = {"schema": 1, "prefixes": [{"prefix": f"{site.lab.new_address}/32", "source": "bench"}]}
    (site.folder / "new.yml").write_text(yaml.safe_dump(prefixes))
    campaign = site.campaign(["broad"], allowlist={"new": "new.yml", "private": True, "places": [SET]})
    digest = load(str(campaign))["digest"]
    settings = {
        "rootwave_campaign": str(campaign),
        "rootwave_endpoints": [{"host": config.HUB, "port": 8883, "role": "hub"}],
        "bench_tokens": {"stage": gate_token(digest, "stage", "broad")},
    }
    (site.folder / "settings.json").write_text(json.dumps(settings))
    shell = {**environment(), "ANSIBLE_COLLECTIONS_PATH": str(config.ROOT / "playbooks" / "collections")}
    _timed(site, shell, "stage.yml", len(site.lab.gateways))
    turns = [(_timed(site, shell, "ping.yml", 0), _timed(site, shell, "stage.yml", 0)) for _turn in range(TURNS)]
    ping, noop = (statistics.median(column) for column in zip(*turns, strict=True))
    return {"allowlist_noop_pass_over_ping": noop / ping}


def _timed(site: Site, shell: dict, playbook: str, changed: int) -> float:
    argv = [Path(sys.executable).with_name("ansible-playbook"), HERE / playbook, "-i", site.inventory()]
    argv += ["--forks", str(len(site.lab.gateways)), "-e", f"@{site.folder}/settings.json"]
    started = time.monotonic()
    done = subprocess.run(argv, env=shell, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - started
    if done.returncode != 0 or done.stdout.count("changed=1") != changed:
        raise SystemExit(
            f"{playbook} failed or changed others than {changed} gateways:\n{done.stdout[-3000:]}{done.stderr[-1000:]}"
        )
    say(f"  {playbook:14} {seconds:6.1f} s")
    return seconds


if __name__ == "__main__":
    print(json.dumps(figures(int(sys.argv[1]) if len(sys.argv) > 1 else 24), indent=1))

__all__ = ("figures",)
