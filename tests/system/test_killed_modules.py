# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SIGKILL of the module, alone or with all that it has started, at more than two hundred random moments on real gateways.

Every endpoint still verifies at each sample, and the next run ends in the desired state. The sampler can fail: see the twin.
"""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ansible_collections.rootwave.iot.plugins.filter.desired import desired
from ansible_collections.rootwave.iot.plugins.plugin_utils.campaign import load

from lab import config, hub_client, openssl
from lab.tools import run

KILLS = 34  # for each of three gateways and two phases
CORE = config.ROOT / "plugins" / "module_utils" / "gateway"
SCRIPT = Path(__file__).with_name("on_gateway_kill.py")

# With all that Debian ships, update-ca-certificates is most of what a kill can meet
ALL_ROOTS = "cd /usr/share/ca-certificates; find mozilla -name '*.crt' > /etc/ca-certificates.conf; update-ca-certificates"


def documents(fleet, *phases: str) -> list[dict]:
    endpoints = [{"host": config.HUB, "port": 8883, "role": "hub"}]
    campaign = load(str(fleet.campaign(["trio"])))
    return [desired(campaign, phase, endpoints, undo=phases[0]) for phase in phases]


def kill_on(fleet, name: str, asked: list[dict], kills: int = KILLS) -> dict:
    container = fleet.lab.container(fleet.gateways[name])
    fleet.alter(name, "sh", "-euc", ALL_ROOTS)
    fleet.alter(name, "mkdir", "-p", "/core")
    run(["podman", "cp", str(CORE), f"{container}:/core/"])
    run(["podman", "cp", str(SCRIPT), f"{container}:/core/kill.py"])
    settings = json.dumps({"documents": asked, "kills": kills, "seed": name})
    fleet.alter(name, "sh", "-c", "cat > /core/settings.json", stdin=settings.encode())
    argv = ["podman", "exec", container, "python3", "/core/kill.py", "/core", "/core/settings.json"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def on_all(fleet, *phases: str) -> list[dict]:
    asked = documents(fleet, *phases)
    with ThreadPoolExecutor(3) as pool:
        return list(pool.map(lambda name: kill_on(fleet, name, asked), fleet.group("trio")))


def assert_never_stranded(results):
    for result in results:
        assert result["violations"] == []
        assert result["samples"] > KILLS
        assert result["killed"] == KILLS
        assert result["outcome"] == "done"


def test_killed_at_random(fleet, roots):
    """Stage and revert while the hub is on its old chain; then retire and revert while it is on the new one."""
    assert_never_stranded(on_all(fleet, "stage", "revert"))
    for name in fleet.group("trio"):
        assert openssl.trusts_in_every_form(fleet.lab, fleet.gateways[name], roots["lab-g2"].pem)
    hub_client.serve(fleet.lab, "v2")
    assert_never_stranded(on_all(fleet, "retire", "revert"))
    for name in fleet.group("trio"):
        assert not openssl.trusts(fleet.lab, fleet.gateways[name], roots["lab-baltimore"].pem)
        assert openssl.trusts_in_every_form(fleet.lab, fleet.gateways[name], roots["lab-g2"].pem)


def test_the_sampler_can_fail(fleet):
    """The same sampler on a gateway that the hub's new chain strands: every sample is a violation."""
    hub_client.serve(fleet.lab, "v2")
    name = fleet.group("trio")[0]
    result = kill_on(fleet, name, documents(fleet, "retire"), kills=2)
    assert len(result["violations"]) > 0
    assert result["outcome"] == "refused"
