# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: desired
short_description: What a campaign asks of one gateway in one phase
version_added: 0.1.0
description:
  - Makes the document that M(rootwave.iot.gateway) takes; devices get the same document through their twin.
author:
  - Rootwave contributors (@rootwave)
positional: phase, endpoints, undo
options:
  _input:
    description: A campaign, from P(rootwave.iot.campaign#lookup).
    type: dict
    required: true
  phase:
    description: The phase.
    type: str
    choices: [assess, stage, retire, revert]
    required: true
  endpoints:
    description: Endpoints of this gateway beside the campaign's own; each has host, port, role and proxy.
    type: list
    elements: dict
    default: []
  undo:
    description: The phase that O(phase=revert) takes back.
    type: str
    choices: [stage, retire]
"""

EXAMPLES = r"""
- name: Stage
  rootwave.iot.gateway:
    desired: "{{ lookup('rootwave.iot.campaign') | rootwave.iot.desired('stage', rootwave_endpoints) }}"
    now: "{{ now().timestamp() | int }}"
    wave: "{{ rootwave_gate.wave }}"
    gate: "{{ rootwave_gate.token }}"
"""

RETURN = r"""
_value:
  description: The desired document.
  type: dict
"""

from ansible.errors import AnsibleFilterError

UNDO = ("stage", "retire")
SAME = ("digest", "present", "absent", "clouds", "safe_after", "accept", "ca_files", "timeouts")


def desired(campaign, phase, endpoints=(), undo=None):
    """See DOCUMENTATION."""
    if not isinstance(campaign, dict) or "digest" not in campaign:
        raise AnsibleFilterError("rootwave.iot.desired takes a campaign from the lookup rootwave.iot.campaign")
    if phase == "revert" and undo not in UNDO:
        raise AnsibleFilterError("name the phase that is to be taken back: -e rootwave_undo=retire (or stage)")
    return {
        "schema": 1,
        "campaign": campaign["name"],
        "phase": phase,
        "undo": undo if phase == "revert" else None,
        "endpoints": [*campaign["endpoints"], *endpoints],
        "confirm": campaign["policy"]["confirm"],
        "confirm_within": campaign["policy"]["confirm_within"],
        **{key: campaign[key] for key in SAME},
    }


class FilterModule:
    """One filter."""

    def filters(self):
        return {"desired": desired}
