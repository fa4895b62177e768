#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: hub_connections
short_description: Who is connected to an IoT hub, who came back after a cutover, and who did not
version_added: 0.1.0
description:
  - Reads what Microsoft tells people to look at when a root moves, and judges it. Those are the connection state of each
    device, the connections log in Log Analytics, and the metric Connected Devices.
  - The log is paired into drops that a connect followed and drops that none followed. Renewals of SAS tokens are counted
    apart.
  - A device that rejects the hub's certificate leaves no error in the hub's log. It drops, and no connect follows. So the
    absence is looked for, and C(attempts) in RV(logs) says whether anything reached the hub since; an attempt that did is no
    trouble with a root.
  - Evidence that is missing or incomplete is named with a remedy and never passes.
  - Reads only. Runs on the control node.
author:
  - Rootwave contributors (@rootwave)
extends_documentation_fragment:
  - rootwave.iot._hub
attributes:
  check_mode:
    support: full
    description: Reads in check mode too.
  diff_mode:
    support: none
    description: Nothing changes.
  idempotent:
    support: full
    description: Nothing changes.
options:
  device_ids:
    description:
      - Who is judged, each a V(device) or a V(device/module). An id that the hub does not know is V(absent) in the result.
      - Without it these are all devices of the hub, or those that O(where) or O(hosts) pick; modules are judged only when they
        are named.
    type: list
    elements: str
  hosts:
    description:
      - Hosts of the inventory, whose devices are in their variable C(rootwave_device_id), or have the host's name. Neither
        together with O(device_ids) nor with O(where).
    type: list
    elements: str
  module_id:
    description:
      - With O(hosts), this module of each device is judged, not the device.
    type: str
  where:
    description:
      - A condition in the hub's query language that picks devices, such as V(tags.rootwave.wave = 'canary'). Not together with
        O(device_ids).
    type: str
  fresh_reads_most:
    description:
      - Up to so many twins are read by their ids, which is always current. Longer lists are read by query, which may be late.
      - Of a longer list, up to so many of those that seem to be away are read by their ids then.
    type: int
    default: 200
  workspace_id:
    description:
      - The Workspace ID, a GUID, of the Log Analytics workspace that the hub's diagnostic setting sends the log category
        C(Connections) to.
    type: str
  resource_id:
    description:
      - The hub's ARM id, V(/subscriptions/.../providers/Microsoft.Devices/IotHubs/my-hub). The metric is read of it.
      - With it the log is limited by the id, without it by the hub's name.
    type: str
  hours:
    description:
      - How far back log and metric are read. It should reach back before the change.
    type: int
    default: 24
  grace:
    description:
      - So many seconds after its drop a device is not yet called gone. It covers a renewal under way, the SDK's waits between
        its tries, and the lateness of the log. Until then the verdict is V(inconclusive).
    type: int
    default: 600
  baseline:
    description:
      - Connected Devices before the change, such as RV(metric.latest) of a run before it.
      - Without it the metric's own values before the cutover serve, if the log shows one, when there are at least fifteen and
        they were steady. Otherwise the baseline is missing evidence.
    type: float
  max_drop_percent:
    description:
      - By how many percent of the baseline Connected Devices may be lower now.
    type: float
    default: 5.0
  since:
    description:
      - When the change was made, in seconds since the epoch. Who is connected and has not connected since then is
        V(inconclusive). A session that was open before it proves nothing about the next one.
      - Without it V(pass) says that nobody is missing, not that anybody came back.
    type: float
requirements:
  - azure-monitor-query 1.3 or newer, and azure-identity, for O(workspace_id)
  - azure-core and azure-identity for O(resource_id)
notes:
  - Log and metric are read by an Entra identity even when O(connection_string) asks the hub. It needs the roles C(Log
    Analytics Reader) on the workspace and C(Monitoring Reader) on the hub.
  - A drop counts as a renewal of a SAS token when all of this holds. The client speaks MQTT. It authenticates by SAS, or the
    log does not say how. The code is none, 404104 or 401003. It is back within a minute. Its session had lasted 44 to 71
    minutes, or as long as another one of its sessions, within 30 seconds. A session that began before O(hours) counts as the
    others do. When at least five identities, and a tenth of all, drop within the same minute, and less than half of those
    sessions had lasted so long, none of these drops is a renewal.
  - The hub knows the connection state of MQTT and AMQP clients only. A device on HTTPS is always V(Disconnected).
  - The log comes late, in general by a few minutes.
  - Names of devices and SDKs in the result are untrusted text.
"""

EXAMPLES = r"""
- name: Before the change, keep the number of connected devices
  rootwave.iot.hub_connections:
    hub: my-hub.azure-devices.net
    where: tags.rootwave.wave = 'canary'
    resource_id: "{{ hub_resource_id }}"
    workspace_id: "{{ hub_workspace_id }}"
  register: connections_before

- name: After the change, see that everybody came back
  rootwave.iot.hub_connections:
    hub: my-hub.azure-devices.net
    where: tags.rootwave.wave = 'canary'
    resource_id: "{{ hub_resource_id }}"
    workspace_id: "{{ hub_workspace_id }}"
    baseline: "{{ connections_before.metric.latest }}"
    since: "{{ changed_at }}"
  register: connections_after
  until: connections_after.verdict != 'inconclusive'
  retries: 5
  delay: 180
  failed_when: connections_after.verdict != 'pass'
"""

RETURN = r"""
verdict:
  description:
    - V(fail) when a device is gone, Connected Devices fell too far, or a Java device SDK below 1.31 was seen.
    - V(inconclusive) when evidence is missing, when somebody is not connected and nothing says since when or why, or has not
      connected since O(since).
    - V(pass) otherwise.
  returned: success
  type: str
  sample: fail
reasons:
  description: Why, in sentences. What begins with C(note:) decides nothing.
  returned: success
  type: list
  elements: str
  sample: ["note: 1 (gw-07): disabled at the hub, not judged"]
devices:
  description: The connection state of each identity.
  returned: success
  type: list
  elements: dict
  contains:
    device_id:
      description: The device.
      type: str
    module_id:
      description: The module, or null.
      type: str
    connection_state:
      description: V(Connected), V(Disconnected), or V(absent) when the hub has no such identity.
      type: str
    status:
      description: V(enabled), or V(disabled), which is not judged.
      type: str
    connected_since:
      description: When its session began, by the log; null when that is before O(hours) or it is not connected.
      type: str
    last_activity_time:
      description: When the device was last heard of, or null. Not to be relied on.
      type: str
    fresh:
      description: Whether it was read by its id, not from the query index.
      type: bool
  sample:
    - device_id: gw-01
      module_id: null
      connection_state: Connected
      status: enabled
      connected_since: "2026-11-24T20:00:00Z"
      last_activity_time: null
      fresh: true
counts:
  description: How many there are; each identity is in one of the numbers beside C(total).
  returned: success
  type: dict
  sample: {total: 24, connected: 22, disconnected: 1, disabled: 1, absent: 0}
index_lag:
  description: What to know of states that come from the query index; null when it was asked nothing.
  returned: success
  type: str
  sample: >-
    500 of 500 states come from the hub's query index, which is late by seconds, in bad times by half an hour: who connected or
    dropped a moment ago may stand here as it was before
logs:
  description: What the connections log shows of these identities; null when it is missing evidence.
  returned: success
  type: dict
  contains:
    events:
      description: How many events there are.
      type: int
    reconnected:
      description: Who dropped and connected again, once each, with the latest return, and how often. Renewals are left out.
      type: list
      elements: dict
    gone:
      description:
        - Who dropped and did not connect again within O(grace), or only tries and is refused, and is not connected by a fresh
          read.
        - Code, name and meaning are those of the latest refusal, else those of the drop. C(attempts) in RV(logs) is how many
          tries reached the hub since.
      type: list
      elements: dict
    renewals:
      description: How many drops were renewals of SAS tokens.
      type: int
    cutover:
      description: The minute in which connections first fell together, not for their tokens; or null.
      type: str
    errors:
      description: Codes with what they mean and who had them. Those of renewals are left out.
      type: list
      elements: dict
    sdks:
      description: Names and versions of SDKs, with the number of identities whose latest event told them.
      type: list
      elements: dict
    java_v1:
      description:
        - Java device SDKs 1.x, which carry their roots in their own code and read no trust store. Severity V(blocker) below
          1.31, which has no DigiCert Global Root G2, else V(warning).
      type: list
      elements: dict
  sample:
    events: 7
    reconnected:
      - device_id: gw-02
        module_id: null
        disconnected_at: "2026-11-23T02:14:07Z"
        connected_at: "2026-11-23T02:14:19Z"
        seconds: 12.0
        times: 1
        code: 404104
        name: DeviceConnectionClosedRemotely
        meaning: >-
          the connection ended on the device's side: network lost, device or application stopped, or a SAS token renewed
    gone:
      - device_id: gw-03
        module_id: null
        disconnected_at: "2026-11-23T02:14:07Z"
        seconds: 5421
        attempts: 0
        code: 404104
        name: DeviceConnectionClosedRemotely
        meaning: >-
          the connection ended on the device's side: network lost, device or application stopped, or a SAS token renewed
    renewals: 2
    cutover: null
    errors:
      - code: 404104
        name: DeviceConnectionClosedRemotely
        meaning: >-
          the connection ended on the device's side: network lost, device or application stopped, or a SAS token renewed
        events: 2
        devices: [gw-02, gw-03]
    sdks: [{sdk: azure-iot-device-iothub-py/2.14.0, devices: 2}]
    java_v1:
      - device_id: gw-04
        module_id: null
        version: 1.30.3
        severity: blocker
        meaning: >-
          below 1.31 the Java device SDK knows no DigiCert Global Root G2 and reads no trust store: it cannot connect once the hub
          serves that root; go to 2.x
metric:
  description: The metric Connected Devices of the whole hub; null when it could not be read. An unknown number is null.
  returned: success
  type: dict
  contains:
    baseline:
      description: What it was before the change.
      type: float
    latest:
      description: The median of the last five values.
      type: float
    lowest:
      description: The lowest value within O(hours).
      type: float
    drop_percent:
      description: By how much it is lower now than the baseline; 0 when it is higher.
      type: float
  sample: {baseline: 24.0, latest: 23.0, lowest: 3.0, drop_percent: 4.17}
missing_evidence:
  description: What could not be looked at, why, and how to get it.
  returned: success
  type: list
  elements: dict
  contains:
    evidence:
      description: V(connections log), V(metric connectedDeviceCount) or V(baseline).
      type: str
    reason:
      description: Why it is missing.
      type: str
    remedy:
      description: What to do.
      type: str
  sample: [{evidence: connections log, reason: no workspace_id is set, remedy: turn on the hub's diagnostic setting}]
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
