# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A workflow that is there already: led anew for waves in another order, and its approvals written into by gates."""

from __future__ import annotations

import pytest

from tests.awx.double import Double
from tests.awx.operator import Operator, store
from tests.awx.store import NODES


@pytest.fixture(scope="module")
def configured(tmp_path_factory):
    """An Operator of an AWX with a campaign of three waves."""
    with Double(store()) as double:
        operator = Operator(tmp_path_factory.mktemp("awx"), double)
        first = operator.run(waves=["canary", "early", "broad"])
        assert first.returncode == 0, first.stdout + first.stderr
        yield operator


def test_waves_in_another_order(configured):
    """Three waves, then another order: AWX would refuse a circle on the way."""
    operator = configured
    ended = operator.run(waves=["broad", "canary", "early"])
    assert ended.returncode == 0, ended.stdout
    kept = operator.double.store
    by_id = {one["id"]: one["identifier"] for one in kept.objects[NODES].values()}
    ways = {name: kept.associated.get((NODES, one, "success_nodes"), []) for one, name in by_id.items()}
    assert [by_id[one] for one in ways["approve-stage-broad"]] == ["stage-canary"]
    assert "changed=0 " in operator.run(waves=["broad", "canary", "early"]).stdout


def test_a_gate_writes_into_the_approval_that_follows(configured):
    """And into none that is not there, which the module would make."""
    operator = configured
    for identifier, words in (("approve-stage-canary", ""), ("approve-stage-gone", "it was configured anew")):
        ended = operator.gate(identifier, "stage wave early", "PASS: 8 total, 8 done")
        assert (ended.returncode == 0) is not bool(words) and words in " ".join(ended.stdout.split()), ended.stdout
    kept = operator.double.store
    said = {one["name"]: one["description"] for one in kept.objects["workflow_approval_templates"].values()}
    assert said["stage wave early"] == "PASS: 8 total, 8 done"
    assert "approve-stage-gone" not in [one["identifier"] for one in kept.objects[NODES].values()]
