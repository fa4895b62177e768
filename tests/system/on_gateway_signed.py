# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a gateway: a signed phase, verified by the core, then carried out by it as an agent would. Prints what became of it.

Arguments: a folder with the core, the signed file and the file of keys (both as base64).
"""

from __future__ import annotations

import base64
import json
import sys

sys.path.insert(0, sys.argv[1])

from gateway import keys, order
from gateway.desired import from_document
from gateway.errors import Refused
from gateway.host import LocalHost
from gateway.reconcile import reconcile


def main():
    signed, known = map(base64.b64decode, sys.argv[2:4])
    try:
        phase = order.verify_phase(signed, keys.from_bytes(known))
    except Refused as exc:
        print(json.dumps({"refused": exc.reason}))
        return
    report = reconcile(LocalHost(), from_document(phase.desired), phase.issued, dry_run=True)
    seen = {"desired": phase.desired, "outcome": report["outcome"], "blockers": [one["id"] for one in report["blockers"]]}
    print(json.dumps(seen))


main()
