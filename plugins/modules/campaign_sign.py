#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: campaign_sign
short_description: Sign one phase of a campaign for the devices of a fleet
version_added: 0.1.0
description:
  - Devices believe no twin. They carry out a phase when enough of the keys that they know have signed it. This makes the
    file that is signed, and adds signatures to it.
  - The first person creates the file, the others add theirs to the same bytes. That needs no network and no common machine; the
    file goes from one to the next.
  - What a person signs is compared with that person's own copy of the campaign when O(campaign) is given.
  - The same file with other content is refused, and so is a phase that a device would refuse.
  - Runs on the control node. See the collection's C(docs/signing.md).
author:
  - Rootwave contributors (@rootwave)
attributes:
  check_mode:
    support: full
    description: Signs, so that a passphrase or a token is tried, and writes nothing.
  diff_mode:
    support: full
    description: Shows what the payload says and who signed, before and after. Never key material.
  idempotent:
    support: full
    description: A key that has signed already changes nothing, although ECDSA would give another signature each time.
options:
  state:
    description:
      - V(created) makes O(dest) where it does not exist yet, and signs it.
      - V(signed) only signs what O(dest) holds.
    type: str
    choices: [created, signed]
    required: true
  dest:
    description:
      - The signed file, a DSSE envelope, by convention C(*.dsse.json). It is replaced as a whole or not at all.
    type: path
    required: true
  campaign:
    description:
      - The campaign, from P(rootwave.iot.campaign#lookup). O(fleet), O(phase) and O(serial) belong to it.
      - With O(state=signed) it may be left out. Then whatever the file says is signed, so look at it first with
        M(rootwave.iot.campaign_info).
    type: dict
  endpoints:
    description:
      - Endpoints beside the campaign's own that every device of the fleet must reach; each has host, port, role and proxy. A
        device adds its own hub by itself.
    type: list
    elements: dict
    default: []
  fleet:
    description:
      - The fleet, as in its C(keys.json).
    type: str
  phase:
    description:
      - The phase to sign.
    type: str
    choices: [stage, retire, revert]
  undo:
    description:
      - The phase that O(phase=revert) takes back.
    type: str
    choices: [stage, retire]
  serial:
    description:
      - A whole number from 1, higher than that of everything this fleet has signed before. A device refuses a lower one than it
        has begun.
    type: int
  not_before:
    description:
      - When devices may begin, in UTC, such as V(2026-12-01T06:00:00Z). Without it they may at once.
    type: str
  expires:
    description:
      - When devices refuse, in UTC. Either this or O(valid_for) is needed to create a file.
    type: str
  valid_for:
    description:
      - How many days after O(not_before) devices refuse.
    type: int
  new_keys:
    description:
      - Sign this C(keys.json), from M(rootwave.iot.campaign_keys), in place of a phase. Devices take it when enough of their
        present keys and enough of the new ones have signed.
    type: path
  keys_file:
    description:
      - The C(keys.json) that devices have now. A key that is not in it is refused, and RV(signed.ready) can be told.
    type: path
  keys:
    description:
      - Who signs now. Each has one of O(keys[].private_key), O(keys[].uri) and O(keys[].signature).
      - Without one the file is made or compared only.
    type: list
    elements: dict
    default: []
    suboptions:
      private_key:
        description:
          - A private key as a PEM file, EC with P-256.
        type: path
      uri:
        description:
          - The key of a signer of securesystemslib. V(azurekms://VAULT.vault.azure.net/keys/NAME/VERSION) is in Azure Key Vault,
            V(hsm:2?label=TOKEN) is key 2 of a PKCS#11 token whose library the environment variable E(PYKCS11LIB) names,
            V(file2:PATH) is a PEM file.
        type: str
      signature:
        description:
          - A signature in DER that another tool made over the bytes of O(to_sign).
        type: path
      public_key:
        description:
          - The public key as a PEM file; needed with O(keys[].uri) and O(keys[].signature).
        type: path
      passphrase_file:
        description:
          - The passphrase of the private key, or the token's PIN, is the content of this file.
        type: path
      passphrase_env:
        description:
          - The passphrase or PIN is in this environment variable of the control node.
        type: str
  to_sign:
    description:
      - Also write the exact bytes that are signed to this file, for a tool that is not known here, such as
        C(openssl dgst -sha256 -sign).
    type: path
requirements:
  - securesystemslib and cryptography
  - azure-keyvault-keys and azure-identity for keys in Azure Key Vault (securesystemslib[azurekms])
  - python-pkcs11 for keys in a PKCS#11 token (securesystemslib[hsm])
"""

EXAMPLES = r"""
- name: The first person makes and signs the file
  rootwave.iot.campaign_sign:
    state: created
    dest: signed/0007-stage.dsse.json
    campaign: "{{ lookup('rootwave.iot.campaign', 'campaigns/baltimore-to-digicert-g2.yml') }}"
    fleet: plant-north
    phase: stage
    serial: 7
    valid_for: 30
    keys_file: signed/keys-1.json
    keys:
      - private_key: /media/alice/alice.pem
        passphrase_env: ALICE_PASSPHRASE

- name: The second person signs the same, if it is what the own copy of the campaign says
  rootwave.iot.campaign_sign:
    state: signed
    dest: signed/0007-stage.dsse.json
    campaign: "{{ lookup('rootwave.iot.campaign', 'campaigns/baltimore-to-digicert-g2.yml') }}"
    fleet: plant-north
    phase: stage
    serial: 7
    keys_file: signed/keys-1.json
    keys:
      - uri: hsm:2?label=bob
        public_key: keys/bob.pub.pem
        passphrase_file: /run/user/1000/pin
  register: signing

- name: Is that enough?
  ansible.builtin.assert:
    that: signing.signed.ready
"""

RETURN = r"""
signed:
  description: What the file says and who signed it, as M(rootwave.iot.campaign_info) has it.
  returned: success
  type: dict
  contains:
    ready:
      description: Whether devices with the keys of O(keys_file) would believe it. Always false without that file.
      type: bool
    thresholds:
      description: For each set of keys that must have signed, how many are needed and who signed.
      type: list
      elements: dict
"""
