# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module hub_addresses in real ansible runs. It needs no hub; the names that it resolves are this machine's own."""

from __future__ import annotations

import json
import os
from types import SimpleNamespace

import pytest
import yaml
from ansible_collections.rootwave.iot.plugins.plugin_utils.campaign import load
from ansible_collections.rootwave.iot.plugins.plugin_utils.campaign_file import CampaignError

from tests.hub.ansible_run import PLAYBOOK, module, run
from tests.unit.plugins.plugin_utils.azure_tags import DOCUMENT
from tests.unit.plugins.plugin_utils.test_digest import CAMPAIGN

PLACE = {"path": "output", "backend": "nftables", "way": "named_set", "family": "inet", "table": "filter", "set4": "hubs"}
EXTRA = [{"prefix": "20.50.0.0/25", "source": "ticket 4711"}, {"prefix": "20.50.0.128/25", "source": "ticket 4711"}]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "addresses-new.yml"


@pytest.fixture
def src(tmp_path):
    file = tmp_path / "ServiceTags_Public.json"
    file.write_text(json.dumps(DOCUMENT))
    return file


@pytest.fixture
def addresses(path):
    here = SimpleNamespace(environment={name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")})

    def run(*flags, **arguments):
        return module(here, "hub_addresses", {"path": str(path), **arguments}, *flags)

    return run


def test_four_times(addresses, src, path):
    asked = {"service_tags": str(src), "tags": ["AzureIoTHub.WestEurope"], "extra": EXTRA}
    assert addresses("--check", **asked).result["changed"] and not path.exists()
    first = addresses("--diff", **asked)
    assert first.result["changed"] and first.result["removed"] == [], first.output
    assert first.result["added"] == ["20.1.2.0/25", "20.1.2.128/25", "20.9.9.8/30", "20.50.0.0/24"]
    assert '+  - {"prefix": "20.50.0.0/24", "source": "ticket 4711"}' in first.output
    document = yaml.safe_load(path.read_text())
    assert document["prefixes"] == first.result["prefixes"] and document["schema"] == 1
    assert document["prefixes"][0] == {"prefix": "20.1.2.0/25", "source": "AzureIoTHub.WestEurope, change 7"}
    stamp = path.stat().st_mtime_ns
    assert not addresses("--check", **asked).result["changed"]
    assert not addresses(**asked).result["changed"] and path.stat().st_mtime_ns == stamp


@pytest.mark.parametrize("flags", [["--check"], []])
def test_a_folder_that_is_not_there(addresses, tmp_path, flags):
    """Told in check mode too, since it would fail for real."""
    refused = addresses(*flags, path=str(tmp_path / "no" / "addresses.yml"), extra=EXTRA)
    assert refused.code != 0 and "its folder is not there" in refused.result["msg"], refused.output


def test_a_new_change_number_alone_is_no_change(addresses, src, path):
    assert addresses(service_tags=str(src)).code == 0
    before = path.read_bytes()
    src.write_text(src.read_text().replace('"changeNumber": 42', '"changeNumber": 43'))
    again = addresses(service_tags=str(src))
    assert again.code == 0 and not again.result["changed"] and path.read_bytes() == before, again.output
    src.write_text(src.read_text().replace("20.9.9.8/30", "20.9.9.12/30"))
    moved = addresses("--diff", service_tags=str(src))
    assert moved.result["added"] == ["20.9.9.12/30"] and moved.result["removed"] == ["20.9.9.8/30"]
    changed = [line for line in moved.output.splitlines() if line.startswith(("+  -", "-  -"))]
    assert len(changed) == 2 and "change 43" in changed[1], moved.output


def test_what_the_sibling_returned(addresses, path):
    result = {"ipv4": ["20.1.2.0/24"], "ipv6": [], "regions": ["westeurope"], "tag_change_number": 42, "changed": False}
    taken = addresses(service_tags=result)
    assert taken.result["prefixes"] == [{"prefix": "20.1.2.0/24", "source": "AzureIoTHub (westeurope), change 42"}], taken.output


def test_private_endpoints(addresses):
    rows = [{"name": "pe-1", "addresses": ["10.1.0.4"]}]
    assert addresses(private_endpoints=rows, private=True).result["added"] == ["10.1.0.4/32"]
    assert "10.1.0.4/32 is private" in addresses(private_endpoints=rows).result["msg"]


def test_a_public_dps_beside_a_private_hub(addresses, tmp_path):
    """Each name is held to what is meant of it. A number resolves to itself: 0x14010203 to 20.1.2.3, 0x0a010004 to 10.1.0.4."""
    rows = [{"name": "pe-1", "addresses": ["10.1.0.4"]}]
    both = {"private_endpoints": rows, "private": True}
    taken = addresses(public_endpoints=["0x14010203"], **both)
    assert taken.result["added"] == ["10.1.0.4/32", "20.1.2.3/32"], taken.output
    assert "20.1.2.3/32 is public" in addresses(endpoints=["0x14010203"], **both).result["msg"]
    assert "10.1.0.4/32 is private" in addresses(public_endpoints=["0x0a010004"], **both).result["msg"]
    assert "20.1.2.3/32 is public" in addresses(endpoints=["0x14010203"], public_endpoints=["0x14010203"], **both).result["msg"]
    files = {"new": "addresses-new.yml", "private": True}
    (tmp_path / "campaign.yml").write_text(yaml.safe_dump({**CAMPAIGN, "allowlist": files}))
    asked = load(str(tmp_path / "campaign.yml"))["allowlist"]
    assert [one["prefix"] for one in asked["new"]] == taken.result["added"]
    with pytest.raises(CampaignError, match="is private"):
        (tmp_path / "campaign.yml").write_text(yaml.safe_dump({**CAMPAIGN, "allowlist": {**files, "private": False}}))
        load(str(tmp_path / "campaign.yml"))


@pytest.mark.parametrize(
    "asked, words",
    [
        ({}, "no address was named"),
        ({"endpoints": ["localhost"]}, "127.0.0.0/8 (loopback)"),
        (
            {"endpoints": ["rootwave-has-no-such-host.invalid"]},
            "no address on the control node for rootwave-has-no-such-host.invalid",
        ),
        ({"extra": [{"prefix": "0.0.0.0/0", "source": "all"}]}, "all: 0.0.0.0/0 is wider than /8"),
        ({"extra": [{"prefix": "10.0.0.0/24", "source": "lan"}]}, "lan: 10.0.0.0/24 is private"),
        ({"extra": [{"prefix": "20.0.0.0/24"}]}, "missing required arguments: source"),
        ({"extra": EXTRA, "tags": ["AzureStorage"], "service_tags": "SRC"}, "'AzureStorage' is not AzureIoTHub"),
        ({"extra": EXTRA, "tags": ["AzureIoTHub.Mars"], "service_tags": "SRC"}, "no region mars"),
        ({"extra": EXTRA, "service_tags": "CUT"}, "is the download complete"),
        ({"extra": EXTRA, "service_tags": "nowhere.json"}, "nowhere.json"),
        ({"extra": EXTRA, "path": "/proc/addresses.yml"}, "/proc"),
    ],
)
def test_refused_and_the_file_stays(addresses, src, path, asked, words):
    assert addresses(extra=EXTRA).code == 0
    before = path.read_bytes()
    cut = src.with_name("cut.json")
    cut.write_text(src.read_text()[:200])
    files = {"SRC": str(src), "CUT": str(cut)}
    refused = addresses(**{name: files.get(value, value) if isinstance(value, str) else value for name, value in asked.items()})
    assert refused.code != 0 and words in refused.result["msg"], refused.output
    assert path.read_bytes() == before


def test_a_file_of_something_else_is_not_overwritten(addresses, path):
    path.write_text("my: notes\n")
    refused = addresses(extra=EXTRA)
    assert refused.code != 0 and "is no address file" in refused.result["msg"] and path.read_text() == "my: notes\n"


def test_a_campaign_carries_them_to_a_gateway(addresses, path, tmp_path):
    """What the module wrote is what the filter asks of a gateway, by every way in to the lookup."""
    assert addresses(extra=EXTRA).code == 0
    (tmp_path / "campaign.yml").write_text(yaml.safe_dump({**CAMPAIGN, "allowlist": {"new": path.name}}))
    ask = "lookup('rootwave.iot.campaign'{}) | rootwave.iot.desired('stage', places=rootwave_allowlist_places)"
    lines = [f"{{{{ ({ask.format(section)}) | to_json }}}}" for section in ("", ", section='allowlist'")]
    copy = {"content": "[" + ", ".join(lines) + "]", "dest": str(tmp_path / "asked.json"), "mode": "0600"}
    play = {"hosts": "localhost", "gather_facts": False, "tasks": [{"ansible.builtin.copy": copy}]}
    play["vars"] = {"rootwave_campaign": str(tmp_path / "campaign.yml"), "rootwave_allowlist_places": [PLACE]}
    (tmp_path / "play.json").write_text(json.dumps([play]))
    for more, sections in (([], 2), (["-e", "rootwave_section=allowlist"], 1)):
        done = run([PLAYBOOK, tmp_path / "play.json", *more], dict(os.environ))
        assert done.returncode == 0, done.stdout + done.stderr
        whole, alone = json.loads((tmp_path / "asked.json").read_text())
        assert whole["allowlist"] == alone["allowlist"] and alone["present"] == []
        assert alone["allowlist"]["new"] == [{"prefix": "20.50.0.0/24", "source": "ticket 4711"}]
        assert alone["allowlist"]["places"] == [PLACE] and len({whole["digest"], alone["digest"]}) == sections
