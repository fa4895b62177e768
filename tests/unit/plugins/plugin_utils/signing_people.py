# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A campaign to sign and people to sign it, for the tests of the control node."""

from __future__ import annotations

from ansible_collections.rootwave.iot.plugins.module_utils.gateway.keys import key_of
from ansible_collections.rootwave.iot.plugins.plugin_utils.campaign import POLICY

from tests.unit.plugins.module_utils.gateway import people
from tests.unit.plugins.module_utils.gateway.people import ALICE, BOB, CAROL, MALLORY, keys_document, mirrored, openssl

ISSUED = 1795000000
TIMES = {"issued": ISSUED, "not_before": ISSUED, "expires": ISSUED + 30 * 86400}


def campaign(**changes) -> dict:
    """As the lookup gives it."""
    base = {
        "name": "test",
        "digest": "d" * 64,
        "present": [people.NEW],
        "absent": [people.OLD],
        "endpoints": [{"host": "hub.example", "port": 8883}],
        "clouds": ["public"],
        "safe_after": None,
        "accept": [],
        "ca_files": [],
        "timeouts": {},
        "policy": POLICY,
    }
    return {**base, **changes}


def public(person):
    return key_of(person.pem, "test")


__all__ = ("ALICE", "BOB", "CAROL", "ISSUED", "MALLORY", "TIMES", "campaign", "keys_document", "mirrored", "openssl", "public")
