# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. What the modules that run on a gateway share in their documentation."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  desired:
    description:
      - What a campaign asks of this gateway in one phase, as the filter P(rootwave.iot.desired#filter) makes it.
      - Untrusted input to the module, checked for size, type and content; certificates must be self-signed roots whose
        SHA-256 is the one that the campaign names.
    type: dict
    required: true
  now:
    description:
      - The control node's clock in seconds since the epoch. A gateway whose clock differs by more than 300 seconds is
        refused before any TLS connection is tried, because a wrong clock makes good certificates look expired.
    type: int
    required: true
"""
