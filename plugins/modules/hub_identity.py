#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: hub_identity
short_description: A device's or module's identity at its IoT hub
version_added: 0.1.0
description:
  - Makes, changes or removes an entry of the hub's registry. Keys that are there stay as they are.
  - Runs on the control node.
author:
  - Rootwave contributors (@rootwave)
extends_documentation_fragment:
  - rootwave.iot._hub
attributes:
  check_mode:
    support: full
    description: Reads the identity and says what would change.
  diff_mode:
    support: full
    description: Shows the identity before and after, without keys.
  idempotent:
    support: full
    description: An identity that is as wanted is not written.
options:
  device_id:
    description:
      - The device.
    type: str
    required: true
  module_id:
    description:
      - A module on that device, which must be there; without it the identity is the device's own.
    type: str
  state:
    description:
      - V(absent) removes the identity and its twin, V(info) only reads.
    type: str
    choices: [present, absent, info]
    default: present
  authentication:
    description:
      - How it proves itself. For V(sas) the hub makes the keys.
    type: str
    choices: [sas, self_signed, certificate_authority]
    default: sas
  thumbprints:
    description:
      - For O(authentication=self_signed), the SHA-1 or SHA-256 of its certificate, and of the next one.
    type: list
    elements: str
  status:
    description:
      - Whether a device may connect. Modules have no status of their own.
    type: str
    choices: [enabled, disabled]
    default: enabled
  with_keys:
    description:
      - Return the symmetric keys. Set C(no_log) on the task then.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Make the identity that the agent on a gateway connects with
  rootwave.iot.hub_identity:
    hub: my-hub.azure-devices.net
    device_id: gw-01
    module_id: rootwave
    with_keys: true
  register: agent_identity
  no_log: true
"""

RETURN = r"""
identity:
  description: The identity after the task, without keys; null where there is none.
  returned: success
  type: dict
  sample:
    device_id: gw-01
    module_id: rootwave
    authentication: sas
keys:
  description: The symmetric keys.
  returned: with O(with_keys=true)
  type: list
  elements: str
  sample: []
status:
  description: The hub's HTTP status.
  returned: when the hub refused
  type: int
  sample: 404
error_code:
  description: The hub's error code.
  returned: when the hub refused with one
  type: str
  sample: DeviceNotFound
tracking_id:
  description: What Microsoft's support asks for.
  returned: when the hub gave one
  type: str
  sample: 0f0e0d0c0b0a09080706050403020100-G:0-TimeStamp:11/24/2026 20:00:00
"""
