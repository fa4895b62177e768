# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module hub_info in real ansible runs, and the gate that asks it; openssl says what the lab serves."""

from __future__ import annotations

import json
import subprocess
from types import SimpleNamespace

import pytest
import yaml
from azure.iot.device import ProvisioningDeviceClient, ProxyOptions

from lab import pki
from lab.config import ROOT
from lab.hub_config import DPS_HOST, HUB, HUB_GOV, HUB_WEST
from tests.hub.ansible_run import PLAYBOOK, module, run
from tests.hub.lab_hub import LabHub

SCOPE, DEVICE, THEIRS = "0ne00CENTR1", "central-device", "their-hub.azure-devices.net"
PRIVATE = [{"name": "inside", "dns": [{"fqdn": HUB, "ipAddresses": ["fd00::4", "10.0.0.4"]}]}]


@pytest.fixture(scope="module")
def estate(tmp_path_factory):
    """The west hub is one that IoT Central hides; DPS leads to a hub of somebody else too."""
    hub = LabHub(tmp_path_factory.mktemp("estate"))

    def change(config):
        config["hubs"][0].update(private_endpoints=PRIVATE, root_certificate_v2=True)
        config["hubs"][1]["hidden"] = True
        config["central"][0].update(id_scope=SCOPE, enrollments={DEVICE: config["secrets"]["enrollment"]})
        config["dps"]["foreign_hubs"] = [THEIRS]

    hub.rewrite(change)
    hub.start()
    yield hub
    hub.stop()


@pytest.fixture
def azure(estate):
    estate.clear()
    for name in (HUB, DPS_HOST):
        estate.ask("serve", {"hub": name, "chain": "v1"})
    return estate


@pytest.fixture
def campaign(azure, tmp_path):
    """Lab Baltimore goes, lab G2 stays; a file as an operator has it, and loaded as the lookup loads it."""
    anchors = {"present": [], "absent": []}
    for name, side in (("lab-g2", "present"), ("lab-baltimore", "absent")):
        text = (azure.folder / "pki" / f"{name}.pem").read_text()
        (tmp_path / f"{name}.pem").write_text(text)
        sha256 = pki.create(azure.folder)[name].sha256
        anchors[side].append({"name": name, "sha256": sha256, "file": f"{name}.pem"})
    path = tmp_path / "campaign.yml"
    document = {"name": "lab", "anchors": anchors, "waves": ["fleet"]}
    document["safe_after"] = {"date": "2024-09-30", "source": "lab"}
    path.write_text(yaml.safe_dump(document))
    return path


def asked(azure, campaign=None, *flags, **arguments):
    given = {"subscriptions": [azure.config["tenant"]["subscription"]], **arguments}
    if campaign:
        given["campaign"] = f"{{{{ lookup('rootwave.iot.campaign', '{campaign}') }}}}"
    return module(azure, "hub_info", given, *flags)


def registration(azure, **changes):
    key = azure.config["secrets"]["enrollment"]
    return {"id_scope": SCOPE, "registration_id": DEVICE, "key": key, "application": "lab-central", **changes}


def register(azure):
    """As the device itself does, with the vendor's SDK over MQTT."""
    client = ProvisioningDeviceClient.create_from_symmetric_key(
        DPS_HOST,
        DEVICE,
        SCOPE,
        azure.config["secrets"]["enrollment"],
        proxy_options=ProxyOptions("HTTP", *azure.proxy),
        server_verification_cert=azure.ca_file.read_text(),
    )
    return client.register().registration_state.assigned_hub


def ends_at(address: str, port: int, name: str, root: str) -> bool:
    """What openssl says: does this one root verify what is served there?"""
    argv = ["openssl", "s_client", "-connect", f"{address}:{port}", "-servername", name, "-verify_hostname", name]
    argv += ["-CAfile", root, "-no-CApath", "-no-CAstore", "-verify_return_error", "-brief"]
    return subprocess.run(argv, check=False, input=b"", capture_output=True).returncode == 0


def test_hubs_and_endpoints(azure):
    found = asked(azure, probe=False).result
    hubs = {hub["host"]: hub for hub in found["hubs"]}
    assert set(hubs) == {HUB, HUB_GOV, THEIRS}
    mine = hubs[HUB]
    assert (mine["affected"], mine["min_tls_version"], mine["root_flag"], mine["paired_region"]) == (True, "1.2", "v2", "westus")
    assert mine["host_names"]["device"] == "lab-hub.device.azure-devices.net"
    assert mine["private_endpoints"] == [{"name": "inside", "state": "Approved", "addresses": ["10.0.0.4", "fd00::4"]}]
    assert mine["known_from"] == ["subscription", "provisioning service lab-dps"]
    assert hubs[THEIRS]["known_from"] == ["provisioning service lab-dps"]
    assert not hubs[HUB_GOV]["affected"] and "usgov" in hubs[HUB_GOV]["reason"]
    assert {one["host"] for one in found["endpoints"]} == {HUB, THEIRS, DPS_HOST}
    assert {(one["host"], one["port"]) for one in found["endpoints"] if one["role"] == "dps"} == {
        (DPS_HOST, 8883),
        (DPS_HOST, 443),
    }
    assert found["served"] == [] and not found["changed"]


def test_a_campaign_for_the_sovereign_cloud(azure, campaign):
    document = yaml.safe_load(campaign.read_text())
    campaign.write_text(yaml.safe_dump({**document, "clouds": ["usgov"]}))
    hubs = {hub["host"]: hub["affected"] for hub in asked(azure, campaign, probe=False).result["hubs"]}
    assert hubs == {HUB: False, HUB_GOV: True, THEIRS: False}


def test_names_that_become_endpoints(azure):
    found = asked(azure, probe=False, host_names=["device", "service"], ports=[443]).result["endpoints"]
    mine = [one["host"] for one in found if one["host"].startswith("lab-hub")]
    assert mine == ["lab-hub.device.azure-devices.net", "lab-hub.service.azure-devices.net"]


def test_the_chain_that_is_served_now(azure, campaign):
    """Before and after the move, each front end, each root; openssl agrees."""
    address, port = azure.where.hubs[HUB], azure.where.mqtt
    for chain, verified in (("v1", "lab-baltimore"), ("v2", "lab-g2")):
        azure.ask("serve", {"hub": HUB, "chain": chain})
        found = asked(azure, campaign, ports=[port], resolve={HUB: [address]}).result
        (one,) = [one for one in found["served"] if one["host"] == HUB]
        assert (one["address"], one["reached"], one["verified_by"]) == (address, True, [verified])
        assert one["chain"][0]["subject"].startswith("CN=*.azure-devices.net")
        assert one["roots"][verified]["stage"] == "ok"
        for root in ("lab-baltimore", "lab-g2"):
            assert ends_at(address, port, HUB, str(azure.folder / "pki" / f"{root}.pem")) is (root == verified)
            assert (one["roots"][root]["stage"] == "ok") is (root == verified)


def test_through_the_proxy(azure, campaign):
    found = asked(azure, campaign).result
    mine = [one for one in found["served"] if one["host"] in (HUB, DPS_HOST)]
    assert [(one["port"], one["verified_by"]) for one in mine] == [(8883, ["lab-baltimore"]), (443, ["lab-baltimore"])] * 2
    assert all(one["address"] is None and one["proxy"] for one in mine)
    unseen = {one["about"] for one in found["missing_evidence"] if one["evidence"] == "served-chain"}
    assert unseen == {f"{THEIRS}:8883", f"{THEIRS}:443"}  # the proxy does not lead there
    behind = {one["about"] for one in found["missing_evidence"] if one["evidence"] == "front-ends"}
    assert behind == {f"{name}:{port}" for name in (HUB, DPS_HOST) for port in (8883, 443)}


def test_front_ends_that_differ(azure, campaign):
    first, port = azure.where.hubs[HUB], azure.where.mqtt
    second = first.rpartition(".")[0] + "." + str(int(first.rpartition(".")[2]) + 5)
    azure.ask("serve", {"hub": HUB, "chain": "v1", "address": first})
    azure.ask("serve", {"hub": HUB, "chain": "v2", "address": second})
    try:
        found = asked(azure, campaign, ports=[port], resolve={HUB: [first, second]}).result
        addresses = {first: ["lab-baltimore"], second: ["lab-g2"]}
        assert found["differing"] == [{"host": HUB, "port": port, "addresses": addresses}]
        azure.ask("serve", {"hub": HUB, "chain": "v2", "address": first})
        assert asked(azure, campaign, ports=[port], resolve={HUB: [first, second]}).result["differing"] == []
    finally:
        azure.ask("cutover", {"hub": HUB, "chain": "v1", "listen": [first]})


@pytest.mark.parametrize("chain", ["wrong-name", "expired"])
def test_a_chain_that_nobody_can_verify(azure, campaign, chain):
    azure.ask("serve", {"hub": HUB, "chain": chain})
    found = asked(azure, campaign, ports=[azure.where.mqtt], resolve={HUB: [azure.where.hubs[HUB]]}).result
    (one,) = [one for one in found["served"] if one["host"] == HUB]
    assert one["reached"] and one["verified_by"] == []
    assert one["roots"]["lab-g2"]["stage"] == {"wrong-name": "tls-name", "expired": "tls-expired"}[chain]


def test_a_hub_that_iot_central_hides(azure):
    """Without the registration it is missing evidence, with it the hub is known; DPS told the vendor's SDK the same."""
    blind = asked(azure, probe=False).result
    assert hidden(blind) == ["lab-central"]
    assert HUB_WEST not in {hub["host"] for hub in blind["hubs"]}
    assert register(azure) == HUB_WEST
    found = asked(azure, probe=False, registrations=[registration(azure)])
    assert found.result["registrations"][0]["assigned_hub"] == HUB_WEST, found.output
    hubs = {hub["host"]: hub for hub in found.result["hubs"]}
    assert hubs[HUB_WEST]["known_from"] == [f"registration {DEVICE}"] and hubs[HUB_WEST]["affected"]
    assert HUB_WEST in {one["host"] for one in found.result["endpoints"]}
    assert hidden(found.result) == []


def hidden(result):
    return [one["about"] for one in result["missing_evidence"] if one["evidence"] == "hidden-hubs"]


def test_nothing_looked_at_is_missing_evidence(azure):
    found = asked(azure, probe=False).result
    unseen = [one["about"] for one in found["missing_evidence"] if one["evidence"] == "served-chain"]
    assert set(unseen) == {HUB, THEIRS, DPS_HOST}
    assert "ports and host_names" in asked(azure, ports=[]).result["msg"]


def test_no_proxy(azure, campaign):
    """What NO_PROXY lists is asked without it, and nobody but the proxy knows these names here."""
    run = {**azure.environment, "NO_PROXY": ".azure-devices.net"}
    found = asked(SimpleNamespace(environment=run, config=azure.config), campaign).result
    through = {one["host"]: one["proxy"] for one in found["served"]}
    assert through[HUB] is None and through[DPS_HOST] == azure.environment["HTTPS_PROXY"]


def test_registrations_that_dps_refuses(azure):
    wrong = asked(azure, probe=False, registrations=[registration(azure, key="d3Jvbmc=")])
    assert wrong.code != 0 and wrong.result["status"] == 401 and DEVICE in wrong.result["msg"]
    unknown = asked(azure, probe=False, registrations=[registration(azure, registration_id="nobody")])
    assert unknown.code != 0 and unknown.result["status"] == 404
    assert "no id scope" in asked(azure, probe=False, registrations=[registration(azure, id_scope="../x")]).result["msg"]


def test_the_key_is_shown_nowhere(azure):
    ran = asked(azure, None, "-vvvv", probe=False, registrations=[registration(azure)])
    assert ran.code == 0 and azure.config["secrets"]["enrollment"] not in ran.output
    assert azure.environment["AZURE_CLIENT_SECRET"] not in ran.output


def test_what_cannot_be_asked(azure):
    other = asked(azure, subscriptions=["33333333-3333-3333-3333-333333333333"])
    assert other.code != 0 and other.result["error_code"] == "SubscriptionNotFound" and "role" in other.result["msg"]
    wrong = asked(azure, proxy="http://user:secret@127.0.0.1:1")
    assert wrong.code != 0 and "secret" not in wrong.result["msg"] and "probe to false" in wrong.result["msg"]
    assert "is no address" in asked(azure, resolve={HUB: ["nonsense"]}).result["msg"]


class Gate:
    """retire_campaign.yml over gateways that nobody can reach: what happens at the gate happens before they are tried."""

    def __init__(self, azure, campaign, folder):
        self.azure, self.campaign, self.folder = azure, campaign, folder
        address, port = azure.where.hubs[HUB], azure.where.mqtt
        asked_of = {"subscriptions": [azure.config["tenant"]["subscription"]], "ports": [port]}
        self.asked_of = {
            **asked_of,
            "resolve": {HUB: [address], DPS_HOST: [azure.where.dps], HUB_WEST: [azure.where.hubs[HUB_WEST]]},
        }
        self.asked_of["registrations"] = [registration(azure)]

    def accept(self, *findings):
        document = yaml.safe_load(self.campaign.read_text())
        document["accept"] = [{"finding": one, "reason": "a test"} for one in findings]
        self.campaign.write_text(yaml.safe_dump(document))

    def run(self, *hosts, **changes):
        endpoints = [{"host": host, "port": 8883} for host in hosts]
        variables = {"ansible_host": "127.0.0.1", "ansible_port": 9, "rootwave_endpoints": endpoints}
        fleet = {"hosts": {"gw-1": variables, "gw-2": {**variables, "rootwave_endpoints": []}}}
        everyone = {"rootwave_azure": {**self.asked_of, **changes}}
        path = self.folder / "hosts.yml"
        path.write_text(json.dumps({"all": {"vars": everyone, "children": {"fleet": fleet}}}))
        argv = [PLAYBOOK, ROOT / "playbooks/retire_campaign.yml", "-i", path, "-e", f"rootwave_campaign={self.campaign}"]
        done = run(argv, self.azure.environment)
        return done.stdout + done.stderr


@pytest.fixture
def gate(azure, campaign, tmp_path):
    register(azure)
    for name in (HUB, HUB_WEST, DPS_HOST):
        azure.ask("serve", {"hub": name, "chain": "v2"})
    made = Gate(azure, campaign, tmp_path)
    made.accept(f"unlisted-endpoint:{THEIRS}")
    yield made
    azure.ask("serve", {"hub": HUB_WEST, "chain": "v1"})


def test_gate_opens_when_every_hub_is_named(gate):
    output = gate.run(HUB, HUB_WEST, DPS_HOST)
    assert "gate: open" in output and output.count("UNREACHABLE!") == 2, output


def test_gate_stays_shut(gate):
    """One thing amiss at a time; no gateway is tried."""
    cases = [
        ((HUB, DPS_HOST), {}, f"unlisted-endpoint:{HUB_WEST}"),  # IoT Central's, known by its registration
        ((HUB, HUB_WEST), {}, f"unlisted-endpoint:{DPS_HOST}"),
        ((HUB, HUB_WEST, DPS_HOST), {"registrations": []}, "hidden-hubs:lab-central"),
        ((HUB, HUB_WEST, DPS_HOST), {"ports": []}, "ports and host_names"),
        ((HUB, HUB_WEST, DPS_HOST), {"resolve": {}, "ports": [8883]}, f"front-ends:{HUB}:8883"),
        (("lab-hub.device.azure-devices.net", HUB_WEST, DPS_HOST), {}, "served-chain:lab-hub.device.azure-devices.net"),
        ((HUB, HUB_WEST, DPS_HOST), {"subscriptions": ["33333333-3333-3333-3333-333333333333"]}, "SubscriptionNotFound"),
    ]
    for hosts, changes, word in cases:
        output = gate.run(*hosts, **changes)
        assert word in output and "UNREACHABLE!" not in output and "gate: open" not in output, output
    gate.accept()
    assert f"unlisted-endpoint:{THEIRS}" in gate.run(HUB, HUB_WEST, DPS_HOST)


def test_gate_stays_shut_while_azure_serves_the_old_chain(gate, azure):
    azure.ask("serve", {"hub": HUB, "chain": "v1"})
    output = gate.run(HUB, HUB_WEST, DPS_HOST)
    assert f"old-root:{HUB}" in output and "Lab Baltimore" in output and "UNREACHABLE!" not in output, output
