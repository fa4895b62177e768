# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator reads when the hub, Entra ID or ARM will not have them: what failed, on what, what to do, and no secret.

Real ansible runs with -vvvv; test_contract.py has the same errors without Ansible.
"""

from __future__ import annotations

import base64
import json
import os
import time
import uuid
from types import SimpleNamespace

import pytest
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub import errors
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub.connect import connect
from azure.identity import DefaultAzureCredential

from lab import pki
from lab.hub_config import HUB, HUB_GOV, HUB_WEST, connection_string
from tests.hub.ansible_run import module

NOBODY = "11111111-1111-1111-1111-111111111111"
CLOSED = "http://127.0.0.1:1"  # nothing listens there
IOT, ARM = "https://iothubs.azure.net/.default", "https://management.azure.com/.default"
BOTH = pytest.mark.parametrize("implementation", ["sdk", "pipeline"])


@pytest.fixture
def device(azure):
    return azure.device(f"bad-{uuid.uuid4().hex[:8]}")[0]


@pytest.fixture
def run(azure):
    """One module, in the lab's shell changed by ``shell`` (None takes a variable away); ``hidden`` may be shown nowhere."""
    secrets = {azure.environment["AZURE_CLIENT_SECRET"], *azure.config["hubs"][0]["policies"].values()}

    def call(name: str, arguments: dict, shell=None, hidden: str = ""):
        variables = {**azure.environment, **(shell or {})}
        there = {name: value for name, value in variables.items() if value is not None}
        ran = module(SimpleNamespace(environment=there), name, arguments, "-vvvv")
        shown = ran.output + json.dumps(ran.result)
        assert not [secret for secret in {*secrets, hidden} if secret and secret in shown]
        return ran

    return call


@pytest.fixture
def twin(run, device):
    """hub_twin is refused; the message."""

    def refused(shell=None, hidden: str = "", **arguments) -> str:
        ran = run("hub_twin", {"device_id": device, "tags": {"a": 1}, **arguments}, shell, hidden)
        assert ran.code != 0 and not ran.result["changed"], ran.output
        return ran.result["msg"]

    return refused


@pytest.fixture
def tags(azure, run):
    """service_tags is refused by ARM or before; the message."""

    def refused(shell=None, hidden: str = "", **arguments) -> str:
        ran = run("service_tags", {"subscription_id": azure.config["tenant"]["subscription"], **arguments}, shell, hidden)
        assert ran.code != 0 and not ran.result["changed"], ran.output
        return ran.result["msg"]

    return refused


@pytest.fixture
def other_root(tmp_path):
    """A shell that trusts another root than the lab's."""
    path = tmp_path / "other.pem"
    path.write_text(pki.make_root("Another root").pem)
    return {"REQUESTS_CA_BUNDLE": str(path)}


@pytest.fixture
def az(tmp_path):
    """A shell in which only az is logged in, and az has this one token left."""

    def holding(token: str) -> dict:
        answer = {"accessToken": token, "expires_on": int(time.time()) + 3000, "expiresOn": "2099-01-01 00:00:00.000000"}
        (tmp_path / "answer.json").write_text(json.dumps(answer))
        tool = tmp_path / "az"
        tool.write_text(f"#!/bin/sh\ncat '{tmp_path / 'answer.json'}'\n")
        tool.chmod(0o755)
        return {"AZURE_TOKEN_CREDENTIALS": "AzureCliCredential", "PATH": f"{tmp_path}:{os.environ['PATH']}"}

    return holding


def told(message: str, *words: str) -> None:
    assert not [word for word in words if word not in message], message


@BOTH
def test_wrong_key(azure, twin, device, implementation):
    wrong = base64.b64encode(os.urandom(32)).decode()
    text = azure.connection_string.rpartition("SharedAccessKey=")[0] + f"SharedAccessKey={wrong}"
    message = twin(connection_string=text, implementation=implementation, hidden=wrong)
    told(message, device, HUB, "401", "none of this hub's policies", "check the policy's key and rights", "clock")


def test_a_policy_that_may_not(azure, twin):
    message = twin(connection_string=connection_string(azure.config, policy="registryRead"))
    told(message, "policy registryRead may not GET /twins/", "rights")


def test_options_that_cannot_be(azure, twin):
    told(twin(connection_string=azure.connection_string[:-5]), "not base64", "cut off", "nothing was sent")
    told(twin(hub=HUB_WEST, connection_string=azure.connection_string), HUB, f"not for {HUB_WEST}", "nothing was sent")
    told(twin(hub=HUB, cloud="usgov"), f"{HUB} belongs to the public cloud", "not to usgov", "nothing was sent")


@pytest.mark.parametrize(
    "shell, words",
    [
        ({"AZURE_TENANT_ID": NOBODY}, ("tenant name", NOBODY, "check AZURE_TENANT_ID")),
        ({"AZURE_TENANT_ID": "no tenant!"}, ("Invalid tenant ID", "nothing was sent")),
        ({"AZURE_CLIENT_ID": NOBODY}, ("AADSTS700016", "check AZURE_CLIENT_ID")),
        ({"AZURE_CLIENT_SECRET": "wr0ng-but-secret"}, ("AADSTS7000215", "set AZURE_CLIENT_SECRET", "not to its id")),
        (
            {"AZURE_CLIENT_SECRET": None, "AZURE_POD_IDENTITY_AUTHORITY_HOST": CLOSED},
            ("neither environment, workload identity, managed identity nor az login", "run az login"),
        ),
        ({"HTTPS_PROXY": CLOSED}, ("the proxy does not answer", "check HTTPS_PROXY")),
    ],
    ids=["tenant", "no-tenant", "client", "secret", "nobody", "proxy"],
)
def test_no_token(twin, shell, words):
    told(twin(shell, hub=HUB, hidden="wr0ng-but-secret"), "no token from Microsoft Entra ID", *words)


def test_no_token_for_arm(tags, other_root):
    message = tags({"AZURE_CLIENT_SECRET": "wr0ng-but-secret"}, hidden="wr0ng-but-secret")
    told(message, "no token from Microsoft Entra ID", "https://management.azure.com", "AADSTS7000215", "AZURE_CLIENT_SECRET")
    told(tags(other_root), "login.microsoftonline.com", "not trusted here", other_root["REQUESTS_CA_BUNDLE"])
    told(tags(cloud="usgov"), "login.microsoftonline.us", "management.usgovcloudapi.net", "proxy refuses this name")


def test_the_hubs_cloud_is_another_than_the_logins(twin):
    told(twin(hub=HUB_GOV), "login.microsoftonline.us", "https://iothubs.azure.us", "proxy refuses this name")


@BOTH
def test_expired_token(azure, run, twin, device, az, implementation):
    """As az or a broken clock leaves one behind; the same way in is good until then."""
    token = DefaultAzureCredential().get_token(IOT).token
    arguments = {"hub": HUB, "implementation": implementation}
    assert run("hub_twin", {"device_id": device, "tags": {"b": 1}, **arguments}, az(token), token).result["changed"]
    azure.ask("expire_tokens", {})
    told(twin(az(token), token, **arguments), device, HUB, "401", "the token is expired", "clock")


@BOTH
def test_a_token_that_expires_in_the_middle(azure, device, implementation):
    """Of a long run of calls: the call that meets it says so, and a new start is well again."""
    options = {"hub": HUB, "implementation": implementation, "sku": "S1", "units": 20, "timeout": 30, "time_budget": 60}
    port = connect(options)
    assert port.patch_twin(device, {"tags": {"n": 1}})["tags"] == {"n": 1}
    azure.ask("expire_tokens", {})
    with pytest.raises(errors.HubAuthError, match="the token is expired") as caught:
        port.patch_twin(device, {"tags": {"n": 2}})
    assert (caught.value.status, caught.value.code) == (401, "IotHubUnauthorizedAccess") and "clock" in caught.value.advice
    assert connect(options).get_twin(device)["tags"] == {"n": 1}


def test_expired_token_for_arm(azure, run, tags, az):
    token = DefaultAzureCredential().get_token(ARM).token
    subscription = azure.config["tenant"]["subscription"]
    assert run("service_tags", {"subscription_id": subscription}, az(token), token).code == 0
    azure.ask("expire_tokens", {})
    told(tags(az(token), token), "management.azure.com", "401", "the token is expired", "another service or cloud, or expired")


@BOTH
def test_a_token_for_another_audience(twin, az, implementation):
    token = DefaultAzureCredential().get_token(ARM).token
    message = twin(az(token), token, hub=HUB, implementation=implementation)
    told(message, HUB, "401", "audience is https://management.azure.com, not https://iothubs.azure.net", "of this cloud")


def test_a_token_for_another_audience_than_arm(tags, az):
    token = DefaultAzureCredential().get_token(IOT).token
    told(
        tags(az(token), token), "management.azure.com", "401", "audience is https://iothubs.azure.net", "another service or cloud"
    )


@BOTH
def test_our_own_trust_store(azure, twin, other_root, implementation):
    """The root is missing here, not there; then there is no such file at all."""
    arguments = {"connection_string": azure.connection_string, "implementation": implementation}
    path = other_root["REQUESTS_CA_BUNDLE"]
    told(twin(other_root, **arguments), HUB, "not trusted here", "this control node's own bundle", path, "REQUESTS_CA_BUNDLE")
    told(twin({"REQUESTS_CA_BUNDLE": path + ".gone"}, **arguments), f"bundle {path}.gone cannot be read", "REQUESTS_CA_BUNDLE")


@pytest.mark.parametrize("chain, words", [("wrong-name", "for another name"), ("expired", "certificate is expired")])
@BOTH
def test_the_hubs_own_certificate(azure, twin, chain, words, implementation):
    """Nothing that this machine's bundle could mend, so the bundle is not named."""
    try:
        azure.ask("serve", {"hub": HUB, "chain": chain})
        message = twin(connection_string=azure.connection_string, implementation=implementation)
    finally:
        azure.ask("serve", {"hub": HUB, "chain": "v1"})
    told(message, HUB, words)
    assert "bundle" not in message


def test_a_hub_that_does_not_exist(azure, twin):
    name = "no-such-hub.azure-devices.net"
    told(twin(hub=name), name, "proxy refuses this name", "check the name")
    elsewhere = azure.connection_string.replace(HUB, name)
    told(twin(connection_string=elsewhere), name, "proxy refuses this name")
    told(twin(hub="no-such-hub.example"), "no-such-hub.example", "is no IoT hub's host name", "nothing was sent")
