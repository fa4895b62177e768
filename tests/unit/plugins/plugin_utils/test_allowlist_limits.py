# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the control node lets into a campaign, gateways take: a limit that differed would fail on each of them."""

from __future__ import annotations

import json

from ansible_collections.rootwave.iot.plugins.module_utils.gateway.allowlists import document, prefixes
from ansible_collections.rootwave.iot.plugins.plugin_utils import campaign_file
from ansible_collections.rootwave.iot.plugins.plugin_utils import prefixes as files


def test_what_a_campaign_may_hold_is_what_a_gateway_takes():
    assert (document.PREFIXES_MOST, document.SOURCE_MOST, prefixes.WIDEST) == (files.MOST, files.SOURCE_MOST, files.WIDEST)
    schema = json.loads(campaign_file.SCHEMA.read_text())["properties"]["allowlist"]["properties"]
    assert (schema["ports"]["maxItems"], schema["places"]["maxItems"]) == (document.PORTS_MOST, document.PLACES_MOST)
    assert schema["quiet_period"]["maximum"] <= document.QUIET_MOST
