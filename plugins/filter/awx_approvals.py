# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: awx_approvals
short_description: Tell which approval the gate of a phase and wave writes to
version_added: 0.2.0
description:
  - Of the nodes of a campaign's workflow. A gate that nothing follows has none.
author:
  - Rootwave contributors (@rootwave)
options:
  _input:
    description: The nodes from P(rootwave.iot.awx_workflow#filter).
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the approvals
  ansible.builtin.debug:
    msg: "{{ lookup('rootwave.iot.campaign') | rootwave.iot.awx_workflow | rootwave.iot.awx_approvals }}"
"""

RETURN = r"""
_value:
  description: By C(PHASE-WAVE) dictionaries with C(identifier) and C(name).
  type: dict
"""

from ansible_collections.rootwave.iot.plugins.plugin_utils.awx_workflow import approvals_of


def awx_approvals(nodes):
    """See DOCUMENTATION."""
    return approvals_of(nodes)


class FilterModule:
    """One filter."""

    def filters(self):
        return {"awx_approvals": awx_approvals}
