#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: service_tags
short_description: The address prefixes of Azure IoT Hub and DPS by region, checked against the last accepted ones
version_added: 0.1.0
description:
  - Reads the service tag C(AzureIoTHub), which covers DPS too, from a downloaded file or from the Service Tag Discovery API, and
    picks the prefixes of regions and of their pairs. Prefixes that the tag has for no region are always among them.
  - Compares by the tag's own change number and prefixes. The file's number moves with every other service of Azure.
  - Refuses a document of another cloud, an older one, one without a prefix, and one that lost more prefixes than a bound.
  - Runs on the control node.
author:
  - Rootwave contributors (@rootwave)
attributes:
  check_mode:
    support: full
    description: Says what would change in O(dest).
  diff_mode:
    support: full
    description: Shows the record in O(dest) before and after.
  idempotent:
    support: full
    description: The same prefixes leave O(dest) as it is.
options:
  src:
    description:
      - A file of Microsoft's Download Center on the control node, C(ServiceTags_Public_<date>.json). Either this or
        O(subscription_id).
    type: path
  subscription_id:
    description:
      - Ask the Service Tag Discovery API with this subscription. Any right to read in it suffices.
    type: str
  location:
    description:
      - The region whose copy of the API answers; it filters nothing.
    type: str
    default: westeurope
  cloud:
    description:
      - The cloud that the document must be for.
    type: str
    choices: [public, usgov, china]
    default: public
  regions:
    description:
      - The regions of the hubs and of DPS, as C(westeurope). Without one it is the whole tag.
    type: list
    elements: str
    default: []
  pairs:
    description:
      - Add the paired region of each region, where a hub goes at a failover.
    type: bool
    default: true
  ipv6:
    description:
      - Take IPv6 prefixes too. The tag has them, though Microsoft says that hubs and DPS do not support IPv6.
    type: bool
    default: false
  dest:
    description:
      - A file on the control node with the prefixes that were accepted last. It is compared with and then replaced as a whole.
      - Without it nothing is compared and nothing changes.
    type: path
  max_loss_percent:
    description:
      - How many percent of the recorded prefixes may be gone.
    type: int
    default: 25
  timeout:
    description:
      - Seconds that one call of the API may take.
    type: int
    default: 60
requirements:
  - azure-core and azure-identity for O(subscription_id)
"""

EXAMPLES = r"""
- name: Take the prefixes of two regions and of their pairs from a downloaded file
  rootwave.iot.service_tags:
    src: files/ServiceTags_Public_20251117.json
    regions: [westeurope, eastus]
    dest: files/iot-hub-prefixes.json
  register: hub_prefixes

- name: Ask Azure
  rootwave.iot.service_tags:
    subscription_id: 00000000-0000-0000-0000-000000000000
    regions: [westeurope]
"""

RETURN = r"""
ipv4:
  description: IPv4 prefixes, in order.
  returned: success
  type: list
  elements: str
ipv6:
  description: IPv6 prefixes, in order.
  returned: success
  type: list
  elements: str
regions:
  description: The regions with their pairs; none when it is the whole tag.
  returned: success
  type: list
  elements: str
tag_change_number:
  description: The tag's own number.
  returned: success
  type: int
file_change_number:
  description: The document's number.
  returned: success
  type: int
added:
  description: Prefixes that the record did not have.
  returned: success
  type: list
  elements: str
removed:
  description: Prefixes that only the record had.
  returned: success
  type: list
  elements: str
"""
