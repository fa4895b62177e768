#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: gateway_info
short_description: Assess a gateway, or read its last report
version_added: 0.1.0
description:
  - Tells what a gateway trusts, which anchor verifies each endpoint, and what was noticed. Changes nothing and writes nothing.
author:
  - Rootwave contributors (@rootwave)
extends_documentation_fragment:
  - rootwave.iot._report
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
  report_only:
    description:
      - Read the report that the last phase left on the gateway, and probe nothing.
    type: bool
    default: false
seealso:
  - module: rootwave.iot.gateway
"""

EXAMPLES = r"""
- name: Assess the gateway
  rootwave.iot.gateway_info:
    desired: "{{ rootwave_campaign_data | rootwave.iot.desired('assess', rootwave_endpoints) }}"
    now: "{{ now().timestamp() | int }}"
  become: true
"""

RETURN = r"""
outcome:
  description:
    - V(assessed), the outcome of the last phase with O(report_only=true), or V(none) when there is no report.
  returned: always
  type: str
  sample: assessed
stores:
  description: Each store with the campaign's anchors in it.
  returned: when assessed
  type: dict
  sample:
    system:
      layout: debian
      anchors: 143
      present:
        digicert-global-root-g2: trusted
      absent:
        baltimore-cybertrust-root: [bundle, hashed, shipped]
probes:
  description: One proof for each endpoint and address.
  returned: when assessed
  type: list
  elements: dict
  sample:
    - host: hub-a.azure-devices.net
      port: 8883
      address: 192.0.2.10
      trust: bundle
      stage: ok
findings:
  description: What was noticed about this gateway, with a severity of blocker, warning or info.
  returned: when assessed
  type: list
  elements: dict
  sample: []
seconds_since_commit:
  description: How long the state of the last report has been committed.
  returned: when there is a report
  type: int
  sample: 3600
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.rootwave.iot.plugins.module_utils.ansible_host import SHARED_SPEC, finish
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.desired import from_document
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.errors import TrustError
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.host import LocalHost
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.reconcile import reconcile
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.report import STATE_DIR, load

ARGUMENT_SPEC = dict(SHARED_SPEC, report_only={"type": "bool", "default": False})


def main():
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    try:
        desired = from_document(dict(module.params["desired"], phase="assess"))
        if module.params["report_only"]:
            report = load(STATE_DIR, module.params["now"]) or {"outcome": "none"}
            module.exit_json(**dict(report, changed=False))
        report = reconcile(LocalHost(), desired, module.params["now"], dry_run=True)
    except TrustError as exc:
        module.fail_json(msg=str(exc), outcome="failed", **exc.details)
    finish(module, report)


if __name__ == "__main__":
    main()
