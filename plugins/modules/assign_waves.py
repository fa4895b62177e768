#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: assign_waves
short_description: Divide the devices of an IoT hub into waves by a tag
version_added: 0.1.0
description:
  - Sets C(tags.rootwave.wave) of device twins, from which the inventory P(rootwave.iot.hub#inventory) makes groups.
  - By percentages a device's wave follows from its id and O(salt) alone, so nobody changes waves because others come or go.
  - Each change is guarded by the ETag of the twin that was read, and no other tag is touched. A device that has its wave is not
    written. The time that the quota allows is printed first.
  - One device's failure never stops the others; the task fails at its end then, and can be run again.
  - Runs on the control node.
author:
  - Rootwave contributors (@rootwave)
extends_documentation_fragment:
  - rootwave.iot._hub
attributes:
  check_mode:
    support: full
    description: Reads the twins and says what would change.
  diff_mode:
    support: full
    description: Shows the waves of the first 50 devices that change, before and after.
  idempotent:
    support: full
    description: A device that has its wave is not written.
options:
  percentages:
    description:
      - The waves in order and their share, together 100. Either these or O(lists) are needed.
    type: list
    elements: dict
    suboptions:
      wave:
        description: The wave's name.
        type: str
        required: true
      percent:
        description: Its share.
        type: float
        required: true
  salt:
    description:
      - The name of the fleet or of the campaign. Another salt puts other devices first. Needed with O(percentages).
    type: str
  lists:
    description:
      - The devices by wave.
    type: dict
  device_ids:
    description:
      - The devices that O(percentages) divide; without them and O(where) all of the hub.
    type: list
    elements: str
  where:
    description:
      - Divide the devices that meet this condition in the hub's query language.
    type: str
  only_unassigned:
    description:
      - Leave a device in the wave that it has, also when the percentages are others now.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Divide the pumps
  rootwave.iot.assign_waves:
    hub: my-hub.azure-devices.net
    where: tags.kind = 'pump'
    salt: plant-a
    percentages:
      - {wave: canary, percent: 1}
      - {wave: early, percent: 9}
      - {wave: broad, percent: 90}

- name: Take the canaries by name
  rootwave.iot.assign_waves:
    hub: my-hub.azure-devices.net
    lists:
      canary: [pump-1, pump-2]
"""

RETURN = r"""
waves:
  description: How many devices are in each wave after the task, of those that were looked at.
  returned: always
  type: dict
  sample: {broad: 903, canary: 9, early: 88}
counts:
  description:
    - The devices by what became of them. V(assigned) were written, V(same) had their wave, V(kept) have another one and were
      left in it, V(unlisted) are in no list.
  returned: always
  type: dict
  sample: {assigned: 1000, kept: 0, same: 0, unlisted: 0, failed: 0}
not_ok:
  description: The first 50 devices that could not be written.
  returned: always
  type: list
  elements: dict
  sample: [{device_id: pump-9, reason: the hub does not know it}]
status:
  description: The hub's HTTP status.
  returned: when the hub refused
  type: int
  sample: 401
error_code:
  description: The hub's error code.
  returned: when the hub refused with one
  type: str
  sample: IotHubUnauthorizedAccess
tracking_id:
  description: What Microsoft's support asks for.
  returned: when the hub gave one
  type: str
  sample: 0f1e2d3c4b5a69788796a5b4c3d2e1f0
"""
