# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: awx_stale_nodes
short_description: Tell which nodes of a workflow in AWX must go before it is led anew
version_added: 0.2.0
description:
  - Those that the campaign has no more, and those that lead where they are not to lead any more.
author:
  - Rootwave contributors (@rootwave)
options:
  _input:
    description: The nodes as AWX's API lists them.
    type: list
    elements: dict
    required: true
  nodes:
    description: The nodes from P(rootwave.iot.awx_workflow#filter).
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what goes
  ansible.builtin.debug:
    msg: >-
      {{ query('awx.awx.controller_api', 'workflow_job_template_nodes', return_all=true)
         | rootwave.iot.awx_stale_nodes(lookup('rootwave.iot.campaign') | rootwave.iot.awx_workflow) }}
"""

RETURN = r"""
_value:
  description: Identifiers.
  type: list
  elements: str
"""

from ansible_collections.rootwave.iot.plugins.plugin_utils.awx_workflow import stale


def awx_stale_nodes(there, nodes):
    """See DOCUMENTATION."""
    return stale(there, nodes)


class FilterModule:
    """One filter."""

    def filters(self):
        return {"awx_stale_nodes": awx_stale_nodes}
