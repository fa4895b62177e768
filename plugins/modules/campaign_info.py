#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: campaign_info
short_description: What is signed, by whom and until when
version_added: 0.1.0
description:
  - Reads a file of M(rootwave.iot.campaign_sign) and tells what devices would be asked, who signed, whether that is enough, and
    whether a device twin can hold it.
  - Reads only. Runs on the control node.
author:
  - Rootwave contributors (@rootwave)
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
  src:
    description:
      - The signed file.
    type: path
    required: true
  keys_file:
    description:
      - The C(keys.json) that devices have now. Without it nothing can be said of the signatures of a phase.
    type: path
requirements:
  - securesystemslib and cryptography
"""

EXAMPLES = r"""
- name: Read before you sign
  rootwave.iot.campaign_info:
    src: signed/0007-stage.dsse.json
    keys_file: signed/keys-1.json
  register: order
"""

RETURN = r"""
signed:
  description: What the file says and who signed it.
  returned: success
  type: dict
  contains:
    kind:
      description: V(phase), or V(keys) for new keys.
      type: str
    campaign:
      description: The campaign's name. This and what follows up to RV(signed.allowlist), the fleet apart, is of a phase only.
      type: str
    digest:
      description: The campaign's digest.
      type: str
    fleet:
      description: The fleet that it is signed for.
      type: str
    phase:
      description: The phase.
      type: str
    undo:
      description: The phase that a revert takes back.
      type: str
    serial:
      description: The serial.
      type: int
    issued:
      description: When it was created, in UTC.
      type: str
    not_before:
      description: When devices may begin, in UTC.
      type: str
    expires:
      description: When devices refuse, in UTC.
      type: str
    present:
      description: Anchors that come, by SHA-256 and name.
      type: list
      elements: str
    absent:
      description: Anchors that go, by SHA-256 and name.
      type: list
      elements: str
    endpoints:
      description: What every device must reach.
      type: list
      elements: str
    allowlist:
      description: The prefixes that come and go, with their sources, and the other settings of the allowlist; empty without one.
      type: list
      elements: str
    version:
      description: Of new keys, their version.
      type: int
    needed:
      description: Of new keys, how many must sign.
      type: int
    keys:
      description: Of new keys, their ids.
      type: list
      elements: str
    payload_sha256:
      description: SHA-256 of the payload, which is what devices remember beside the serial.
      type: str
    signatures:
      description: Each signature with its key's id, and whether it is valid; null when no key is known to tell by.
      type: list
      elements: dict
    thresholds:
      description: For each set of keys that must have signed its version, how many are needed, who signed, and if it is met.
      type: list
      elements: dict
    ready:
      description: Whether devices with the keys of O(keys_file) would believe it. Always false without that file.
      type: bool
    order_id:
      description: SHA-256 of the file, the order's id in a twin.
      type: str
    envelope_bytes:
      description: The file's size.
      type: int
    payload_bytes:
      description: The payload's size.
      type: int
    chunks:
      description: In how many pieces it is in a twin.
      type: int
    twin_bytes:
      description: How much of a twin's 32768 bytes of desired properties it takes.
      type: int
    fits:
      description: Whether a twin can hold it beside nothing else.
      type: bool
"""
