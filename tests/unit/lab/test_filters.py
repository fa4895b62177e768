# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which gateway of a lab filters with what, and that its places are some that a gateway takes."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.allowlists import document
from ansible_collections.rootwave.iot.plugins.plugin_utils import campaign

from lab import config, demo, filters, inventory


def lab_of(kind, groups=None):
    lab = config.plan("filters-plan", dict(groups or demo.GROUPS))
    filters.assign(lab, kind)
    return lab


def test_mixed_is_three_of_each_backend_on_three_debians():
    lab = lab_of(filters.MIXED)
    assert Counter(one.filter for one in lab.gateways) == {**dict.fromkeys(filters.BACKENDS, 3), "": 2}
    for backend in filters.BACKENDS:
        assert len({one.suite for one in lab.gateways if one.filter == backend}) == 3, backend


def test_mixed_has_who_the_demo_needs():
    """The canary's bad place is one of nftables; who gets roots alone filters, and who is held out does not."""
    lab = lab_of(filters.MIXED)
    chosen = {one.group: one.filter for one in lab.gateways}
    assert lab.gateways[0].filter == "nftables" and lab.gateways[0].group == "canary"
    assert chosen["roots_only"] and not chosen["holdout"]
    assert [one.name for one in lab.gateways if one.boxed] == ["gw-03"]


@pytest.mark.parametrize("backend", filters.BACKENDS)
def test_all_with_one_backend(backend):
    assert {one.filter for one in lab_of(backend).gateways} == {backend}


def test_nobody_filters():
    lab = lab_of("")
    assert not any(one.filter or one.boxed for one in lab.gateways)


@pytest.mark.parametrize("kind", filters.KINDS)
def test_places_are_some_that_a_gateway_takes(kind):
    for gateway in lab_of(kind).gateways:
        taken = document.from_document({"places": [*filters.places(gateway), filters.BROKERS]}).places
        assert ("forward" in {place.path for place in taken}) == gateway.boxed


def test_a_lab_that_an_earlier_version_made_has_no_filters(tmp_path, monkeypatch):
    monkeypatch.setenv("ROOTWAVE_LAB_DIR", str(tmp_path))
    lab = lab_of(filters.MIXED)
    lab.save()
    assert config.load(lab.name) == lab
    path = lab.state_dir / "lab.json"
    older = json.loads(path.read_text())
    del older["filters"]
    for gateway in older["gateways"]:
        del gateway["filter"], gateway["boxed"]
    path.write_text(json.dumps(older))
    found = config.load(lab.name)
    assert found is not None and found.filters == "" and not any(one.filter for one in found.gateways)


def test_campaigns_of_a_lab_with_filters_and_devices(tmp_path, monkeypatch):
    """As the collection loads them: gateways' ones have the allowlist, those with waves by twin have none."""
    monkeypatch.setenv("ROOTWAVE_LAB_DIR", str(tmp_path))
    lab = config.plan("filters-plan", dict(demo.GROUPS), devices=demo.DEVICES)
    filters.assign(lab, filters.MIXED)
    lab.save()
    inventory.write_campaigns(lab)
    found = {path.stem: campaign.load(str(path)) for path in lab.state_dir.glob("campaign*.yml")}
    twins = {name for name, one in found.items() if any(wave.get("via") == "twin" for wave in one["waves"])}
    assert twins == {"campaign-roots", "campaign-twins", "campaign-inbox"}
    assert {name for name, one in found.items() if "allowlist" not in one} == twins
    assert len({found[name]["digest"] for name in twins}) == 1, "what is signed for one is good for all"
    new = {name: [item["prefix"] for item in one["allowlist"]["new"]] for name, one in found.items() if name not in twins}
    assert new.pop("campaign-bad") == [f"{lab.dns_address}/32"]
    assert {tuple(prefixes) for prefixes in new.values()} == {(f"{lab.new_address}/32",)}
    waves = {name: [wave["group"] for wave in one["waves"]] for name, one in found.items()}
    assert waves["campaign"] == ["canary", "early", "broad"] and waves["campaign-roots"][0] == inventory.ROOTS_ONLY
    assert waves["campaign-fleet"] == ["fleet"] and waves["campaign-all"] == list(demo.GROUPS)
