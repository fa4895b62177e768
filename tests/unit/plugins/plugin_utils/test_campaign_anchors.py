# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Anchors by URL, from a server on this machine: fetched once, verified, kept where that is possible."""

from __future__ import annotations

import contextlib
import http.server
import itertools
import ssl
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.rootwave.iot.plugins.plugin_utils import anchor_fetch, anchors
from ansible_collections.rootwave.iot.plugins.plugin_utils.anchors import AnchorError, anchor_pem
from ansible_collections.rootwave.iot.plugins.plugin_utils.campaign import CampaignError, load

CAMPAIGNS = Path(__file__).resolve().parents[4] / "campaigns"
G2 = (CAMPAIGNS / "anchors" / "digicert-global-root-g2.pem").read_text()
G2_SHA256 = "cb3ccbb76031e5e0138f8dd39a23f9de47ffc35e43c1144cea27d46a5ab1cb5f"
BALTIMORE = (CAMPAIGNS / "anchors" / "baltimore-cybertrust-root.pem").read_text()
BALTIMORE_SHA256 = "16af57a9f676b0ab126095aa5ebadef22ab31119d644ac95cd4b93dbf3f26aeb"
SERVED = {
    "/g2.crt": ssl.PEM_cert_to_DER_cert(G2),
    "/g2.pem": G2.encode(),
    "/baltimore.crt": ssl.PEM_cert_to_DER_cert(BALTIMORE),
    "/page": b"<html>Please log in to this network</html>",
    "/long": b"x" * (anchors.BYTES_MOST + 1),
}


class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = SERVED.get(self.path, b"nothing here")
        self.send_response(200 if self.path in SERVED else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(OSError):  # who reads a limited number of bytes hangs up early
            self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    """(base URL, a function that ends the server)"""
    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()

    def end():
        listening.shutdown()
        thread.join()
        listening.server_close()

    with contextlib.ExitStack() as stack:
        stack.callback(lambda: thread.is_alive() and end())
        yield f"http://127.0.0.1:{listening.server_port}", end


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ROOTWAVE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    return tmp_path / "cache" / "anchors"


def fetch(url: str) -> str:
    return anchor_pem({"name": "g2", "sha256": G2_SHA256, "url": url}, Path("/nowhere"))


def kept(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.glob("*"))


@pytest.mark.parametrize("path", ["/g2.crt", "/g2.pem"])
def test_fetched_once_then_kept(server, cache, path):
    base, end = server
    first = fetch(base + path)
    assert ssl.PEM_cert_to_DER_cert(first) == SERVED["/g2.crt"]
    assert kept(cache) == [f"{G2_SHA256}.pem"]
    end()
    assert fetch(base + path) == first


def test_not_kept_means_that_the_server_is_asked(server, cache):
    """The twin of the one above: without the kept file nothing answers any more."""
    base, end = server
    fetch(base + "/g2.crt")
    end()
    (cache / f"{G2_SHA256}.pem").unlink()
    with pytest.raises(AnchorError, match="cannot fetch"):
        fetch(base + "/g2.crt")


@pytest.mark.parametrize(
    "path, complaint",
    [
        ("/baltimore.crt", rf"in {{url}} .*Baltimore.* has SHA-256 {BALTIMORE_SHA256}, not {G2_SHA256}"),
        ("/page", rf"^{{url}}: expected one PEM certificate, found 0 \(SHA-256 {G2_SHA256} was wanted\)"),
        ("/long", r"^{url} is longer than 16384 bytes"),
        ("/none", rf"cannot fetch {{url}} \(.*404.*SHA-256 {G2_SHA256} elsewhere and put it, PEM or DER, at {{cache}}"),
    ],
)
def test_wrong_answers_are_refused_and_not_kept(server, cache, path, complaint):
    base, _end = server
    with pytest.raises(AnchorError, match=complaint.format(url=base + path, cache=cache)):
        fetch(base + path)
    assert kept(cache) == []


def test_no_http_at_all(server):
    """A URL that nothing can be fetched from is the anchor's trouble too, not a traceback."""
    with pytest.raises(AnchorError, match="cannot fetch nonsense"):
        fetch("nonsense")


def test_a_cache_that_cannot_be_written(server, cache):
    cache.parent.write_text("a file where the folder should be")
    assert ssl.PEM_cert_to_DER_cert(fetch(server[0] + "/g2.crt")) == SERVED["/g2.crt"]


def test_no_file_can_take_the_kept_ones_place(server, cache):
    """A folder of that name: os.replace fails after the draft was written, and the draft goes too."""
    (cache / f"{G2_SHA256}.pem").mkdir(parents=True)
    fetch(server[0] + "/g2.crt")
    assert kept(cache) == [f"{G2_SHA256}.pem"]


def test_no_home_means_below_the_temporary_folder(server, tmp_path, monkeypatch):
    """AWX may run under a user id that has no home."""
    monkeypatch.delenv("ROOTWAVE_CACHE")
    monkeypatch.setattr(anchors.os.path, "expanduser", lambda path: path)
    monkeypatch.setattr(anchors.tempfile, "gettempdir", lambda: str(tmp_path / "temporary"))
    assert ssl.PEM_cert_to_DER_cert(fetch(server[0] + "/g2.crt")) == SERVED["/g2.crt"]
    assert kept(tmp_path / "temporary" / "rootwave" / "anchors") == [f"{G2_SHA256}.pem"]


@pytest.mark.parametrize("seconds, in_time", [(anchor_fetch.FETCH_TIMEOUT - 1, True), (anchor_fetch.FETCH_TIMEOUT + 1, False)])
def test_a_server_that_drips_is_left(server, monkeypatch, seconds, in_time):
    """Each piece would be in time for the socket's timeout; the clock, not the socket, ends the whole."""
    clock = itertools.chain([0], itertools.repeat(seconds))
    monkeypatch.setattr(anchor_fetch, "time", SimpleNamespace(monotonic=clock.__next__))
    with contextlib.nullcontext() if in_time else pytest.raises(AnchorError, match="not complete within 20 s"):
        fetch(server[0] + "/g2.crt")


@pytest.mark.parametrize(
    "content, complaint",
    [
        (BALTIMORE, rf"in {{place}} .*SHA-256 {BALTIMORE_SHA256}, not {G2_SHA256}"),
        (G2[:500], r"^{place}: expected one PEM certificate, found 0"),
        ("", r"^{place}: expected one PEM certificate, found 0"),
    ],
)
def test_a_damaged_kept_file_is_blamed_and_deleting_it_helps(server, cache, content, complaint):
    url, place = server[0] + "/g2.crt", cache / f"{G2_SHA256}.pem"
    cache.mkdir(parents=True)
    place.write_text(content)
    with pytest.raises(AnchorError, match=complaint.format(place=place) + rf".*kept copy of {url}: delete it"):
        fetch(url)
    place.unlink()
    assert ssl.PEM_cert_to_DER_cert(fetch(url)) == SERVED["/g2.crt"]


def test_a_file_that_was_read_is_named_by_its_whole_path(tmp_path):
    (tmp_path / "anchors").mkdir()
    (tmp_path / "anchors" / "g2.pem").write_text(BALTIMORE)
    with pytest.raises(AnchorError, match=rf"in {tmp_path}/anchors/g2.pem .*has SHA-256 {BALTIMORE_SHA256}"):
        anchor_pem({"name": "g2", "sha256": G2_SHA256, "file": "anchors/g2.pem"}, tmp_path)


def test_the_campaign_adds_file_key_and_line(server, tmp_path):
    path = tmp_path / "campaign.yml"
    anchor = f"{{name: g2, sha256: {G2_SHA256}, url: {server[0]}/%s}}"
    text = f"name: test\nwaves: [canary]\nanchors:\n  absent: []\n  present:\n    - {anchor}\n"
    path.write_text(text % "none")
    with pytest.raises(CampaignError, match=rf"{path}:6: anchors.present.0: g2: cannot fetch {server[0]}/none"):
        load(str(path))
    path.write_text(text % "g2.crt")
    assert load(str(path))["present"][0]["sha256"] == G2_SHA256
