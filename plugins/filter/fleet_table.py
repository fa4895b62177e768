# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: fleet_table
short_description: Show assessments as a table
version_added: 0.1.0
description:
  - One line for each gateway with its system, the old roots that it trusts in any form, how many of the new ones are held by
    Rootwave, the anchors that verified its endpoints, and the findings above severity info.
author:
  - Rootwave contributors (@rootwave)
options:
  _input:
    description: Results of M(rootwave.iot.gateway_info) by gateway.
    type: dict
    required: true
  inventory:
    description: All hosts; those that no wave has are named below the table.
    type: list
    elements: str
    default: []
  hostvars:
    description:
      - Ansible's variable of that name. Gateways that the inventory plugin P(rootwave.iot.hub#inventory) knows too get a
        column with their connection state at the hub.
    type: dict
"""

EXAMPLES = r"""
- name: Show the fleet
  ansible.builtin.debug:
    msg: "{{ dict(rootwave_seen) | rootwave.iot.fleet_table(groups.all, hostvars) }}"
"""

RETURN = r"""
_value:
  description: The table's lines.
  type: list
  elements: str
"""

from ansible_collections.rootwave.iot.plugins.plugin_utils.fleet_table import fleet_table


class FilterModule:
    """One filter."""

    def filters(self):
        return {"fleet_table": fleet_table}
