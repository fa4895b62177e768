#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: gateway
short_description: Run one phase of a campaign on a gateway
version_added: 0.1.0
description:
  - Brings the trust of one gateway to what a campaign asks, in one round trip. The order is observe, plan, rehearse, arm, apply,
    prove, commit, report.
  - The future store is rehearsed in a private file against every endpoint before anything on the gateway changes. A change that
    is not proved and committed reverts by itself, also when the connection is lost, the control node dies or the power fails.
  - Where the campaign asks for confirmation, the same task comes back over a fresh connection and commits with
    M(rootwave.iot.gateway_commit); when that fails the gateway reverts by itself.
  - Whatever speaks against the phase is named in RV(blockers), and the gateway is left as it was.
author:
  - Rootwave contributors (@rootwave)
extends_documentation_fragment:
  - rootwave.iot._report
attributes:
  check_mode:
    support: full
    description: Computes the same plan and rehearses it; writes nothing, not even a report.
  diff_mode:
    support: full
    description: Shows the anchors that the plan is about, one line C(subject  sha256) each.
  idempotent:
    support: full
    description: A gateway that is as desired is probed and reported; no external tool runs.
options:
  gate:
    description:
      - The token that M(rootwave.iot.wave_gate) returned for this campaign, phase and wave. It has no default, so a run that
        goes round its gate cannot change a gateway.
    type: str
    required: true
  wave:
    description:
      - The wave that the gate was opened for.
    type: str
    required: true
requirements:
  - root privileges
  - Python 3.7 or newer and openssl on the gateway
seealso:
  - module: rootwave.iot.gateway_info
  - module: rootwave.iot.gateway_commit
  - module: rootwave.iot.wave_gate
"""

EXAMPLES = r"""
- name: Stage the new roots beside the old one
  rootwave.iot.gateway:
    desired: "{{ rootwave_campaign_data | rootwave.iot.desired('stage', rootwave_endpoints) }}"
    now: "{{ now().timestamp() | int }}"
    wave: canary
    gate: "{{ rootwave_gate.token }}"
  become: true
"""

RETURN = r"""
outcome:
  description:
    - V(done) when the desired state holds and is committed, V(planned) in check mode, V(pending) when the change waits for
      M(rootwave.iot.gateway_commit), V(refused) when nothing was touched, V(reverted) when it was applied and taken back.
  returned: always
  type: str
  sample: done
plan:
  description:
    - The changes, the same in check mode.
    - Of an allowlist the C(store) is V(allowlist), C(place) says where, C(action) is V(admit), V(take-out), V(repair) or V(keep).
  returned: always
  type: list
  elements: dict
  sample:
    - store: system
      action: add
      anchor: digicert-global-root-g2
      subject: CN=DigiCert Global Root G2, OU=www.digicert.com, O=DigiCert Inc, C=US
      sha256: cb3ccbb76031e5e0138f8dd39a23f9de47ffc35e43c1144cea27d46a5ab1cb5f
blockers:
  description: Why the phase was refused, each with an id and a sentence.
  returned: always
  type: list
  elements: dict
  sample: []
findings:
  description: What was noticed about this gateway, with a severity of blocker, warning or info.
  returned: always
  type: list
  elements: dict
  sample: []
probes:
  description: The proofs, one for each endpoint, address, offer and store that was tried.
  returned: always
  type: list
  elements: dict
  sample:
    - host: hub-a.azure-devices.net
      port: 8883
      address: 192.0.2.10
      trust: bundle
      offer: default
      stage: ok
stores:
  description: Each store after the run, with the campaign's anchors in it.
  returned: when the store could be read
  type: dict
  sample:
    system:
      layout: debian
      anchors: 143
      present:
        digicert-global-root-g2: own
      absent:
        baltimore-cybertrust-root: []
allowlist:
  description: Each place that lets the hub through, with how many prefixes are ours and not ours; null without an allowlist.
  returned: always
  type: dict
  sample:
    places:
      - place: "output: inet filter @hubs"
        own: 2
        others: 1
pending:
  description: The id of the change that waits for its commit, or null.
  returned: always
  type: str
  sample: 000002-20261123T131502Z
revert:
  description: What became of the armed revert, V(none), V(armed), V(committed) or V(reverted).
  returned: always
  type: str
  sample: committed
power_safe:
  description: Whether an armed revert survives a power cut on this gateway (it needs systemd).
  returned: always
  type: bool
  sample: true
committed_at:
  description: When the desired state was committed, seconds since the epoch on the gateway's clock.
  returned: always
  type: int
  sample: 1795434902
seconds_since_commit:
  description: How long the desired state has held.
  returned: always
  type: int
  sample: 0
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.rootwave.iot.plugins.module_utils.ansible_host import SHARED_SPEC, diff_of, finish
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.desired import from_document, gate_token
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.errors import BadInput, TrustError
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.host import LocalHost
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.reconcile import reconcile

ARGUMENT_SPEC = dict(
    SHARED_SPEC,
    gate={"type": "str", "required": True, "no_log": False},
    wave={"type": "str", "required": True},
)


def check_gate(desired, wave, gate):
    if gate != gate_token(desired.digest, desired.phase, wave):
        raise BadInput(
            f"the gate's token is not one for campaign {desired.campaign}, phase {desired.phase}, wave {wave}; run the "
            "playbook without --tags and --skip-tags, so that rootwave.iot.wave_gate runs first"
        )


def main():
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    try:
        desired = from_document(module.params["desired"])
        check_gate(desired, module.params["wave"], module.params["gate"])
        report = reconcile(LocalHost(), desired, module.params["now"], dry_run=module.check_mode)
    except TrustError as exc:
        module.fail_json(msg=str(exc), outcome="failed", **exc.details)
    finish(module, report, diff_of(report))


if __name__ == "__main__":
    main()
