# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. What everything that asks an IoT hub shares in its documentation."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  hub:
    description:
      - Host name of the IoT hub, V(<hub>.azure-devices.net) or one of its device and service names.
      - Needed unless O(connection_string) names it. With it alone, azure-identity's default credentials ask for a token.
    type: str
  connection_string:
    description:
      - A shared-access connection string of the hub. If it is not set, the environment variable
        E(ROOTWAVE_HUB_CONNECTION_STRING) is used unless O(hub) is set.
      - Without one, an Entra identity asks, found as azure-identity does (environment, workload identity, managed identity,
        C(az login)), or as AWX's Azure credential type sets it.
    type: str
  cloud:
    description:
      - The cloud that the hub must be in. The hub's name says which one it is; this guards against a wrong name.
    type: str
    choices: [public, usgov, china]
  implementation:
    description:
      - Which client speaks to the hub. V(sdk) is the package azure-iot-hub, V(pipeline) needs azure-core only, V(auto) takes the
        first one that can be imported.
    type: str
    choices: [auto, sdk, pipeline]
    default: auto
  sku:
    description:
      - The hub's tier. With O(units) it fixes how many calls a second are made.
    type: str
    choices: [F1, B1, B2, B3, S1, S2, S3]
    default: S1
  units:
    description:
      - The hub's units.
    type: int
    default: 1
  timeout:
    description:
      - Seconds that one call may take.
    type: int
    default: 60
  time_budget:
    description:
      - Seconds that one call may take with all its repetitions, waiting out the hub's quota (429) included.
    type: int
    default: 600
requirements:
  - azure-iot-hub and six, or azure-core
  - azure-identity, unless O(connection_string) is used
notes:
  - The quota is kept to by each process for itself. A task over many hosts runs in as many processes as there are forks; what
    the hub refuses then (429) is waited out within O(time_budget). Set C(throttle) on such a task, or one task for many.
  - Least privilege for an Entra identity is the role C(IoT Hub Twin Contributor) for twins, C(IoT Hub Data Reader) where nothing
    is changed, C(IoT Hub Data Contributor) for configurations and jobs; for a shared-access policy it is C(service), and
    C(registryRead) for statistics and identities.
"""
