# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A campaign's allowlist: what its address files hold is part of it, and a campaign without one is what it was before."""

from __future__ import annotations

import hashlib
import json

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.rootwave.iot.plugins.filter.desired import desired
from ansible_collections.rootwave.iot.plugins.plugin_utils.campaign import CampaignError, load
from ansible_collections.rootwave.iot.plugins.plugin_utils.signed_facts import allowlist_lines

from .test_digest import CAMPAIGN

NEW = 'schema: 1\nprefixes:\n  - {"prefix": "20.1.2.0/24", "source": "AzureIoTHub.WestEurope, change 42"}\n'
OLD = 'schema: 1\nprefixes:\n  - {"prefix": "20.7.7.7/32", "source": "by hand"}\n'
OUTPUT = {"path": "output", "backend": "nftables", "way": "named_set", "family": "inet", "table": "filter", "set4": "hubs"}
FORWARD = {"path": "forward", "backend": "none"}
SECTION = {"new": "new.yml", "old": "old.yml", "places": [OUTPUT]}
# Of CAMPAIGN as it was loaded before there were allowlists
DIGEST = "03c33e90af00623ed2d6e5823d7995f16f2e679169b714e56b5f5f81cc7bb270"
STAGE = "e7a52ab4d6259cfeccb0684244ea27b13521a751b3e885cfaa53aacfdfef4b35"


@pytest.fixture
def campaign(tmp_path):
    """campaign(section, **changes) loads it, section=None without one."""
    (tmp_path / "new.yml").write_text(NEW)
    (tmp_path / "old.yml").write_text(OLD)

    def make(allowlist, section=None, **changes):
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.yml"
        more = {} if allowlist is None else {"allowlist": allowlist}
        path.write_text(yaml.safe_dump({**CAMPAIGN, **changes, **more}, sort_keys=False))
        return load(str(path), section)

    return make


def test_as_gateways_are_asked(campaign):
    assert campaign(SECTION)["allowlist"] == {
        "new": [{"prefix": "20.1.2.0/24", "source": "AzureIoTHub.WestEurope, change 42"}],
        "old": [{"prefix": "20.7.7.7/32", "source": "by hand"}],
        "private": False,
        "ports": [443, 5671, 8883],
        "quiet_period": 86400,
        "places": [OUTPUT],
    }
    least = campaign({"new": "new.yml"})["allowlist"]
    assert least["old"] == [] and least["places"] == []


def test_without_one_nothing_is_another(campaign):
    plain = campaign(None)
    assert plain["digest"] == DIGEST and "allowlist" not in plain
    document = json.dumps(desired(plain, "stage", [{"host": "hub.example", "port": 8883}], places=[OUTPUT]))
    assert hashlib.sha256(document.encode()).hexdigest() == STAGE


def test_the_digest_is_of_what_the_files_hold(campaign, tmp_path):
    loaded = campaign(SECTION)
    whole = loaded["digest"]
    assert whole != DIGEST and campaign(SECTION)["digest"] == whole
    (tmp_path / "other.yml").write_text("# other words, same prefixes\n" + NEW)
    assert campaign({**SECTION, "new": "other.yml"})["digest"] == whole
    for change in ({"quiet_period": 1}, {"ports": [443]}, {"private": True}, {"places": []}):
        assert campaign({**SECTION, **change})["digest"] != whole
    (tmp_path / "new.yml").write_text(NEW.replace("20.1.2.0/24", "20.1.2.0/25"))
    again = load(loaded["path"])  # the same campaign file, which did not change
    assert again["digest"] != whole and again["allowlist"]["new"][0]["prefix"] == "20.1.2.0/25"


def test_sections(campaign):
    whole, anchors, allowlist = (campaign(SECTION, section) for section in (None, "anchors", "allowlist"))
    assert anchors["digest"] == DIGEST and "allowlist" not in anchors and anchors["present"] == whole["present"]
    assert (allowlist["present"], allowlist["absent"]) == ([], []) and allowlist["allowlist"] == whole["allowlist"]
    assert len({whole["digest"], anchors["digest"], allowlist["digest"]}) == 3
    with pytest.raises(CampaignError, match="allowlist: this campaign has none"):
        campaign(None, "allowlist")


def test_addresses_alone_are_a_campaign(campaign):
    nothing = {"present": [], "absent": []}
    assert campaign(SECTION, anchors=nothing)["allowlist"]["new"]
    with pytest.raises(CampaignError, match="no anchor is present or absent, and there is no allowlist"):
        campaign(None, anchors=nothing)


@pytest.mark.parametrize(
    "section, words",
    [
        ({"old": "old.yml"}, r"\.yml:\d+: allowlist: 'new' is a required property"),
        ({"new": "none.yml"}, r"\.yml:\d+: allowlist.new: .*none.yml: No such file .*; rootwave.iot.hub_addresses makes it"),
        ({"new": "new.yml", "old": "bad.yml"}, r"\.yml:\d+: allowlist.old: .*bad.yml: prefixes.0: 0.0.0.0/0 is wider than /8"),
        ({"new": "private.yml"}, r"allowlist.new: .*private.yml: prefixes.0: 10.1.0.0/24 is private; private: true"),
        ({"new": "empty.yml"}, r"allowlist.new: .*empty.yml: prefixes: a list that is not empty is wanted"),
        ({"new": "binary.yml"}, r"allowlist.new: .*binary.yml: not UTF-8 text \(byte 0\)"),
        ({"new": "new.yml", "port": [1]}, r"allowlist.port: unknown key; known here: new, old, places, ports, private"),
        ({"new": "new.yml", "ports": []}, r"allowlist.ports: "),
        ({"new": "new.yml", "ports": [0]}, r"allowlist.ports.0: 0 is less"),
        ({"new": "new.yml", "quiet_period": -1}, r"allowlist.quiet_period: -1 is less"),
        ({"new": "new.yml", "private": "no"}, r"allowlist.private: 'no' is not of type 'boolean'"),
        (
            {"new": "new.yml", "places": [{"path": "input", "backend": "nftables"}]},
            r"allowlist.places.0.path: 'input' is not one of",
        ),
        ({"new": "new.yml", "places": [{"path": "output"}]}, r"allowlist.places.0: 'backend' is a required property"),
        ({"new": "new.yml", "places": [{**OUTPUT, "set4": 4}]}, r"allowlist.places.0.set4: 4 is not of type 'string'"),
    ],
)
def test_bad(campaign, tmp_path, section, words):
    (tmp_path / "bad.yml").write_text(NEW.replace("20.1.2.0/24", "0.0.0.0/0"))
    (tmp_path / "private.yml").write_text(NEW.replace("20.1.2.0/24", "10.1.0.0/24"))
    (tmp_path / "empty.yml").write_text("schema: 1\nprefixes: []\n")
    (tmp_path / "binary.yml").write_bytes(b"\xff\xfe")
    with pytest.raises(CampaignError, match=words):
        campaign(section)


def test_private_prefixes_where_they_are_meant(campaign, tmp_path):
    (tmp_path / "private.yml").write_text(NEW.replace("20.1.2.0/24", "10.1.0.0/24"))
    loaded = campaign({"new": "private.yml", "old": "old.yml", "private": True})["allowlist"]
    assert loaded["private"] and loaded["new"][0]["prefix"] == "10.1.0.0/24"


@pytest.mark.parametrize("phase", ["assess", "stage", "retire"])
def test_places_of_the_gateway_before_those_of_the_campaign(campaign, phase):
    loaded = campaign(SECTION)
    assert desired(loaded, phase)["allowlist"] == loaded["allowlist"]
    own = desired(loaded, phase, places=[FORWARD])
    assert own["allowlist"] == {**loaded["allowlist"], "places": [FORWARD]} and own["digest"] == loaded["digest"]
    assert loaded["allowlist"]["places"] == [OUTPUT]


@pytest.mark.parametrize("places", ["output", {"path": "output"}, ["output"], None])
def test_places_that_are_none(campaign, places):
    with pytest.raises(AnsibleFilterError, match="rootwave_allowlist_places is a list of places"):
        desired(campaign(SECTION), "stage", places=places)


def test_who_signs_sees_each_prefix_and_place(campaign):
    assert allowlist_lines(desired(campaign(SECTION), "stage")["allowlist"]) == [
        "new 20.1.2.0/24 (AzureIoTHub.WestEurope, change 42)",
        "old 20.7.7.7/32 (by hand)",
        "private false",
        "ports [443, 5671, 8883]",
        "quiet_period 86400",
        "place " + json.dumps(OUTPUT, sort_keys=True),
    ]
    assert allowlist_lines(desired(campaign({"new": "new.yml"}), "stage")["allowlist"])[-1] == "place: none of the campaign's own"
    assert allowlist_lines(desired(campaign(None), "stage").get("allowlist")) == []
