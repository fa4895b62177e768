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
positional: phase, endpoints, undo, places
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
  places:
    description:
      - Where this gateway's firewall takes the campaign's allowlist, instead of the campaign's own places. Of no account where
        the campaign has no allowlist.
    type: list
    elements: dict
    default: []
"""

EXAMPLES = r"""
- name: Stage
  rootwave.iot.gateway:
    desired: "{{ lookup('rootwave.iot.campaign') | rootwave.iot.desired('stage', rootwave_endpoints) }}"
    now: "{{ now().timestamp() | int }}"
    wave: "{{ rootwave_gate.wave }}"
    gate: "{{ rootwave_gate.token }}"

- name: See what a campaign asks of a gateway's firewall
  ansible.builtin.debug:
    msg: "{{ (lookup('rootwave.iot.campaign') | rootwave.iot.desired('assess', places=rootwave_allowlist_places)).allowlist }}"
"""

RETURN = r"""
_value:
  description: The desired document.
  type: dict
"""

from ansible.errors import AnsibleFilterError

UNDO = ("stage", "retire")
SAME = ("digest", "present", "absent", "clouds", "safe_after", "accept", "ca_files", "timeouts")


def desired(campaign, phase, endpoints=(), undo=None, places=()):
    """See DOCUMENTATION."""
    if not isinstance(campaign, dict) or "digest" not in campaign:
        raise AnsibleFilterError("rootwave.iot.desired takes a campaign from the lookup rootwave.iot.campaign")
    if phase == "revert" and undo not in UNDO:
        raise AnsibleFilterError("name the phase that is to be taken back: -e rootwave_undo=retire (or stage)")
    document = {
        "schema": 1,
        "campaign": campaign["name"],
        "phase": phase,
        "undo": undo if phase == "revert" else None,
        "endpoints": [*campaign["endpoints"], *endpoints],
        "confirm": campaign["policy"]["confirm"],
        "confirm_within": campaign["policy"]["confirm_within"],
        **{key: campaign[key] for key in SAME},
    }
    if campaign.get("allowlist"):  # else there is no such key: phases that were signed before stay the bytes that they are
        document["allowlist"] = _allowlist(campaign["allowlist"], places)
    return document


def _allowlist(section, places):
    """A gateway knows its own firewall best. Whether the places are any good is for the gateway to judge."""
    if not isinstance(places, (list, tuple)) or not all(isinstance(place, dict) for place in places):
        raise AnsibleFilterError("rootwave_allowlist_places is a list of places; docs/campaigns.md shows one")
    return {**section, "places": list(places) or section["places"]}


class FilterModule:
    """One filter."""

    def filters(self):
        return {"desired": desired}
