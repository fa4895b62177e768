# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gateways behind a default-drop egress filter of an administrator, in nftables, for the tests of allowlists."""

from __future__ import annotations

import functools
import io
import json
import os
import subprocess
import tarfile
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.rootwave.iot.plugins.filter.desired import desired
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.desired import gate_token
from ansible_collections.rootwave.iot.plugins.plugin_utils.campaign import load

from lab import commands, config, containers, fleet, hub_client, inventory, network
from lab.tools import run
from tests.system.fleet import ANSIBLE, PLAYBOOKS, RUN_MOST, Fleet, environment, wait_until

THREADS = ThreadPoolExecutor(4)
COMPILED: dict[str, bytes] = {}  # {suite: core(), and what its Python made of it}
EACH = ["gw-01", "gw-02", "gw-03"]  # Debian 11, 12, 13
# A fault is tried on Debian 12 alone, and on all three where this is set (make sweep); the whole way is gone on each at any time
SAMPLE = EACH if os.environ.get("ROOTWAVE_EVERYWHERE") else ["gw-02"]
CORE = config.ROOT / "plugins" / "module_utils" / "gateway"
SCRIPT = config.ROOT / "tests" / "system" / "on_gateway_phase.py"
SET = {"path": "output", "backend": "nftables", "way": "named_set", "family": "inet", "table": "filter", "set4": "hubs"}
CHAIN = {"path": "output", "backend": "nftables", "way": "managed_chain", "family": "inet", "table": "filter", "chain": "output"}
INCLUDE = 'include "/etc/nftables.d/*.nft"\n'
CONF = """\
#!/usr/sbin/nft -f
flush ruleset
table inet filter {{
  set hubs {{ type ipv4_addr; {flags} elements = {{ {elements} }} }}
  set banned {{ type ipv4_addr; flags timeout; elements = {{ 198.51.100.7 timeout 1d }} }}
  chain output {{
    type filter hook output priority 0; policy drop;
    oif "lo" accept comment "loopback"
    {established}
    meta l4proto {{ tcp, udp }} th dport 53 accept
    meta l4proto icmp accept
    {hub}
  }}
}}
table inet f2b-table {{
  set addr-set-sshd {{ type ipv4_addr; elements = {{ 203.0.113.9 }} }}
  chain f2b-chain {{
    type filter hook input priority -1;
    tcp dport 22 ip saddr @addr-set-sshd reject
  }}
}}
"""
FILLER = """\
#!/bin/sh
{tool} "$@"
code=$?
case "$*" in {matching}) rm "$0"; dd if=/dev/zero of={folder}/.full bs=1k 2> /dev/null;; esac
exit $code
"""
RULES = {
    "elements": "192.0.2.44",
    "flags": "flags interval; counter;",
    "established": "ct state established,related accept",
    "hub": "ip daddr @hubs tcp dport { 443, 8883 } counter accept",
}


@functools.cache
def core():
    """What install() puts on a gateway, as a tar file."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.add(SCRIPT, "phase.py")
        tar.add(CORE, "gateway", filter=lambda item: None if item.name.endswith("__pycache__") else item)
    return archive.getvalue()


def trio(name, folder):
    """A lab of three gateways, one of each Debian, with few roots, for as long as a fixture lives."""
    if config.load(name) is not None:
        commands.down(name, folder)
    yield commands.up(name, {"trio": 3}, folder, few_roots=True)
    commands.down(name, folder)


def ids(report):
    """What stands against a phase, by its blockers' ids."""
    return [one["id"] for one in report["blockers"]]


class Site(Fleet):
    """A Fleet whose gateways filter; every run is one phase by the core on one gateway."""

    def fresh(self):
        """The same with gateways as on their first day, and the hub at both addresses."""
        self.hub_as_new()
        self.renew()
        self.both_addresses()
        return self

    def both_addresses(self):
        """The hub listens at its old and its new address; its names still lead to the old one."""
        asked = {"hub": config.HUB, "chain": "v1", "listen": [self.lab.old_address, self.lab.new_address]}
        hub_client.ask(self.lab, "cutover", asked)

    def move_hub(self):
        """Its names lead to the new address; the old one still answers."""
        names = {name: [self.lab.new_address] for name in self.lab.names if self.lab.names[name] == [self.lab.old_address]}
        network.set_names(self.lab, {**self.lab.names, **names})

    def move_hub_back(self):
        """Its names lead to the old address again."""
        network.set_names(self.lab, self.lab.names)

    def filter(self, name, include=INCLUDE, extra="", **changes):
        """The administrator's configuration, loaded by the service and at each boot; by itself it admits the old address."""
        old = f"{self.lab.old_address}, {RULES['elements']}"
        text = CONF.format(**{**RULES, "elements": old, **changes}) + extra + include
        script = (
            "mkdir -p /etc/nftables.d && cat > /etc/nftables.conf && systemctl -q enable nftables && systemctl restart nftables"
        )
        self.alter(name, "sh", "-c", script, stdin=text.encode())

    def document(self, phase, places, new=None, old=None, anchors=False, **changes):
        campaign = load(str(self.campaign(["trio"])))
        endpoints = [{"host": config.HUB, "port": 8883, "role": "hub"}]
        asked = desired(campaign, phase, endpoints, **({"undo": changes.pop("undo")} if "undo" in changes else {}))
        new = [self.lab.new_address] if new is None else new
        old = [self.lab.old_address] if old is None else old
        section = {
            "new": [{"prefix": text, "source": "test"} for text in new],
            "old": [{"prefix": text, "source": "test"} for text in old],
            "private": True,
            "quiet_period": 0,
            "places": list(places),
        }
        if not anchors:
            asked.update(present=[], absent=[])
        section.update(changes.pop("section", {}))
        return {**asked, "allowlist": section, **changes}

    def start(self, name, **asked):
        """As ask(), in a thread; the Future of its report."""
        self.install(name)
        return THREADS.submit(self.ask, name, **asked)

    def ask(self, name, **asked):
        """A report of the core, or None when it was killed."""
        self.install(name)
        done = self.execute(name, "python3", "/core/phase.py", "/core", stdin=json.dumps(asked).encode())
        if asked.get("kill_at"):
            assert done.returncode == 137, done.stderr.decode()
            return None
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout)

    def fill_after(self, name, tool, matching, folder):
        """The folder gets a file system of its own, with room for the reserve, that is full once the tool was run with such
        arguments, once: what fails is what comes after it."""
        kept = f"cp -a {folder} /root/kept && mount -t tmpfs -o size=8m,mode=755 tmpfs {folder} && cp -a /root/kept/. {folder}"
        self.alter_mounts(name, kept)
        script = FILLER.format(tool=tool, matching=matching, folder=folder)
        wrapper = f"/usr/local/sbin/{tool.rpartition('/')[2]}"
        self.alter(name, "sh", "-euc", f"cat > {wrapper} && chmod 755 {wrapper}", stdin=script.encode())

    def install(self, name):
        """The core on a gateway, once."""
        if self.execute(name, "test", "-e", "/core/phase.py").returncode == 0:
            return
        suite = self.gateways[name].suite
        if suite not in COMPILED:
            unpacked = "mkdir -p /core && tar -xC /core && python3 -m compileall -q /core"
            self.alter(name, "sh", "-c", unpacked, stdin=core())
            COMPILED[suite] = self.execute(name, "tar", "-cC", "/core", ".").stdout
        else:
            self.alter(name, "sh", "-c", "mkdir -p /core && tar -xC /core", stdin=COMPILED[suite])

    def phase(self, name, phase, *places, **changes):
        extra = {key: changes.pop(key) for key in ("dry_run", "kill_at") if key in changes}
        return self.ask(name, document=self.document(phase, places, **changes), **extra)

    def role(self, name, campaign, phase, whole=False):
        """The role firewall_allowlist on one gateway, its gate open; (exit code, output). ``whole``: given the whole campaign."""
        gate = {"wave": "trio", "token": gate_token(load(str(campaign), None if whole else "allowlist")["digest"], phase, "trio")}
        asked = {"firewall_allowlist_phase": phase, "firewall_allowlist_gate": gate}
        asked.update({"firewall_allowlist_undo": "stage"} if phase == "revert" else {})
        asked.update({"firewall_allowlist_campaign": "{{ lookup('rootwave.iot.campaign') }}"} if whole else {})
        task = {"ansible.builtin.import_role": {"name": "rootwave.iot.firewall_allowlist"}, "vars": asked}
        return self._over_ssh(name, [task], "-e", f"rootwave_campaign={campaign}")

    def over_ssh(self, name, document, *args, first=()):
        """The module itself over SSH, action plugin and all, after the tasks ``first``; (exit code, output)."""
        asked = self.folder / "desired.json"
        asked.write_text(json.dumps(document))
        task = {
            "rootwave.iot.gateway": {
                "desired": f"{{{{ lookup('ansible.builtin.file', '{asked}') | from_json }}}}",
                "now": "{{ now().timestamp() | int }}",
                "wave": "trio",
                "gate": gate_token(document["digest"], document["phase"], "trio"),
            }
        }
        return self._over_ssh(name, [*first, task], *args)

    def _over_ssh(self, name, tasks, *args):
        playbook = self.folder / "phase.yml"
        playbook.write_text(json.dumps([{"hosts": name, "gather_facts": False, "tasks": tasks}]))
        settings = environment({"ANSIBLE_COLLECTIONS_PATH": str(PLAYBOOKS / "collections")})
        argv = [str(ANSIBLE), str(playbook), "-i", str(self.inventory()), *args]
        done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=RUN_MOST, env=settings)
        return done.returncode, done.stdout + done.stderr

    def staged(self, name, *places, **changes):
        """Staged and committed."""
        report = self.phase(name, "stage", *places, **changes)
        assert (report["outcome"], report["revert"]) == ("pending", "armed"), report
        assert self.ask(name, commit=report["pending"])["outcome"] == "done"
        return report

    def retired(self, name, *places, **changes):
        """The report of a retire, once the old session's last packets are through."""
        report: dict = {}

        def quiet():
            report.update(self.phase(name, "retire", *places, **changes))
            return "allowlist-traffic" not in ids(report)

        wait_until(quiet, "the end of the old session")
        assert report["outcome"] == "pending", report
        return report

    def stands(self, name) -> bool:
        """The way in and the old way out: a login over a new SSH connection, and the hub's old address answers."""
        variables = inventory.hosts_of(self.lab)["fleet"]["vars"]
        argv = ["ssh", "-i", variables["ansible_ssh_private_key_file"], *variables["ansible_ssh_common_args"].split()]
        argv += ["-o", "BatchMode=yes", "-o", "ControlPath=none", "-o", "ConnectTimeout=10"]
        done = subprocess.run([*argv, f"root@{self.gateways[name].address}", "true"], check=False, capture_output=True)
        return done.returncode == 0 and self.reaches(name, self.lab.old_address)

    def reaches(self, name, address) -> bool:
        """A real connection, by a foreign program."""
        argv = ("timeout", "4", "bash", "-c", f"exec 3<>/dev/tcp/{address}/8883")
        return self.execute(name, *argv).returncode == 0

    def rules(self, name) -> str:
        """What nft lists as text, counters and remaining times taken out."""
        script = r"nft list ruleset | sed -E 's/packets [0-9]+ bytes [0-9]+/packets N/g; s/expires [0-9a-z]+/expires T/'"
        return self.execute(name, "sh", "-c", script).stdout.decode()

    def ours(self, name) -> str:
        return self.execute(name, "sh", "-c", "cat /etc/nftables.d/* 2>/dev/null").stdout.decode()

    def pending(self, name) -> bool:
        """Seen from outside, for who waits for a revert asks many times."""
        root = containers.root(self.lab, self.lab.container(self.gateways[name]))
        assert root is not None, f"{name} does not run"
        try:
            return bool(os.listdir(root / "var/lib/rootwave/pending"))
        except FileNotFoundError:
            return False

    def reboot(self, name):
        """Back when systemd says so; while its bus is not there yet it says nothing of use."""
        gateway = self.gateways[name]
        run(["podman", "restart", "--time", "0", self.lab.container(gateway)])
        fleet.wait_ready(self.lab, gateway)
