# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.rootwave.iot.plugins.plugin_utils.campaign import POLICY, CampaignError
from ansible_collections.rootwave.iot.plugins.plugin_utils.waves import fix_waves

GROUPS = {"canary": ["a"], "broad": ["b", "c", "d", "e", "f"], "empty": [], "shared": ["f", "g"]}


def campaign(*waves, **policy):
    named = [wave if isinstance(wave, dict) else {"group": wave} for wave in waves]
    return {"path": "x.yml", "waves": named, "policy": {**POLICY, **policy}}


def test_order_and_batches():
    fixed = fix_waves(campaign("broad", "canary"), GROUPS, forks=2)
    assert [(batch["wave"], batch["hosts"]) for batch in fixed["batches"]] == [
        ("broad", ["b", "c"]),
        ("broad", ["d", "e"]),
        ("broad", ["f"]),
        ("canary", ["a"]),
    ]
    assert fixed["hosts"] == ["b", "c", "d", "e", "f", "a"]
    assert fixed["serial"] == [2, 2, 1, 1]


def test_last_wave_only_looks_at_the_others():
    fixed = fix_waves(campaign("canary", "broad", "shared"), {**GROUPS, "shared": ["g"]}, 10, last="broad")
    assert [(wave["name"], wave["mode"]) for wave in fixed["waves"]] == [("canary", "report"), ("broad", "run")]
    assert "g" not in fixed["hosts"]


@pytest.mark.parametrize(
    "asked, complaint",
    [
        (campaign("nowhere"), "the inventory has no group nowhere"),
        (campaign("empty"), "group empty has no hosts"),
        (campaign("broad", "shared"), "f is in two waves, broad and shared"),
        (campaign("canary", "broad", min_sample=2), "min_sample is 2, wave canary has only 1"),
        (campaign({"group": "broad", "expect": 6}), "expects 6 gateways in broad, the inventory has 5"),
    ],
)
def test_bad_waves(asked, complaint):
    with pytest.raises(CampaignError, match=complaint):
        fix_waves(asked, GROUPS, forks=5)


def test_unknown_last_wave():
    with pytest.raises(CampaignError, match="rootwave_wave=early is none of the campaign's waves: canary"):
        fix_waves(campaign("canary"), GROUPS, 5, last="early")


def test_expected_size_holds():
    assert fix_waves(campaign({"group": "broad", "expect": 5}), GROUPS, 5)["serial"] == [5]


def test_a_twin_wave_is_one_batch_of_the_host_that_stands_for_it():
    """Ten thousand devices are one host to Ansible; the wave itself, and what the campaign expects of it, stay whole."""
    mixed = campaign("canary", {"group": "broad", "via": "twin", "expect": 5}, min_sample=1)
    fixed = fix_waves(mixed, GROUPS, forks=2)
    assert [(batch["wave"], batch["hosts"]) for batch in fixed["batches"]] == [("canary", ["a"]), ("broad", ["b"])]
    assert (fixed["hosts"], fixed["serial"]) == (["a", "b"], [1, 1])
    assert [(wave["via"], wave["hosts"]) for wave in fixed["waves"]] == [("ssh", ["a"]), ("twin", GROUPS["broad"])]
    with pytest.raises(CampaignError, match="expects 6 gateways in broad, the inventory has 5"):
        fix_waves(campaign({"group": "broad", "via": "twin", "expect": 6}), GROUPS, 5)
