# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad campaigns: each complaint names file, line and key. The twin of every one is GOOD, which loads."""

from __future__ import annotations

import hashlib
import ssl
from pathlib import Path

import pytest
from ansible_collections.rootwave.iot.plugins.plugin_utils import anchors, campaign
from ansible_collections.rootwave.iot.plugins.plugin_utils.campaign import CampaignError, load

from tests.unit.plugins.module_utils.gateway.certificates import (
    BALTIMORE,
    BALTIMORE_SHA256,
    G2,
    G2_SHA256,
    INTERMEDIATE,
    LEAF,
)

GOOD = f"""name: test
anchors:
  present:
    - name: g2
      sha256: {G2_SHA256}
      file: g2.pem
  absent:
    - name: baltimore
      sha256: {BALTIMORE_SHA256}
      file: baltimore.pem
endpoints:
  - {{host: hub.example, port: 8883}}
safe_after: {{date: 2024-09-30, source: Microsoft}}
waves: [canary, early]
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "g2.pem").write_text(G2)
    (tmp_path / "baltimore.pem").write_text(BALTIMORE)
    return tmp_path


def write(folder: Path, text: str) -> str:
    path = folder / "campaign.yml"
    path.write_text(text)
    return str(path)


def sha256(pem: str) -> str:
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()


def test_good(folder):
    loaded = load(write(folder, GOOD))
    assert [anchor["sha256"] for anchor in loaded["present"]] == [G2_SHA256]
    assert sha256(loaded["absent"][0]["pem"]) == BALTIMORE_SHA256
    assert loaded["safe_after"] == {"date": "2024-09-30", "source": "Microsoft"}
    assert loaded["policy"] == campaign.POLICY
    assert loaded["waves"] == [{"group": "canary"}, {"group": "early"}]


def test_digest_is_what_the_campaign_does(folder):
    plain = load(write(folder, GOOD))["digest"]
    assert load(write(folder, "# a comment\n" + GOOD))["digest"] == plain
    assert load(write(folder, GOOD.replace("8883", "443")))["digest"] != plain


@pytest.mark.parametrize(
    "old, new, complaint",
    [
        ("name: test", "name: test\nspeed: 9", r"campaign.yml:2: speed: unknown key; known here: accept, allowlist, anchors"),
        ("host: hub.example", "hosts: hub.example", r"campaign.yml:12: endpoints.0.hosts: unknown key; known here: host"),
        ("name: test", "name: test\nname: two", r"campaign.yml:2: key name stands here and in line 1"),
        ("waves: [canary", "waves: [canary: [", r"campaign.yml:1[45]: not YAML"),
        ("waves: [canary, early]", "waves: []", r"campaign.yml:14: waves: "),
        ("waves: [canary, early]", "waves: [canary, canary]", r"campaign.yml:14: waves.1: group canary is a wave twice"),
        ("port: 8883", "port: 99999", r"campaign.yml:12: endpoints.0.port: 99999 is greater"),
        ("port: 8883", "port: 8883, proxy: http://proxy", r"campaign.yml:12: endpoints.0.proxy: 'http://proxy' does not match"),
        ("date: 2024-09-30", "date: soon", r"campaign.yml:13: safe_after.date: 'soon' "),
        ("date: 2024-09-30", "date: 2024-09-31", r"campaign.yml:13: safe_after.date: '2024-09-31' is not a 'date'"),
        (
            f"sha256: {G2_SHA256}",
            f"sha256: {'0' * 63}a",
            rf"campaign.yml:4: anchors.present.0: g2: .*SHA-256 {G2_SHA256}, not 000",
        ),
        (f"sha256: {G2_SHA256}", "sha256: short", r"campaign.yml:5: anchors.present.0.sha256: 'short' does not match"),
        ("file: g2.pem", "file: none.pem", r"campaign.yml:4: anchors.present.0: g2: .*none.pem: No such file"),
        ("file: g2.pem", "file: g2.pem\n      url: http://x/y", r"campaign.yml:4: anchors.present.0: give either file or url"),
        ("file: g2.pem", "note: none", r"campaign.yml:4: anchors.present.0: give either file or url"),
        ("- name: baltimore", "- name: g2", r"campaign.yml:8: anchors.absent.0.name: g2 is in anchors.present already"),
        (
            f"sha256: {BALTIMORE_SHA256}\n      file: baltimore.pem",
            f"sha256: {G2_SHA256}\n      file: g2.pem",
            r"campaign.yml:9: anchors.absent.0.sha256: .* is in anchors.present already",
        ),
    ],
)
def test_bad(folder, old, new, complaint):
    assert old in GOOD
    with pytest.raises(CampaignError, match=complaint):
        load(write(folder, GOOD.replace(old, new)))


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("no certificate here", "expected one PEM certificate, found 0"),
        (G2 + BALTIMORE, "expected one PEM certificate, found 2"),
        (LEAF, "a leaf certificate, not a root"),
        (INTERMEDIATE, "an intermediate .*, not a root"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "not a certificate"),
        ("x" * 20000, "longer than 16384 bytes"),
    ],
)
def test_bad_anchor_file(folder, text, complaint):
    path = write(folder, GOOD)
    (folder / "g2.pem").write_text(text)
    with pytest.raises(CampaignError, match=r"campaign.yml:4: anchors.present.0: g2: .*" + complaint):
        load(path)


def test_expired_root_is_no_anchor_to_trust(folder):
    """Baltimore ended in 2025: fine to remove, not to add."""
    text = GOOD.replace("present", "x").replace("absent", "present").replace("x:", "absent:")
    with pytest.raises(CampaignError, match=r"baltimore: .*valid from 2000-05-12 to 2025-05-12 only"):
        load(write(folder, text))


@pytest.mark.parametrize("text", ["", "[1, 2]", "just text"])
def test_no_mapping(folder, text):
    with pytest.raises(CampaignError, match="a campaign is a mapping"):
        load(write(folder, text))


def test_no_file(tmp_path):
    with pytest.raises(CampaignError, match="none.yml: No such file or directory; name the campaign's file"):
        load(str(tmp_path / "none.yml"))


URL = "http://localhost:9/root.crt"  # the discard port: nobody listens


def by_url(folder):
    return write(folder, GOOD.replace("file: g2.pem", f"url: {URL}"))


def test_url_without_network_names_url_digest_and_path(folder, monkeypatch):
    monkeypatch.setenv("ROOTWAVE_CACHE", str(folder / "cache"))
    expected = (
        rf"cannot fetch {URL} .*SHA-256 {G2_SHA256} elsewhere and put it, PEM or DER, at {folder}/cache/anchors/{G2_SHA256}.pem"
    )
    with pytest.raises(CampaignError, match=expected):
        load(by_url(folder))


@pytest.mark.parametrize("form", ["pem", "der"])
def test_url_from_the_place_that_the_message_names(folder, monkeypatch, form):
    monkeypatch.setenv("ROOTWAVE_CACHE", str(folder / "cache"))
    place = anchors.cache_dir() / f"{G2_SHA256}.pem"
    place.parent.mkdir(parents=True)
    place.write_bytes(G2.encode() if form == "pem" else ssl.PEM_cert_to_DER_cert(G2))
    assert load(by_url(folder))["present"][0]["sha256"] == G2_SHA256


def test_wrong_file_in_the_cache_is_refused(folder, monkeypatch):
    monkeypatch.setenv("ROOTWAVE_CACHE", str(folder / "cache"))
    place = anchors.cache_dir() / f"{G2_SHA256}.pem"
    place.parent.mkdir(parents=True)
    place.write_text(BALTIMORE)
    with pytest.raises(CampaignError, match=f"has SHA-256 {BALTIMORE_SHA256}, not {G2_SHA256}"):
        load(by_url(folder))
