# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults by name reach who they are meant for, and nobody else."""

from __future__ import annotations

import ssl
import subprocess
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from lab.hub import sas
from lab.hub_config import HUB, HUB_GOV, HUB_WEST


@pytest.fixture
def ask(azure):
    """A raw call of the first hub's REST API, past any SDK's own retries."""
    key = azure.config["hubs"][0]["policies"]["iothubowner"]
    signature = sas.sign(HUB, key, 600) + "&skn=iothubowner"

    def call(method: str, path: str, host: str = HUB, **more):
        headers = {"Authorization": signature, **more.pop("headers", {})}
        url = f"https://{host}{path}{'&' if '?' in path else '?'}api-version=2021-04-12"
        return requests.request(method, url, headers=headers, timeout=30, **more)

    return call


@pytest.fixture
def device(azure):
    return azure.device(f"fault-{uuid.uuid4().hex[:8]}")[0]


def test_429_as_the_real_hub_sends_it(azure, ask, device):
    azure.fault("status", status=429, path="^/twins/", count=1)
    answer = ask("GET", f"/twins/{device}")
    assert (answer.status_code, answer.headers["iothub-errorcode"]) == (429, "ThrottlingException")
    assert answer.headers["Connection"] == "close" and "Retry-After" not in answer.headers
    assert "Wait 10 seconds" in answer.json()["Message"]
    assert ask("GET", f"/twins/{device}").status_code == 200


def test_real_quota(azure, ask):
    """Twenty queries a minute on one unit of S1: ten seconds' worth at once, a short queue, then 429."""
    key = azure.config["hubs"][1]["policies"]["service"]
    mine = {"Authorization": sas.sign(HUB_WEST, key, 600) + "&skn=service"}
    query = {"host": HUB_WEST, "json": {"query": "SELECT COUNT() AS n FROM devices"}, "headers": mine}
    with ThreadPoolExecutor(12) as pool:
        codes = list(pool.map(lambda _each: ask("POST", "/devices/query", **query).status_code, range(12)))
    assert set(codes) == {200, 429} and 3 <= codes.count(200) <= 6
    assert azure.ask("throttled")[HUB_WEST] == codes.count(429)
    assert ask("GET", "/twins/nobody", host=HUB_WEST, headers=mine).status_code == 404  # another kind has its own quota


def test_dropped_tcp(azure, ask, device):
    azure.fault("drop-tcp", method="PATCH", count=1)
    with pytest.raises(requests.ConnectionError):
        ask("PATCH", f"/twins/{device}", json={"tags": {}})
    assert ask("PATCH", f"/twins/{device}", json={"tags": {}}).status_code == 200


def test_late_index(azure, ask, device):
    azure.fault("index-lag", seconds=3600)
    ask("GET", f"/twins/{device}")
    ask("PATCH", f"/twins/{device}", json={"tags": {"fresh": True}})
    query = {"query": f"SELECT tags.fresh FROM devices WHERE deviceId = '{device}'"}
    assert ask("POST", "/devices/query", json=query).json() == [{}]
    assert ask("GET", f"/twins/{device}").json()["tags"] == {"fresh": True}
    azure.clear()
    assert ask("POST", "/devices/query", json=query).json() == [{"fresh": True}]


@pytest.mark.parametrize(
    "method, path, more, status",
    [
        ("GET", "/nothing", {}, 404),
        ("POST", "/devices/query", {"data": "{", "headers": {"Content-Type": "application/json"}}, 400),
        ("POST", "/devices/query", {"data": "{}", "headers": {"Content-Type": "text/plain"}}, 400),
        ("POST", "/devices/query", {"json": {"query": "SELECT nonsense"}}, 400),
        ("POST", "/devices/query", {"json": {"query": "x" * 9000}}, 400),
        ("PUT", "/devices/one", {"json": {"deviceId": "two"}}, 400),
        ("DELETE", "/devices/nobody", {}, 404),
        ("POST", "/devices", {"data": b"[" + b" " * 1_100_000 + b"]", "headers": {"Content-Type": "application/json"}}, 413),
    ],
)
def test_bad_requests(ask, method, path, more, status):
    answer = ask(method, path, **more)
    assert answer.status_code == status
    assert answer.json()["Message"].startswith("ErrorCode:")


def test_another_hubs_signature(ask, device):
    assert ask("GET", f"/twins/{device}", host=HUB_GOV).status_code == 401


@pytest.mark.parametrize("fault, offered", [("tls12-only", ssl.TLSVersion.TLSv1_2), ("tls13-only", ssl.TLSVersion.TLSv1_3)])
def test_tls_versions(azure, fault, offered):
    """As openssl sees it, which speaks both."""
    address = azure.where.hubs[HUB]
    try:
        azure.ask("serve", {"hub": HUB, "chain": "v1", "fault": fault})
        for version, flag in ((ssl.TLSVersion.TLSv1_2, "-tls1_2"), (ssl.TLSVersion.TLSv1_3, "-tls1_3")):
            argv = ["openssl", "s_client", "-connect", f"{address}:{azure.where.https}", "-servername", HUB, flag]
            argv += ["-CAfile", str(azure.ca_file), "-verify_return_error", "-brief"]
            done = subprocess.run(argv, check=False, input=b"", capture_output=True)
            assert (done.returncode == 0) is (version is offered), done.stderr.decode()
    finally:
        azure.ask("serve", {"hub": HUB, "chain": "v1"})
