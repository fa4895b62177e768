#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: hub_configuration
short_description: Make, change or remove an automatic device or module configuration of an IoT hub
version_added: 0.1.0
description:
  - An automatic configuration sets desired properties on every twin that meets its target condition, also on one that meets it
    later. The hub evaluates it every five minutes and takes the settings from twins that no longer meet the condition.
  - What the hub could not take, and queries that it does not understand, are refused before anything is changed.
  - A content never changes. A configuration with another content needs a name of its own and a higher priority.
  - Runs on the control node.
author:
  - Rootwave contributors (@rootwave)
extends_documentation_fragment:
  - rootwave.iot._hub
attributes:
  check_mode:
    support: full
    description: Reads the configuration, has its queries tested, and says what would change.
  diff_mode:
    support: full
    description: Shows the configuration before and after.
  idempotent:
    support: full
    description: A configuration that is as wanted is not sent.
options:
  name:
    description:
      - Its id, up to 128 of V(a-z 0-9 - + % _ * ! ').
    type: str
    required: true
  state:
    description:
      - V(absent) removes it, and with it its settings from the twins. V(info) only reads.
    type: str
    choices: [present, absent, info]
    default: present
  kind:
    description:
      - Whose twins are set.
    type: str
    choices: [device, module]
    default: device
  content:
    description:
      - Settings by path, each below C(properties.desired). Needed with O(state=present).
    type: dict
  target_condition:
    description:
      - A condition in the hub's query language; V(*) is every device. For modules it begins with C(FROM devices.modules WHERE).
        Needed with O(state=present).
    type: str
  priority:
    description:
      - The highest one wins where two configurations meet in one twin, the newest of equals.
    type: int
    default: 0
  labels:
    description:
      - Names and values for people.
    type: dict
  metrics:
    description:
      - Up to five queries by name, whose results the hub keeps beside its own metrics.
    type: dict
"""

EXAMPLES = r"""
- name: Give late-comers the order of the wave
  rootwave.iot.hub_configuration:
    hub: my-hub.azure-devices.net
    name: rootwave-stage-7
    kind: module
    target_condition: FROM devices.modules WHERE moduleId = 'rootwave' AND tags.rootwave.wave = 'broad'
    priority: 7
    content:
      properties.desired.rootwave:
        order: stage-7

- name: See how many twins have it
  rootwave.iot.hub_configuration:
    hub: my-hub.azure-devices.net
    name: rootwave-stage-7
    state: info
  register: late_comers
"""

RETURN = r"""
configuration:
  description:
    - The hub's document, C(systemMetrics.results) and C(metrics.results) with its counts. Null when there is none; in check mode
      as it is.
  returned: success
  type: dict
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
