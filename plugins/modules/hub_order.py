#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: hub_order
short_description: Put a signed order on the twins of many devices, within the hub's quota
version_added: 0.1.0
description:
  - Puts one signed phase of a campaign on the twins of given devices. Devices carry it out when they find enough signatures of
    keys that they know; the twin only says when. What the devices then report is judged by M(rootwave.iot.wave_gate).
  - Orders are sent at a third of the hub's quota for twin updates, for each order brings two updates of the device's own. The
    least time that the quota allows is printed first, progress every 30 seconds.
  - Can be stopped and run again. A twin that holds the order is not written, a device that has proved it is done.
  - Only the order's own place in the twin is changed, guarded by the ETag of the twin that was read. A twin that would become
    larger than the hub takes is left as it is, and named.
  - One device's failure never stops the others. The task fails when nothing can be sent at all.
  - An envelope that cannot be read, is expired, or is for another phase, fleet or campaign is never sent.
  - Runs on the control node.
author:
  - Rootwave contributors (@rootwave)
extends_documentation_fragment:
  - rootwave.iot._hub
attributes:
  check_mode:
    support: full
    description: Reads the twins and says what would be sent.
  diff_mode:
    support: full
    description: Names the first devices that change.
  idempotent:
    support: full
    description: What a twin holds already is not sent.
options:
  device_ids:
    description:
      - The devices. Either these or O(hosts) are needed.
    type: list
    elements: str
  hosts:
    description:
      - Hosts of the inventory, whose devices are in their variable C(rootwave_device_id), or have the host's name.
    type: list
    elements: str
  state:
    description:
      - V(ordered) puts the order where it is missing.
      - V(withdrawn) takes it away. What has not begun is not begun then, what is pending reverts. With O(envelope) only that
        very order goes, without it whatever is ordered for O(phase).
      - V(info) only reads how far each device is.
    type: str
    choices: [ordered, withdrawn, info]
    default: ordered
  phase:
    description:
      - What is ordered. The envelope must be for it. V(keys) are new signing keys.
    type: str
    choices: [stage, retire, revert, keys]
    required: true
  envelope:
    description:
      - The signed order, a file C(*.dsse.json). Needed unless O(state=withdrawn).
    type: path
  fleet:
    description:
      - The fleet that the envelope must be for. Needed with O(envelope).
    type: str
  undo:
    description:
      - The phase that O(phase=revert) takes back; the envelope must be for it.
    type: str
    choices: [stage, retire]
  digest:
    description:
      - The campaign's digest, from P(rootwave.iot.campaign#lookup); the envelope must be for it.
    type: str
  keys:
    description:
      - A C(keys.json) as devices have it. With it an envelope that too few of its keys signed is not sent. Needs the command
        C(openssl).
    type: path
  front_end:
    description:
      - V(module) is an agent with an identity of its own, V(inbox) one that gets its orders from the device's own application, by
        the device's twin.
    type: str
    choices: [module, inbox]
    default: module
  module_id:
    description:
      - The agent's module, with O(front_end=module).
    type: str
    default: rootwave
  via:
    description:
      - V(direct) are patches of single twins, V(job) are scheduled jobs, which address device twins only. V(auto) takes what the
        quota lets end sooner.
    type: str
    choices: [auto, direct, job]
    default: auto
  write_share:
    description:
      - How much of the hub's quota for twin updates orders and their answers may take. The rest is left to what the fleet reports
        anyway.
    type: float
    default: 1.0
  again:
    description:
      - Order once more where the device's last word is refused, failed or reverted.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Stage three devices
  rootwave.iot.hub_order:
    hub: my-hub.azure-devices.net
    phase: stage
    envelope: orders/stage.dsse.json
    fleet: plant-a
    device_ids: [pump-1, pump-2, pump-3]

- name: Once more where it was refused, now that the cause is mended
  rootwave.iot.hub_order:
    hub: my-hub.azure-devices.net
    phase: stage
    envelope: orders/stage.dsse.json
    fleet: plant-a
    hosts: "{{ groups.canary }}"
    again: true

- name: Withdraw what has not begun
  rootwave.iot.hub_order:
    hub: my-hub.azure-devices.net
    phase: stage
    hosts: "{{ groups.broad }}"
    state: withdrawn
"""

RETURN = r"""
counts:
  description:
    - The devices by state. V(ordered) were written now, V(waiting) held the order already, V(proved) are done.
    - V(too_large) were not written because their twin would pass the hub's limit, V(missing) the hub does not know.
  returned: success
  type: dict
  sample:
    proved: 0
    waiting: 1
    ordered: 38
    withdrawn: 0
    not_ordered: 0
    refused: 1
    failed: 0
    reverted: 0
    too_large: 0
    missing: 0
    error: 0
not_ok:
  description: The first 50 devices that are not as they should be. A reason may be a device's own text.
  returned: success
  type: list
  elements: dict
  sample: [{device_id: pump-9, state: refused, reason: "endpoint-dns: my-hub.azure-devices.net does not resolve"}]
via:
  description: How the order went.
  returned: success
  type: str
  sample: direct
eta:
  description: Seconds that the hub's quota makes it take at the least, the devices' answers included.
  returned: success
  type: int
  sample: 127
seconds:
  description: Seconds that it took.
  returned: success
  type: float
  sample: 128.4
started_at:
  description: When it began, in epoch seconds.
  returned: success
  type: int
  sample: 1764000000
id:
  description: The order's id, the SHA-256 of the envelope.
  returned: when there is an envelope
  type: str
  sample: 3f0a377ba0a4a460ecb616f6507ce0d8cfa3e704025d4fda3ed0c5ca05468728
serial:
  description: The order's serial; 0 for keys.
  returned: when there is an envelope
  type: int
  sample: 7
order:
  description: The order as a twin holds it, for M(rootwave.iot.hub_configuration).
  returned: with O(state=info)
  type: dict
  sample: {id: 3f0a377ba0a4a460ecb616f6507ce0d8cfa3e704025d4fda3ed0c5ca05468728, n: 1, c0: eyJwYXls, go: 1}
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
