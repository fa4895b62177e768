# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.rootwave.iot.plugins.plugin_utils.fleet_table import fleet_table

SEEN = {"gw-01": {"unreachable": True, "msg": "no route"}, "gw-02": {"outcome": "failed"}}


def test_hub_beside_ssh():
    lines = fleet_table(SEEN, SEEN, {"gw-01": {"rootwave_connection_state": "Connected"}, "gw-02": {}})
    assert lines[0].endswith("at the hub")
    assert "unreachable" in lines[2] and lines[2].endswith("Connected")
    assert lines[3].endswith("unknown")


def test_without_a_hub():
    assert "at the hub" not in fleet_table(SEEN, SEEN, {"gw-01": {}, "gw-02": {}})[0]
    assert fleet_table(SEEN)[0] == fleet_table(SEEN, SEEN, {"gw-01": {}, "gw-02": {}})[0]
