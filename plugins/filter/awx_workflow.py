# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: awx_workflow
short_description: Turn a campaign into the nodes of a workflow in AWX
version_added: 0.2.0
description:
  - Assess, then for each wave its job, its gate and an approval; the same for retire, behind the approval of the cutover. Every
    way that does not go on ends in a job that tells what to do, and fails.
  - The same campaign gives the same identifiers.
author:
  - Rootwave contributors (@rootwave)
options:
  _input:
    description: The campaign, from P(rootwave.iot.campaign#lookup).
    type: dict
    required: true
  source:
    description: The inventory source that is read first, by name. Empty, there is none.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Show the nodes
  ansible.builtin.debug:
    msg: "{{ lookup('rootwave.iot.campaign') | rootwave.iot.awx_workflow }}"
"""

RETURN = r"""
_value:
  description: >-
    Dictionaries with C(identifier), C(kind) (V(job), V(approval) or V(source)), C(name), C(template), C(extra_data), and the
    identifiers that C(success), C(failure) and C(always) lead to.
  type: list
  elements: dict
"""

from ansible_collections.rootwave.iot.plugins.plugin_utils.awx_workflow import nodes_of


def awx_workflow(campaign, source=""):
    """See DOCUMENTATION."""
    return nodes_of(campaign, source)


class FilterModule:
    """One filter."""

    def filters(self):
        return {"awx_workflow": awx_workflow}
