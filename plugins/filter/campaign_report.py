# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: campaign_report
short_description: Tell how far a campaign is
version_added: 0.2.0
description:
  - From the last reports of a fleet, wave by wave, who is through, who is not and why, and the command that comes next.
  - A gateway whose report is of another campaign, or that has none, is silent.
author:
  - Rootwave contributors (@rootwave)
options:
  _input:
    description: What M(rootwave.iot.gateway_info) returned with C(report_only=true), by gateway.
    type: dict
    required: true
  campaign:
    description: The campaign, from P(rootwave.iot.campaign#lookup).
    type: dict
    required: true
  waves:
    description: The waves, from P(rootwave.iot.waves#filter).
    type: list
    elements: dict
    required: true
  workflow:
    description: The workflow in AWX that is launched again to go on. Empty, the command is told.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Show how far the campaign is
  ansible.builtin.debug:
    msg: "{{ (dict(rootwave_reports) | rootwave.iot.campaign_report(rootwave_data, rootwave_waves)).lines }}"
"""

RETURN = r"""
_value:
  description: C(lines) for a human, C(waves) with their numbers and troubles, and C(next).
  type: dict
"""

from ansible_collections.rootwave.iot.plugins.plugin_utils.campaign_report import campaign_report


def report(reports, campaign, waves, workflow=""):
    """See DOCUMENTATION."""
    return campaign_report(campaign, waves, reports, workflow)


class FilterModule:
    """One filter."""

    def filters(self):
        return {"campaign_report": report}
