#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: hub_twin
short_description: Read or change a device's or module's twin at its IoT hub
version_added: 0.1.0
description:
  - Reads a twin, or brings its tags and desired properties to a wanted state by merge patches.
  - Nothing of another writer is lost. Each change is guarded by the ETag of the twin that was read; when somebody else was
    faster, the twin is read and the patch computed again.
  - A patch that the hub could not take (sizes, names, depth) is refused before anything is sent.
  - Runs on the control node.
author:
  - Rootwave contributors (@rootwave)
extends_documentation_fragment:
  - rootwave.iot._hub
attributes:
  check_mode:
    support: full
    description: Reads the twin and says what would change.
  diff_mode:
    support: full
    description: Shows tags and desired properties before and after.
  idempotent:
    support: full
    description: A patch that changes nothing is not sent.
options:
  device_id:
    description:
      - The device.
    type: str
    required: true
  module_id:
    description:
      - A module on that device; without it the twin is the device's own.
    type: str
  state:
    description:
      - V(patched) applies O(tags) and O(desired), V(info) only reads.
    type: str
    choices: [patched, info]
    default: patched
  tags:
    description:
      - A merge patch (RFC 7386) for the tags, which devices cannot see. V(null) removes a key.
    type: dict
  desired:
    description:
      - A merge patch (RFC 7386) for the desired properties. V(null) removes a key.
    type: dict
  etag:
    description:
      - The twin must be this very one, else the task fails and changes nothing.
    type: str
"""

EXAMPLES = r"""
- name: Put a gateway into the first wave
  rootwave.iot.hub_twin:
    hub: my-hub.azure-devices.net
    device_id: gw-01
    tags:
      rootwave:
        wave: canary

- name: Read what a module reported
  rootwave.iot.hub_twin:
    hub: my-hub.azure-devices.net
    device_id: gw-01
    module_id: rootwave
    state: info
  register: gateway_twin
"""

RETURN = r"""
twin:
  description: The twin after the task; in check mode as it is.
  returned: success
  type: dict
  contains:
    device_id:
      description: The device.
      type: str
    module_id:
      description: The module, or null.
      type: str
    etag:
      description: Moves with tags and desired properties.
      type: str
    version:
      description: Moves with every change.
      type: int
    status:
      description: V(enabled) or V(disabled).
      type: str
    connection_state:
      description: V(Connected) or V(Disconnected).
      type: str
    last_activity_time:
      description: When the device was last heard of, late by minutes; not to be relied on.
      type: str
    tags:
      description: The tags.
      type: dict
    desired:
      description: The desired properties.
      type: dict
    desired_version:
      description: Their version.
      type: int
    reported:
      description: What the device reported. Untrusted text.
      type: dict
    reported_version:
      description: Its version.
      type: int
status:
  description: The hub's HTTP status.
  returned: when the hub refused
  type: int
error_code:
  description: The hub's error code.
  returned: when the hub refused with one
  type: str
tracking_id:
  description: What Microsoft's support asks for.
  returned: when the hub gave one
  type: str
"""
