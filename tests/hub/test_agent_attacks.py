# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent's session with somebody in the way: on the network, beside it in the twin, and with its own identity."""

from __future__ import annotations

import pytest
from ansible_collections.rootwave.iot.plugins.plugin_utils import twin_limits
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub.connect import connect

from agent import build
from lab import pki
from lab.hub_config import HUB
from tests.hub.test_agent_session import Agent, wait_until

FULL = {f"theirs{number}": "x" * 4000 for number in range(7)}  # 28 of the 32 KB that a twin's properties may have


@pytest.fixture(scope="session")
def package(tmp_path_factory):
    return build.build(tmp_path_factory.mktemp("package"))


@pytest.fixture
def agent(azure, package, tmp_path):
    options = {"sku": "S1", "units": 20, "timeout": 30, "time_budget": 60, "implementation": "pipeline"}
    made = Agent(azure, connect({**options, "connection_string": azure.connection_string}), package, tmp_path)
    yield made
    made.stop()


@pytest.fixture
def serves(azure):
    """serves(chain): what everybody at the hub's address gets to see."""
    yield lambda chain: azure.ask("serve", {"hub": HUB, "chain": chain})
    azure.ask("serve", {"hub": HUB, "chain": "v1"})


@pytest.mark.parametrize(
    "chain, words", [("wrong-name", "Hostname mismatch"), ("expired", "expired"), ("leaf-only", "unable to get local issuer")]
)
def test_who_is_not_the_hub_gets_no_session(agent, serves, chain, words):
    """By a root that is trusted: a certificate of another name, one that is over, one without its issuer."""
    serves(chain)
    agent.start()
    agent.wait_connected(False)
    assert "not trusted" in agent.status()["reason"] and words in agent.status()["reason"]
    serves("v1")
    agent.wait_for("stage", "proved", agent.order())


def test_the_environment_has_no_say_in_trust(agent, azure):
    """Its store holds a stranger's root; that SSL_CERT_FILE names the hub's own does not help whoever sets it."""
    good = agent.roots.read_bytes()
    agent.roots.write_text(pki.make_root("A stranger").pem)
    agent.environment = {"SSL_CERT_FILE": str(azure.ca_file), "SSL_CERT_DIR": str(azure.ca_file.parent)}
    agent.start()
    agent.wait_connected(False)
    assert "not trusted" in agent.status()["reason"]
    agent.roots.write_bytes(good)
    agent.wait_connected()


@pytest.mark.parametrize("reported", [{"theirs": {"deep": [1, {"a": "b"}]}}, FULL], ids=["some", "nearly all"])
def test_foreign_properties_beside_ours(agent, azure, reported):
    """A twin near its 32 KB both ways: the order is heard, the answer is given, and what is others' stays as it is."""
    azure.seed({f"{agent.device}/rootwave": {**agent.authentication, "reported": reported, "desired": dict(FULL)}})
    agent.start()
    agent.wait_for("stage", "proved", agent.order())
    agent.wait_for("retire", "proved", agent.order("retire"))
    twin = agent.service.get_twin(agent.device, "rootwave")["properties"]
    assert {name: value for name, value in twin["reported"].items() if name[0] != "$" and name != "rootwave"} == reported
    assert {name: value for name, value in twin["desired"].items() if name[0] != "$" and name != "rootwave"} == FULL


def test_an_answer_for_which_the_twin_has_no_room(agent, azure):
    """Others filled its reported properties to the brim. It works on, connected, and waits with its answer."""
    brim = {**FULL, "theirs7": "x" * 4000, "z": ""}
    brim["z"] = "x" * (32768 - twin_limits.size(brim))
    azure.seed({f"{agent.device}/rootwave": {**agent.authentication, "reported": brim}})
    agent.start()
    agent.wait_connected()
    agent.order()
    wait_until(agent.jobs, "the job", agent)
    agent.send({"retire": {"id": "later", "go": 1}})
    wait_until(lambda: len(agent.jobs()) == 2, "the next job", agent)
    assert agent.answer() == {} and agent.status()["connected"] and agent.process.poll() is None
    reported = agent.service.get_twin(agent.device, "rootwave")["properties"]["reported"]
    assert {name: value for name, value in reported.items() if name[0] != "$"} == brim
