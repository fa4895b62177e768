# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes a campaign another one: its digest decides whether a gateway's report is evidence."""

from __future__ import annotations

import pytest
import yaml
from ansible_collections.rootwave.iot.plugins.plugin_utils.campaign import load

from lab import config

ANCHORS = config.ROOT / "campaigns" / "anchors"
CAMPAIGN = {
    "name": "test",
    "anchors": {
        "present": [
            {
                "name": "digicert-global-root-g2",
                "sha256": "cb3ccbb76031e5e0138f8dd39a23f9de47ffc35e43c1144cea27d46a5ab1cb5f",
                "file": str(ANCHORS / "digicert-global-root-g2.pem"),
            }
        ],
        "absent": [],
    },
    "waves": ["canary"],
}


def digest(folder, **changes):
    path = folder / f"{len(list(folder.iterdir()))}.yml"
    path.write_text(yaml.safe_dump({**CAMPAIGN, **changes}))
    return load(str(path))["digest"]


@pytest.mark.parametrize("change", [{"description": "x"}, {"waves": ["canary", "broad"]}, {"policy": {"soak": 1}}])
def test_the_way_of_going_may_change_in_the_middle(tmp_path, change):
    assert digest(tmp_path, **change) == digest(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"endpoints": [{"host": "hub.example", "port": 8883}]},
        {"safe_after": {"date": "2024-09-30", "source": "https://example.com"}},
        {"accept": [{"finding": "java-scan-incomplete:jars", "reason": "seen"}]},
        {"anchors": {"present": [], "absent": CAMPAIGN["anchors"]["present"]}},
    ],
)
def test_what_is_asked_makes_another_campaign(tmp_path, change):
    assert digest(tmp_path, **change) != digest(tmp_path)
