# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The campaign that comes with the collection. One of its anchors is fetched; here nothing is, so it is kept or it is named."""

from __future__ import annotations

import hashlib
import ssl
from pathlib import Path

import pytest
import yaml
from ansible.module_utils import urls
from ansible_collections.rootwave.iot.plugins.plugin_utils.campaign import CampaignError, load

from lab import pki

ROOT = Path(__file__).resolve().parents[4]
BUNDLED = ROOT / "campaigns" / "baltimore-to-digicert-g2.yml"
FETCHED = ROOT.parent / "shared" / "data" / "certs" / "microsoft_tls_rsa_root_g2.pem"  # not everybody has it
URL = "http://www.microsoft.com/pkiops/certs/Microsoft%20TLS%20RSA%20Root%20G2.crt"
SHA256 = "6a170583db584151e1c454eeca2a64cc5d8e484a5bd1156e720b4458654ee9e5"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache and no network."""

    def refuse(url, **options):
        raise OSError("no network in this test")

    monkeypatch.setenv("ROOTWAVE_CACHE", str(tmp_path))
    monkeypatch.setattr(urls, "open_url", refuse)
    return tmp_path / "anchors"


def test_without_network_it_names_url_digest_and_place(cache):
    with pytest.raises(CampaignError) as caught:
        load(str(BUNDLED))
    message = str(caught.value)
    assert f"{BUNDLED}:" in message and "microsoft-tls-rsa-root-g2" in message
    assert all(part in message for part in (URL, SHA256, f"put it, PEM or DER, at {cache}/{SHA256}.pem"))


def elsewhere(folder, anchors_of):
    """The bundled campaign in another folder, its anchors changed by ``anchors_of``; its own files are still found."""
    document = yaml.safe_load(BUNDLED.read_text())
    anchors_of(document["anchors"])
    for anchor in document["anchors"]["present"] + document["anchors"]["absent"]:
        if "file" in anchor:
            anchor["file"] = str(BUNDLED.parent / anchor["file"])
    path = folder / "campaign.yml"
    path.write_text(yaml.safe_dump(document))
    return load(str(path))


# No package ships the real root, so it is not committed; where it lies beside the project its digest is checked as well
@pytest.mark.parametrize("real", [False, True] if FETCHED.exists() else [False])
def test_with_the_file_where_the_message_says_it_loads(cache, tmp_path, real):
    text = FETCHED.read_text() if real else pki.create(tmp_path / "lab")["lab-ms-tls-g2"].pem
    digest = SHA256 if real else hashlib.sha256(ssl.PEM_cert_to_DER_cert(text)).hexdigest()
    cache.mkdir()
    (cache / f"{digest}.pem").write_text(text)

    def expect(anchors):
        (fetched,) = [anchor for anchor in anchors["present"] if "url" in anchor]
        fetched["sha256"] = digest

    campaign = load(str(BUNDLED)) if real else elsewhere(tmp_path, expect)
    assert [anchor["name"] for anchor in campaign["present"]] == [
        "digicert-global-root-g2",
        "microsoft-rsa-root-ca-2017",
        "microsoft-tls-rsa-root-g2",
    ]
    assert [anchor["name"] for anchor in campaign["absent"]] == ["baltimore-cybertrust-root"]
    for anchor in campaign["present"] + campaign["absent"]:
        assert hashlib.sha256(ssl.PEM_cert_to_DER_cert(anchor["pem"])).hexdigest() == anchor["sha256"]


def test_all_but_the_fetched_anchor_load_everywhere(tmp_path):
    """The twin that needs neither network nor that file."""

    def leave_out(anchors):
        anchors["present"] = [anchor for anchor in anchors["present"] if "url" not in anchor]

    assert len(elsewhere(tmp_path, leave_out)["present"]) == 2
