#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: gateway_commit
short_description: Commit or revert the pending change of a gateway
version_added: 0.1.0
description:
  - Ends a change that M(rootwave.iot.gateway) left pending. Reaching the gateway over a fresh connection is the proof that
    the change did not cut it off; without that the gateway reverts by itself.
  - With the connection plugin P(ansible.builtin.ssh#connection) it opens a connection of its own, whatever C(ControlPersist)
    holds open.
author:
  - Rootwave contributors (@rootwave)
attributes:
  check_mode:
    support: full
    description: Tells whether the change would be ended.
  diff_mode:
    support: none
    description: The change itself was shown by M(rootwave.iot.gateway).
  idempotent:
    support: full
    description: A change that has ended as asked is not ended again.
options:
  id:
    description:
      - The pending change, as RV(rootwave.iot.gateway#module:pending) gives it.
    type: str
    required: true
  state:
    description:
      - How the change is to end.
    type: str
    choices: [committed, reverted]
    default: committed
seealso:
  - module: rootwave.iot.gateway
"""

EXAMPLES = r"""
- name: Take a pending change back before its time is up
  rootwave.iot.gateway_commit:
    id: "{{ rootwave_result.pending }}"
    state: reverted
  become: true
"""

RETURN = r"""
outcome:
  description: V(done) when the change is committed, V(reverted) when it is taken back.
  returned: always
  type: str
  sample: done
committed_at:
  description: When the gateway's desired state was committed, seconds since the epoch on its own clock, or null.
  returned: always
  type: int
  sample: 1795434902
seconds_since_commit:
  description: How long it has held, or null.
  returned: always
  type: int
  sample: 0
left_alone:
  description: Paths that somebody else had changed meanwhile and that the revert did not touch.
  returned: when reverted by this call
  type: list
  elements: str
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.commit import end_change
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.errors import TrustError
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.host import LocalHost

ARGUMENT_SPEC = {
    "id": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["committed", "reverted"], "default": "committed"},
}


def main():
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    try:
        result = end_change(LocalHost(), module.params["id"], module.params["state"], dry_run=module.check_mode)
    except TrustError as exc:
        module.fail_json(msg=str(exc), outcome="failed", **exc.details)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
