# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random rules of ufw in a throw-away container of each image: ours in, and out again; and real packets on the forward path.

ROOTWAVE_UFW_RULESETS says how many for each, for ufw itself takes seconds; the seed is fixed, ROOTWAVE_SEED changes it.
"""

from __future__ import annotations

import json
import os

import pytest

from tests.system.test_rulesets import CORE, SEED, SUITES, in_namespace

COUNT = int(os.environ.get("ROOTWAVE_UFW_RULESETS", "12"))
EACH = [suite for suite, _version in SUITES]


@pytest.mark.parametrize("suite", EACH)
def test_apply_then_revert_is_nothing(suite):
    """What is staged gets through by the first rule that fits, and after the revert files and kernel are as they were."""
    done = in_namespace(suite, "python3", "/project/tests/system/on_gateway_ufw.py", CORE, str(COUNT), SEED)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["failures"] == []
    assert result["staged"] >= COUNT // 4 and result["refused"] > 0, result
    assert result["reasons"] == ["allowlist-place"]


@pytest.mark.parametrize("suite", EACH)
def test_a_container_behind_the_forward_path(suite):
    """Real packets through a real gateway: refused without a place, through after stage, counted, shut after the revert."""
    script = "/project/tests/system/on_gateway_ufw_forward.py"
    done = in_namespace(suite, "python3", script, CORE, rights="--privileged")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "unfiltered": ["connected", "connected"],
        "without a place": ["allowlist-forward"],
        "before": ["", ""],
        "blockers": [],
        "after": ["connected", "connected"],
        "counted": [1, 1],
        "reverted": ["", ""],
    }
