# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random rules and sets in a network namespace of each image: ours in, and out again; real packets on the forward path.

ROOTWAVE_IPTABLES_RULESETS says how many for each; the seed is fixed, ROOTWAVE_SEED changes it.
"""

from __future__ import annotations

import json
import os

import pytest

from tests.system.test_rulesets import CORE, SEED, SUITES, in_namespace

COUNT = os.environ.get("ROOTWAVE_IPTABLES_RULESETS", "6")
EACH = [suite for suite, _version in SUITES]


@pytest.mark.parametrize("variant", ["nft", "legacy"])
@pytest.mark.parametrize("suite", EACH)
def test_apply_then_revert_is_nothing(suite, variant):
    """Kernel and files are what they were, and every line of theirs is where it was, at any time."""
    script = "/project/tests/system/on_gateway_iptables.py"
    # a rule that asks a set needs a raw socket to find it
    done = in_namespace(suite, "python3", script, CORE, COUNT, SEED, variant, rights="--cap-add=NET_ADMIN,NET_RAW")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["failures"] == []
    assert {"nft": "(nf_tables)", "legacy": "(legacy)"}[variant] in result["iptables"]


@pytest.mark.parametrize("suite", EACH)
def test_a_container_behind_the_forward_path(suite):
    """Real packets through a real gateway: refused without a place, through after stage, counted, shut after the revert."""
    script = "/project/tests/system/on_gateway_iptables_forward.py"
    done = in_namespace(suite, "python3", script, CORE, rights="--privileged")
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert all(packets > 0 for packets in seen.pop("counted"))
    assert seen == {
        "unfiltered": ["connected", "connected"],
        "without a place": ["allowlist-forward"],
        "before": ["", ""],
        "blockers": [],
        "after": ["connected", "connected"],
        "reverted": ["", ""],
    }
