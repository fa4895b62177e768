# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random configurations of firewalld 0.9.3, 1.3.3 and 2.3.1 in a throw-away container of each image: ours in, and out again.

ROOTWAVE_FIREWALLD_RULESETS says how many for each, for firewalld itself takes many seconds; the seed is fixed, ROOTWAVE_SEED
changes it.
"""

from __future__ import annotations

import json
import os

import pytest

from tests.system.test_rulesets import CORE, SEED, in_namespace

COUNT = int(os.environ.get("ROOTWAVE_FIREWALLD_RULESETS", "3"))
SUITES = [("bullseye", "0.9.3"), ("bookworm", "1.3.3"), ("trixie", "2.3.1")]


@pytest.mark.parametrize("suite, version", SUITES)
def test_apply_then_revert_is_nothing(suite, version):
    """What is staged is what firewall-cmd lists on both sides; after the revert kernel and files are as they were."""
    script = "/project/tests/system/on_gateway_firewalld.py"
    done = in_namespace(suite, "python3", script, CORE, str(COUNT), SEED, rights="--privileged")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["failures"] == []
    assert result["version"] == version
    assert result["staged"] >= COUNT // 3, result
    assert set(result["reasons"]) <= {"allowlist-overlap", "allowlist-place", "allowlist-set-type"}
