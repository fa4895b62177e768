# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One campaign over both kinds of waves: real gateways by SSH, and the lab's light devices through twins at the same hub."""

from __future__ import annotations

import json
import uuid
from types import SimpleNamespace

import pytest

from lab import config, hub_client, hub_config, pki
from lab.environment import environment
from tests.hub.twin_fleet import FLEET, MODULE, TwinFleet
from tests.system.awx_launch import Launcher
from tests.system.devices import LabHub

REFUSES = {"state": "refused", "reason": "endpoint-dns: the hub's name does not resolve"}
TWINS = {"group": "pumps", "via": "twin", "expect": 3}
UNREACHABLE = {"ansible_port": 9}  # the discard port: nobody listens


class Mixed:
    """``fleet`` are the gateways; the pumps are twins at their hub."""

    def __init__(self, fleet, folder) -> None:
        self.fleet, lab = fleet, fleet.lab
        self.settings = json.loads((lab.state_dir / "hub.json").read_text())
        self.hub = SimpleNamespace(
            host=config.HUB,
            where=lab.where,
            config=self.settings,
            ca_file=pki.roots_file(lab.state_dir),
            connection_string=hub_config.connection_string(self.settings),
            seed=lambda devices: hub_client.ask(lab, "seed", {"hub": config.HUB, "devices": devices}),
        )
        self.twins, self.order = TwinFleet(self.hub, folder), None
        tag = uuid.uuid4().hex[:6]
        self.names = [f"pump-{tag}-{number}" for number in range(3)]
        self.twins.seed(self.names)

    def prepare(self, waves):
        """(campaign, inventory of the pumps, what the hub's credential injects), the order signed."""
        campaign = self.fleet.campaign(waves, endpoints=[{"host": config.HUB, "port": 8883, "role": "hub"}])
        self.twins.campaign_path = campaign
        self.order = self.order or self.twins.sign()  # signed once, as people do; other bytes would be another order
        options = {
            "connection_string": self.hub.connection_string,
            "sku": "S3",
            "fleet": FLEET,
            "orders": {"stage": str(self.order)},
        }
        pumps = {"all": {"vars": {"rootwave_twins": options}, "children": {"pumps": {"hosts": dict.fromkeys(self.names)}}}}
        path = self.fleet.folder / "pumps.json"
        path.write_text(json.dumps(pumps))
        return campaign, path, environment(self.settings, self.hub.ca_file)

    def stage(self, waves, answers=None, overrides=None):
        """stage_campaign over these waves while the pumps are connected."""
        campaign, path, known = self.prepare(waves)
        with self.twins.start(self.names, answers):
            return self.fleet.play("stage_campaign", campaign, "-i", str(path), overrides=overrides, settings=known)

    def ordered(self) -> list[bool]:
        port = LabHub(self.fleet.lab)
        return ["rootwave" in port.get_twin(name, MODULE)["properties"]["desired"] for name in self.names]


@pytest.fixture
def mixed(fleet, tmp_path):
    return Mixed(fleet, tmp_path)


def test_both_kinds_of_waves_go_through(mixed):
    first, second = mixed.fleet.group("first"), mixed.fleet.group("second")
    run = mixed.stage(["first", TWINS, "second"])
    assert run.code == 0, run.output
    assert mixed.fleet.outcomes(first + second) == {"done"} and mixed.ordered() == [True] * 3
    assert run.output.count("gate: pass: 4 total, 4 done") == 2 and "gate: pass: 3 total, 3 done" in run.output
    again = mixed.stage(["first", TWINS, "second"])
    assert (again.code, again.changed) == (0, 0), again.output


def test_gateways_that_fail_keep_the_pumps_untouched(mixed):
    run = mixed.stage(["first", TWINS], overrides={mixed.fleet.group("first")[0]: UNREACHABLE})
    assert run.code != 0 and "gate after wave first: fail: 4 total, 3 done, 1 unreachable" in run.output, run.output
    assert mixed.ordered() == [False] * 3


def test_pumps_that_fail_keep_the_gateways_untouched(mixed):
    run = mixed.stage([TWINS, "second"], answers={mixed.names[1]: REFUSES})
    assert run.code != 0 and "gate after wave pumps: fail: 3 total, 2 done, 1 refused" in run.output, run.output
    assert mixed.fleet.outcomes(mixed.fleet.group("second")) == {"untouched"}


def test_a_wave_of_twins_as_jobs_of_awx(mixed):
    """Its template is order; the gate asks the hub."""
    campaign, pumps, known = mixed.prepare([TWINS])
    launcher = Launcher(mixed.fleet, campaign, environ=known, more_inventories=(str(pumps),))
    with mixed.twins.start(mixed.names, None):
        ended = launcher.job("order", wave="pumps", phase="stage")
        assert ended.ok and mixed.ordered() == [True] * 3, ended.output
        ended = launcher.job("gate", wave="pumps", phase="stage")
    assert ended.ok and ended.evidence["numbers"]["done"] == 3, ended.output
