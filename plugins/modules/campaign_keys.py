#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: campaign_keys
short_description: Whom the devices of a fleet believe
version_added: 0.1.0
description:
  - Makes C(keys.json) of public keys. Devices get the first version with the agent, and later ones only by an order that
    M(rootwave.iot.campaign_sign) signs with O(rootwave.iot.campaign_sign#module:new_keys).
  - A file that exists is never changed. Devices may have it already.
  - Runs on the control node. See the collection's C(docs/signing.md).
author:
  - Rootwave contributors (@rootwave)
attributes:
  check_mode:
    support: full
    description: Checks the keys and writes nothing.
  diff_mode:
    support: full
    description: Shows the file. All in it is public.
  idempotent:
    support: full
    description: The same keys in the same order leave O(dest) as it is.
options:
  dest:
    description:
      - The file to make, by convention C(keys-1.json), C(keys-2.json) and so on.
    type: path
    required: true
  fleet:
    description:
      - The fleet's name.
    type: str
    required: true
  threshold:
    description:
      - How many different keys must have signed.
    type: int
    required: true
  public_keys:
    description:
      - Public keys as PEM files, EC with P-256; 16 at most.
    type: list
    elements: path
    required: true
  previous:
    description:
      - The C(keys.json) that devices have now. The new one gets the next version. Without it that is version 1.
    type: path
"""

EXAMPLES = r"""
- name: Two of three people must sign
  rootwave.iot.campaign_keys:
    dest: signed/keys-1.json
    fleet: plant-north
    threshold: 2
    public_keys: [keys/alice.pub.pem, keys/bob.pub.pem, keys/carol.pub.pem]

- name: Dave comes for Carol
  rootwave.iot.campaign_keys:
    dest: signed/keys-2.json
    previous: signed/keys-1.json
    fleet: plant-north
    threshold: 2
    public_keys: [keys/alice.pub.pem, keys/bob.pub.pem, keys/dave.pub.pem]
"""

RETURN = r"""
version:
  description: The version of the keys.
  returned: success
  type: int
fleet:
  description: The fleet.
  returned: success
  type: str
threshold:
  description: How many different keys must have signed.
  returned: success
  type: int
keys:
  description: Each key's id, which is the SHA-256 of its DER SubjectPublicKeyInfo, and the file that it came from.
  returned: success
  type: list
  elements: dict
"""
