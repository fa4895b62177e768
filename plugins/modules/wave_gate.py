#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: wave_gate
short_description: Judge a wave and open the gate for the next one
version_added: 0.1.0
description:
  - Stands first in every batch of a play over waves and, with O(closing=true), after the last one. At a wave's border it
    judges the whole wave, inside a wave its running error budget.
  - Fails closed. Gateways that are unreachable, silent, failed, refused or timed out count against a denominator that was fixed
    when the run began; too little evidence is inconclusive, which stops the run too.
  - Reads what M(rootwave.iot.gateway) registered as C(root_certificates_result) and, for waves that are only looked at, what
    M(rootwave.iot.gateway_info) registered as C(wave_gate_report).
  - A wave that goes through twins is asked at its hub itself, by O(twins). Devices that have not answered yet have the policy's
    C(phase_timeout) for it, then they are silent. After a soak all of them are asked again. Who is
    connected is looked at last.
  - Use it with C(run_once), C(any_errors_fatal) and the tag C(always); the role P(rootwave.iot.wave_gate#role) does.
author:
  - Rootwave contributors (@rootwave)
attributes:
  check_mode:
    support: full
    description: Gates say C(not judged (check mode)), do not wait and never block.
  diff_mode:
    support: N/A
    description: Changes nothing.
  idempotent:
    support: full
    description: Changes nothing.
options:
  campaign:
    description:
      - The campaign, from P(rootwave.iot.campaign#lookup).
    type: dict
    required: true
  waves:
    description:
      - The run's waves, from P(rootwave.iot.waves#filter).
    type: dict
    required: true
  phase:
    description:
      - The phase that is run.
    type: str
    choices: [stage, retire, revert]
    required: true
  undo:
    description:
      - The phase that O(phase=revert) takes back; evidence about another one does not count.
    type: str
    choices: [stage, retire]
  azure:
    description:
      - What M(rootwave.iot.hub_info) returned. With it V(retire) is not opened while a hub is known that no endpoint names, a
        front end serves a chain that no present anchor verifies, front ends do not agree, or something could not be seen. Each is
        named by an id that the campaign can accept.
    type: dict
  twins:
    description:
      - How a wave that goes through twins is asked about. Needed when the campaign has one.
    type: dict
    suboptions:
      hub:
        description: The hub's host name.
        type: str
      connection_string:
        description: A shared-access connection string; E(ROOTWAVE_HUB_CONNECTION_STRING) when neither it nor the hub is set.
        type: str
      cloud:
        description: The cloud that the hub must be in.
        type: str
        choices: [public, usgov, china]
      implementation:
        description: Which client speaks to the hub.
        type: str
        choices: [auto, sdk, pipeline]
        default: auto
      sku:
        description: The hub's tier.
        type: str
        choices: [F1, B1, B2, B3, S1, S2, S3]
        default: S1
      units:
        description: The hub's units.
        type: int
        default: 1
      timeout:
        description: Seconds that one call may take.
        type: int
        default: 60
      time_budget:
        description: Seconds that one call may take with all its repetitions.
        type: int
        default: 600
      orders:
        description: The file of the signed order by phase.
        type: dict
        default: {}
      fleet:
        description: The fleet that the orders must be for.
        type: str
      keys:
        description: A C(keys.json) as devices have it; with it the orders' signatures are checked before the first wave.
        type: path
      front_end:
        description: Whether orders are in module twins or in device twins.
        type: str
        choices: [module, inbox]
        default: module
      module_id:
        description: The agent's module.
        type: str
        default: rootwave
      fresh_reads_most:
        description:
          - Waves up to this size are read by twin id. Of larger ones the query index says who is done, and every other device is
            read by its id.
        type: int
        default: 1000
      connections:
        description:
          - With it those that say done must be connected too, by what M(rootwave.iot.hub_connections) looks at. One that is gone
            counts as failed, one of which that is not certain as silent; missing evidence and a fall of Connected Devices speak
            against the whole wave. It can only speak against a wave.
          - The role P(rootwave.iot.twin_rollout#role) counts Connected Devices before the wave and registers
            C(twin_rollout_before), which is the baseline.
        type: dict
        suboptions:
          fresh_reads_most:
            description: Up to so many twins are read by id, O(rootwave.iot.hub_connections#module:fresh_reads_most).
            type: int
            default: 200
          workspace_id:
            description: The Workspace ID of the connections log.
            type: str
          resource_id:
            description: The hub's ARM id.
            type: str
          hours:
            description: How far back log and metric are read.
            type: int
            default: 24
          grace:
            description: So many seconds after its drop a device is not yet gone.
            type: int
            default: 600
          baseline:
            description: Connected Devices before the wave, instead of what was counted.
            type: float
          max_drop_percent:
            description: By how many percent Connected Devices may be lower.
            type: float
            default: 5.0
      via:
        description: Not used here; M(rootwave.iot.hub_order) has it.
        type: str
      write_share:
        description: Not used here; M(rootwave.iot.hub_order) has it.
        type: float
  closing:
    description:
      - Judge the last wave, after its last batch; before that, do nothing.
    type: bool
    default: false
  judging:
    description:
      - With O(closing=true) the wave is judged and nothing fails, so that the verdict can be shown with its evidence;
        C(judge_wave.yml) does.
    type: bool
    default: false
  evidence:
    description:
      - What somebody approved of the wave before, RV(evidence) of its gate. In a run of one wave it is compared with the
        campaign, and with what the gateways report now. It opens nothing, for the waves before are judged all the same.
      - It holds for the policy's C(evidence_max_age).
    type: raw
  evidence_required:
    description:
      - Refuse a wave that another one stands before, without O(evidence). The first wave of V(retire) wants that of
        the last wave of V(stage).
    type: bool
    default: false
  sliced:
    description:
      - The run is a job slice of AWX, which sees a part of the gateways; so O(evidence) stands for the waves before, and is
        required. Its own wave is judged whole by the gate after it, C(min_sample) and soak too; the slice itself stops at its
        share of the losses that the policy allows. Not with V(revert).
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Judge what came before
  rootwave.iot.wave_gate:
    campaign: "{{ rootwave_data }}"
    waves: "{{ rootwave_waves }}"
    phase: stage
  run_once: true
  any_errors_fatal: true
  register: wave_gate_result
  tags: [always]
"""

RETURN = r"""
verdict:
  description:
    - V(pass), V(fail) or V(inconclusive); V(open) where there is nothing to judge yet.
  returned: always
  type: str
  sample: pass
numbers:
  description: The gateways of the judged wave by what became of them.
  returned: when a wave was judged
  type: dict
  sample: {total: 8, done: 8, accepted: 0, refused: 0, failed: 0, timed out: 0, unreachable: 0, silent: 0}
reasons:
  description: What spoke against the wave.
  returned: when it did not pass
  type: list
  elements: str
  sample: []
evidence:
  description:
    - The wave that was judged, its numbers and a digest of what each gateway reports, with a SHA-256 over all of it.
  returned: with O(judging)
  type: dict
  sample: {schema: 1, campaign: 9f0b, phase: stage, wave: canary, at: 1795000000, verdict: pass, hosts: {gw-1: 0a1b2c3d4e5f6071}}
description:
  description: The same for who approves, at most 2,000 characters of plain text.
  returned: with O(judging)
  type: str
  sample: "PASS: campaign azure-2026, phase stage, wave canary: 8 total, 8 done"
resume:
  description: The command that resumes the run.
  returned: when it did not pass
  type: str
  sample: ansible-playbook rootwave.iot.stage_campaign -i inventory -e rootwave_campaign=campaign.yml
wave:
  description: The wave that the gate opens for.
  returned: when it passed and there is a next wave
  type: str
  sample: early
mode:
  description: Whether the wave is V(run), or V(report) when only its reports are read.
  returned: when it passed and there is a next wave
  type: str
  sample: run
via:
  description: Whether the wave goes by V(ssh), or through V(twin).
  returned: when it passed and there is a next wave
  type: str
  sample: ssh
token:
  description: What O(rootwave.iot.gateway#module:gate) needs.
  returned: when it passed and there is a next wave
  type: str
  sample: 9f0b8c0f9be7a2c1f2c8f5f3a1e8b5a5c3f1b0a8d7c6e5f4a3b2c1d0e9f8a7b6
"""
