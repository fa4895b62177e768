#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: hub_addresses
short_description: The addresses that a firewall must let gateways reach, with where each comes from
version_added: 0.1.0
description:
  - Writes the address file that a campaign's C(allowlist) names, from service tags, live DNS, private endpoints and prefixes of
    your own; as few prefixes as possible, each with its sources.
  - Admits exactly what was named. Neighbours of one source become one prefix; those of different sources stay apart. A prefix
    that lies in another one goes into it, and the sources of both are named.
  - Refuses what would open a firewall to everybody or close it to all, and then leaves O(path) as it is.
  - Runs on the control node.
author:
  - Rootwave contributors (@rootwave)
attributes:
  check_mode:
    support: full
    description: Resolves names, and says what would change in O(path).
  diff_mode:
    support: full
    description: Shows O(path) before and after, one prefix a line.
  idempotent:
    support: full
    description:
      - The same addresses from the same sources leave O(path) as it is. Dates and change numbers are those at which a prefix came
        with its sources; new ones alone are no change.
options:
  path:
    description:
      - The address file to write, on the control node. Its folder must be there.
    type: path
    required: true
  service_tags:
    description:
      - A file of Microsoft's Download Center, C(ServiceTags_Public_<date>.json); or what M(rootwave.iot.service_tags) returned,
        which chose regions and cloud itself. What is empty is an error.
    type: raw
  tags:
    description:
      - Which tags of a file are taken, V(AzureIoTHub) or V(AzureIoTHub.WestEurope) and so on. Prefixes that the tag has for no
        region are always among them. The tag covers DPS as well. An empty list is an error, for it would mean all of them.
    type: list
    elements: str
    default: [AzureIoTHub]
  pairs:
    description:
      - Add the paired region of each region of O(tags), where a hub goes at a failover.
    type: bool
    default: true
  cloud:
    description:
      - The cloud that a file must be for.
    type: str
    choices: [public, usgov, china]
    default: public
  endpoints:
    description:
      - Host names that are resolved now. One that does not resolve is an error. Gateways that use a proxy need the proxy's name.
    type: list
    elements: str
    default: []
  host_names:
    description:
      - Resolve these names of each hub of O(endpoints) and O(public_endpoints). Without one, the names as they are given.
    type: list
    elements: str
    choices: [classic, device, service]
    default: []
  public_endpoints:
    description:
      - As O(endpoints), for names whose addresses are public in any case. So DPS may stay public beside a hub that is reached at
        its private endpoint, in one file (O(private=true)).
    type: list
    elements: str
    default: []
  private_endpoints:
    description:
      - Private endpoints with name and addresses, as in RV(rootwave.iot.hub_info#module:hubs). One without addresses is an error;
        one whose state is not C(Approved) is left out.
    type: list
    elements: dict
    default: []
  extra:
    description:
      - Prefixes of your own.
    type: list
    elements: dict
    default: []
    suboptions:
      prefix:
        description:
          - A prefix, or one address.
        type: str
        required: true
      source:
        description:
          - Where it comes from, for who reads the rule later.
        type: str
        required: true
  private:
    description:
      - Private addresses are meant (RFC 1918, 6598, 4193) and public ones are refused, but for those of O(public_endpoints).
        V(false) is the other way round. So a name that resolves differently inside and outside of a network cannot be taken for
        the other one.
    type: bool
    default: false
  ipv6:
    description:
      - Take IPv6 addresses too. The tag has them, though Microsoft says that hubs and DPS do not support IPv6.
    type: bool
    default: false
  timeout:
    description:
      - Seconds that one name may take.
    type: int
    default: 10
seealso:
  - module: rootwave.iot.service_tags
  - module: rootwave.iot.hub_info
  - plugin: rootwave.iot.campaign
    plugin_type: lookup
notes:
  - Refused are prefixes wider than /8 (IPv6 /16), loopback, link-local, multicast, documentation and other special ranges, an
    empty result, and more than 4096 prefixes.
  - An address of a name that no tag has is taken, with a warning.
"""

EXAMPLES = r"""
- name: Write the new addresses of two hubs
  rootwave.iot.hub_addresses:
    path: campaigns/addresses-new.yml
    service_tags: files/ServiceTags_Public_20251117.json
    tags: [AzureIoTHub.WestEurope]
    endpoints: [hub-a.azure-devices.net, hub-b.azure-devices.net, global.azure-devices-provisioning.net]
    host_names: [classic, device]
    extra:
      - {prefix: 20.1.2.3, source: "update server, ticket 4711"}

- name: Write the addresses of private endpoints
  rootwave.iot.hub_addresses:
    path: campaigns/addresses-private.yml
    private_endpoints: "{{ azure.hubs | map(attribute='private_endpoints', default=[]) | flatten }}"
    public_endpoints: [global.azure-devices-provisioning.net]
    private: true
"""

RETURN = r"""
path:
  description: The address file.
  returned: success
  type: str
prefixes:
  description: What the file has, or would have.
  returned: success
  type: list
  elements: dict
  contains:
    prefix:
      description: The prefix.
      type: str
    source:
      description: Where it comes from; several sources are parted by semicolons.
      type: str
added:
  description: Prefixes that the file did not have.
  returned: success
  type: list
  elements: str
removed:
  description: Prefixes that only the file had.
  returned: success
  type: list
  elements: str
"""
