# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module service_tags in real ansible runs: from a file, and from the lab's Discovery API with an Entra identity."""

from __future__ import annotations

import json

import pytest

from lab.hub.cloud.arm_resources import SERVICE_TAGS
from tests.hub.ansible_run import module


@pytest.fixture
def src(tmp_path):
    path = tmp_path / "ServiceTags_Public.json"
    path.write_text(json.dumps(SERVICE_TAGS))
    return path


@pytest.fixture
def tags(azure, tmp_path):
    def run(*flags, **arguments):
        return module(azure, "service_tags", {"dest": str(tmp_path / "accepted.json"), **arguments}, *flags)

    return run


def test_four_times(tags, src, tmp_path):
    accepted = tmp_path / "accepted.json"
    assert tags("--check", src=str(src)).result["changed"] and not accepted.exists()
    first = tags("--diff", src=str(src))
    assert first.result["changed"] and first.result["ipv4"] == ["192.0.2.0/27", "198.51.100.0/25", "203.0.113.5/32"], first.output
    assert json.loads(accepted.read_text())["tag_change_number"] == 42 and "192.0.2.0/27" in first.result["diff"]["after"]
    stamp = accepted.stat().st_mtime_ns
    assert not tags("--check", src=str(src)).result["changed"]
    assert not tags(src=str(src)).result["changed"] and accepted.stat().st_mtime_ns == stamp


def test_discovery_api(azure, tags):
    asked = tags(subscription_id=azure.config["tenant"]["subscription"], regions=["eastus"], pairs=False)
    assert asked.code == 0 and asked.result["ipv4"] == ["192.0.2.0/27", "203.0.113.5/32"], asked.output
    refused = tags(subscription_id="00000000-0000-0000-0000-000000000000")
    assert refused.code != 0 and refused.result["status"] == 404 and "SubscriptionNotFound" in refused.result["msg"]


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda text: text[: len(text) // 2], "is the download complete"),
        (lambda text: text.replace('"Public"', '"AzureChina"'), "is for cloud"),
        (
            lambda text: text.replace('"192.0.2.0/27", "198.51.100.0/25", ', "").replace('"42"', '"43"'),
            "more than max_loss_percent",
        ),
        (lambda text: text.replace("203.0.113.5/32", "203.0.113.0/24"), "has the record's changeNumber 42 and other prefixes"),
        (lambda text: text.replace('"42"', '"41"'), "older than the record's 42"),
    ],
)
def test_refused_and_the_record_stays(tags, src, tmp_path, change, words):
    accepted = tmp_path / "accepted.json"
    assert tags(src=str(src)).code == 0
    before = accepted.read_bytes()
    text = src.read_text()
    assert change(text) != text
    src.write_text(change(text))
    refused = tags(src=str(src))
    assert refused.code != 0 and words in refused.result["msg"], refused.output
    assert accepted.read_bytes() == before


def test_a_record_that_cannot_be_read_is_not_none(tags, src, tmp_path):
    (tmp_path / "accepted.json").write_text("{")
    refused = tags(src=str(src))
    assert refused.code != 0 and "is no record of this module" in refused.result["msg"]
