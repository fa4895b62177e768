# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: waves
short_description: Fix the waves of a run
version_added: 0.1.0
description:
  - Turns a campaign's waves and the inventory's groups into hosts in order and batches of at most O(forks) gateways.
  - Refuses a wave that is empty, unknown, shares a gateway with another wave, or is too small for the policy's sample.
author:
  - Rootwave contributors (@rootwave)
options:
  _input:
    description: A campaign, from P(rootwave.iot.campaign#lookup).
    type: dict
    required: true
  groups:
    description: The inventory's groups, C(groups).
    type: dict
    required: true
  forks:
    description: The most gateways in one batch, C(ansible_forks).
    type: int
    required: true
  last:
    description: Run this wave alone; the waves before it are judged by the reports on their gateways.
    type: str
  only:
    description:
      - V(judged) looks at O(last) itself and at no other wave.
      - V(sliced) takes an inventory that is a part of the whole, as a job slice of AWX has; its gate wants evidence then.
    type: str
    choices: [judged, sliced]
"""

EXAMPLES = r"""
- name: Show who comes when
  ansible.builtin.debug:
    msg: "{{ (lookup('rootwave.iot.campaign') | rootwave.iot.waves(groups, ansible_forks)).waves }}"
"""

RETURN = r"""
_value:
  description: The waves, the batches, all hosts in order, and the batches' sizes.
  type: dict
"""

from ansible.errors import AnsibleFilterError
from ansible_collections.rootwave.iot.plugins.plugin_utils.waves import JUDGED, SLICED, fix_waves


def waves(campaign, groups, forks, last=None, only=None):
    """See DOCUMENTATION."""
    if not isinstance(campaign, dict) or "digest" not in campaign:
        raise AnsibleFilterError("rootwave.iot.waves takes a campaign from the lookup rootwave.iot.campaign")
    if only not in (None, "", JUDGED, SLICED):
        raise AnsibleFilterError(f"rootwave.iot.waves: only is {JUDGED} or {SLICED}, not {only}")
    if only and last is None:
        raise AnsibleFilterError(f"rootwave.iot.waves: {only} is about one wave; name it (rootwave_wave)")
    return fix_waves(campaign, groups, int(forks), last, only or None)


class FilterModule:
    """One filter."""

    def filters(self):
        return {"waves": waves}
