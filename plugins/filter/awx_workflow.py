# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: awx_workflow
short_description: Turn a campaign into the nodes of a workflow in AWX
version_added: 0.2.0
description:
  - Assess, then for each wave its job, its gate and an approval; the same for retire, behind the approval of the cutover. Every
    way that does not go on ends in a report.
  - The same campaign gives the same identifiers.
author:
  - Rootwave contributors (@rootwave)
options:
  _input:
    description: The campaign, from P(rootwave.iot.campaign#lookup).
    type: dict
    required: true
  workflow:
    description: The workflow job template's name.
    type: str
    required: true
  organization:
    description: Its organization.
    type: str
    required: true
  timeout:
    description: Seconds that people have for an approval; V(0) for any time.
    type: int
    default: 0
"""

EXAMPLES = r"""
- name: Show the nodes
  ansible.builtin.debug:
    msg: "{{ lookup('rootwave.iot.campaign') | rootwave.iot.awx_workflow('azure-2026', 'Plant') }}"
"""

RETURN = r"""
_value:
  description: >-
    Dictionaries with C(identifier), C(kind) (V(job) or V(approval)), C(name), C(template), C(extra_data), C(timeout), and the
    identifiers that C(success), C(failure) and C(always) lead to.
  type: list
  elements: dict
"""

from ansible_collections.rootwave.iot.plugins.plugin_utils.awx_workflow import nodes_of


def awx_workflow(campaign, workflow, organization, timeout=0):
    """See DOCUMENTATION."""
    return nodes_of(campaign, workflow, organization, int(timeout))


class FilterModule:
    """One filter."""

    def filters(self):
        return {"awx_workflow": awx_workflow}
