#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: hub_info
short_description: Hubs, provisioning services and IoT Central applications, and the certificates that they serve now
version_added: 0.1.0
description:
  - Lists what subscriptions hold for a fleet's devices, the hubs that provisioning services lead to, and, by a device's own
    registration, those that IoT Central hides.
  - Connects to each endpoint on each address, keeps the chain that is served now, and tries each root of a campaign alone. A
    flag in Azure's API says what was once set; only the handshake says what is.
  - RV(endpoints) is what a campaign must name. A hub in a sovereign cloud that the campaign does not cover is told with its
    reason, and is none of them.
  - Runs on the control node and changes nothing.
author:
  - Rootwave contributors (@rootwave)
attributes:
  check_mode:
    support: full
    description: Reads only.
  diff_mode:
    support: N/A
    description: Changes nothing.
  idempotent:
    support: full
    description: Changes nothing.
options:
  subscriptions:
    description:
      - The subscriptions to look through. Without one the environment variable E(AZURE_SUBSCRIPTION_ID), which AWX's Azure
        credential sets.
    type: list
    elements: str
    default: []
  cloud:
    description:
      - The cloud of the subscriptions. Without it E(AZURE_CLOUD_ENVIRONMENT), else V(public).
    type: str
    choices: [public, usgov, china]
  campaign:
    description:
      - A campaign, from P(rootwave.iot.campaign#lookup). Its roots are tried, and its clouds say which hubs are affected.
        Without it chains are shown and nothing is verified.
    type: dict
  registrations:
    description:
      - Devices whose hub DPS is asked for. It is a look-up, no registration; nothing moves and nothing is made.
    type: list
    elements: dict
    default: []
    suboptions:
      id_scope:
        description:
          - The id scope, of a provisioning service or of an IoT Central application.
        type: str
        required: true
      registration_id:
        description:
          - The registration's id, for IoT Central the device's.
        type: str
        required: true
      key:
        description:
          - The device's own symmetric key. DPS answers the device alone, so one with X.509 or TPM cannot be looked up this way.
        type: str
        required: true
      application:
        description:
          - The IoT Central application that this device belongs to, by name; its hubs count as seen then.
        type: str
  host_names:
    description:
      - Which of a hub's names become endpoints.
    type: list
    elements: str
    choices: [classic, device, service]
    default: [classic]
  ports:
    description:
      - Which ports become endpoints.
    type: list
    elements: int
    default: [8883, 443]
  probe:
    description:
      - Connect to the endpoints. V(false) only lists.
    type: bool
    default: true
  resolve:
    description:
      - Addresses by host name, to be used instead of what this machine resolves, and without O(proxy), for example a private
        endpoint's.
    type: dict
    default: {}
  proxy:
    description:
      - The proxy to connect through, V(http://host:port). Without it the environment's E(HTTPS_PROXY). A proxy resolves by
        itself, so front ends are not told apart behind one.
    type: str
  timeout:
    description:
      - Seconds that one call of Azure's APIs may take.
    type: int
    default: 60
requirements:
  - azure-mgmt-iothub
  - azure-mgmt-iothubprovisioningservices
  - azure-identity
  - cryptography
seealso:
  - module: rootwave.iot.wave_gate
  - module: rootwave.iot.hub_connections
notes:
  - The least that the identity needs is the role C(Reader) on the resource groups that hold hubs, provisioning services and
    IoT Central applications; for addresses of private endpoints, C(Reader) on those too.
"""

EXAMPLES = r"""
- name: See what there is and what it serves
  rootwave.iot.hub_info:
    subscriptions: [00000000-0000-0000-0000-000000000000]
    campaign: "{{ lookup('rootwave.iot.campaign') }}"
  register: azure

- name: Show the endpoints that gateways need on MQTT's port
  ansible.builtin.debug:
    msg: "{{ azure.endpoints | selectattr('port', 'eq', 8883) }}"

- name: Find the hub behind an IoT Central application
  rootwave.iot.hub_info:
    subscriptions: [00000000-0000-0000-0000-000000000000]
    registrations:
      - application: my-app
        id_scope: 0ne00000000
        registration_id: device-1
        key: "{{ vault_device_1_key }}"
"""

RETURN = r"""
hubs:
  description: Each hub once. What only a provisioning service or a registration names has its names, cloud and addresses alone.
  returned: success
  type: list
  elements: dict
  contains:
    host:
      description: The hub's classic host name.
      type: str
    host_names:
      description: Its names for everybody, for devices and for services.
      type: dict
    known_from:
      description: Where it was found.
      type: list
      elements: str
    cloud:
      description: The cloud, by its name.
      type: str
    affected:
      description: Whether the campaign is about it.
      type: bool
    reason:
      description: Why, or why not.
      type: str
    addresses:
      description: What its name resolves to on the control node, IPv4 and IPv6.
      type: list
      elements: str
    name:
      description: The resource's name.
      type: str
    resource_id:
      description: The resource's id.
      type: str
    resource_group:
      description: Its resource group.
      type: str
    subscription:
      description: Its subscription.
      type: str
    location:
      description: Its region.
      type: str
    regions:
      description: Its regions with their roles.
      type: list
      elements: dict
    paired_region:
      description: Where a failover goes, or null.
      type: str
    state:
      description: Its state.
      type: str
    sku:
      description: Its tier.
      type: str
    units:
      description: Its units.
      type: int
    min_tls_version:
      description: The lowest TLS version that it takes, or null when it was never set.
      type: str
    public_network_access:
      description: Whether it can be reached without a private endpoint.
      type: str
    default_action:
      description: What its network rules do with an address that none of them names.
      type: str
    ip_rules:
      description: The prefixes that its network rules name.
      type: list
      elements: str
    private_endpoints:
      description: Its private endpoints with their addresses; null where the identity may not read them.
      type: list
      elements: dict
    root_flag:
      description: V(v1), V(v2) or null. A hint from a preview API; RV(served) is the truth.
      type: str
  sample:
    - host: my-hub.azure-devices.net
      host_names:
        classic: my-hub.azure-devices.net
        device: my-hub.device.azure-devices.net
        service: my-hub.service.azure-devices.net
      known_from: [subscription]
      cloud: public
      affected: true
      reason: the campaign covers the public cloud
      addresses: [192.0.2.10]
      location: westeurope
      regions: [{name: westeurope, role: primary}, {name: northeurope, role: secondary}]
      paired_region: northeurope
      min_tls_version: "1.2"
      root_flag: v2
provisioning_services:
  description: The provisioning services, with the hubs that they are linked to.
  returned: success
  type: list
  elements: dict
  sample:
    - name: my-dps
      device_host: global.azure-devices-provisioning.net
      service_host: my-dps.azure-devices-provisioning.net
      id_scope: 0ne00000000
      linked_hubs: [my-hub.azure-devices.net]
      affected: true
central_applications:
  description: The IoT Central applications. Their hubs are not shown by Azure; see O(registrations).
  returned: success
  type: list
  elements: dict
  sample:
    - name: my-app
      subdomain: my-app
      location: westeurope
registrations:
  description: What DPS said of O(registrations).
  returned: success
  type: list
  elements: dict
  sample:
    - id_scope: 0ne00000000
      registration_id: device-1
      status: assigned
      assigned_hub: iotc-1234.azure-devices.net
      application: my-app
endpoints:
  description: What a campaign must name so that no gateway loses a hub that it may need.
  returned: success
  type: list
  elements: dict
  sample:
    - host: my-hub.azure-devices.net
      port: 8883
      role: hub
served:
  description: One entry for each address of each endpoint.
  returned: success
  type: list
  elements: dict
  contains:
    host:
      description: The endpoint's host name.
      type: str
    port:
      description: The endpoint's port.
      type: int
    role:
      description: V(hub) or V(dps).
      type: str
    address:
      description: The address, or null behind a proxy.
      type: str
    proxy:
      description: The proxy, or null.
      type: str
    reached:
      description: Whether TLS came about.
      type: bool
    detail:
      description: Why not.
      type: str
    protocol:
      description: The TLS version.
      type: str
    chain:
      description: The certificates as they were served, leaf first, not verified.
      type: list
      elements: dict
    roots:
      description: What became of each root of the campaign when it was trusted alone, as a probe's stage and detail.
      type: dict
    verified_by:
      description: The roots that verify it.
      type: list
      elements: str
  sample:
    - host: my-hub.azure-devices.net
      port: 8883
      role: hub
      address: 192.0.2.10
      proxy: null
      reached: true
      detail: ""
      protocol: TLSv1.2
      chain:
        - subject: CN=*.azure-devices.net
          issuer: CN=Microsoft TLS G2 RSA CA OCSP 02,O=Microsoft Corporation,C=US
          not_after: "2027-01-01T00:00:00Z"
          sha256: 9f0b8c0f9be7a2c1f2c8f5f3a1e8b5a5c3f1b0a8d7c6e5f4a3b2c1d0e9f8a7b6
      roots:
        digicert-global-root-g2: {stage: ok, detail: ""}
      verified_by: [digicert-global-root-g2]
differing:
  description: Endpoints whose addresses are not verified by the same roots.
  returned: success
  type: list
  elements: dict
  sample: []
missing_evidence:
  description: What could not be seen, why, and what to do about it.
  returned: success
  type: list
  elements: dict
  sample:
    - evidence: hidden-hubs
      about: my-app
      reason: IoT Central does not show the hubs of my-app
      remedy: "give registrations: a device of it with its own key, and DPS tells which hub it was assigned to"
status:
  description: The HTTP status of Azure's answer.
  returned: when Azure refused
  type: int
error_code:
  description: Azure's error code.
  returned: when Azure refused with one
  type: str
"""
