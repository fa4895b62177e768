# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs in a container that is a gateway with a filter of its own. "box" is a container of it with a hub session; in "net", the
Internet, a hub with TLS listens at an old and a new address, and plain servers on port 80.

Argument: a folder with the core. Prints one JSON object: {scenario: what phases reported}.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

sys.path.insert(0, sys.argv[1])

from gateway.allowlists import persistence
from gateway.allowlists.checking import HOSTS
from gateway.commit import end_change
from gateway.desired import from_document
from gateway.errors import TrustError
from gateway.host import LocalHost
from gateway.reconcile import reconcile

OLD, NEW, WEB = "20.5.0.1", "20.6.0.1", "20.7.0.1"
LINKS = (("box", "10.9.0.1", "10.9.0.2"), ("net", "20.5.0.254", OLD))
ROOT = "/usr/local/share/ca-certificates/test.crt"
G2, G2_SHA256 = (
    "/usr/share/ca-certificates/mozilla/DigiCert_Global_Root_G2.crt",
    ("cb3ccbb76031e5e0138f8dd39a23f9de47ffc35e43c1144cea27d46a5ab1cb5f"),
)
CHECKING = ("cacerts.digicert.com", "crl3.digicert.com", "crl4.digicert.com", "ocsp.digicert.com")
CONF = """flush ruleset
table inet filter {{
  set hubs {{ type ipv4_addr; flags interval; {counter} elements = {{ 192.0.2.44 }} }}
  set forwarded {{ type ipv4_addr; flags interval; counter; elements = {{ 192.0.2.44 }} }}
  chain output {{
    type filter hook output priority 0; policy drop;
    oif "lo" accept
    ip daddr @hubs tcp dport {{ 443, 8883 }} accept
    {web}
  }}
  chain forward {{
    type filter hook forward priority 0; policy {policy};
    ct state established accept
    ip daddr {old} tcp dport 8883 accept
    {forward}
  }}
}}
include "/etc/nftables.d/*.nft"
"""
THROUGH = "ip daddr @forwarded tcp dport 8883 accept"
CONTAINER = "ip daddr != 20.0.0.0/8 ip daddr @forwarded accept"  # refers to the set and admits nothing of the hub
SERVER = """
import socket, ssl, threading
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/tmp/hub.pem", "/tmp/hub.key")
kept = []
def serve(listener, tls):
    while True:
        stream = listener.accept()[0]
        kept.append(stream)
        if tls:
            threading.Thread(target=shake, args=(stream,), daemon=True).start()
def shake(stream):
    try:
        kept.append(context.wrap_socket(stream, server_side=True))
    except OSError:
        pass
for address, port, tls in ((OLD, 8883, True), (NEW, 8883, True), (WEB, 80, False)):
    threading.Thread(target=serve, args=(socket.create_server((address, port)), tls)).start()
print("listening", flush=True)
"""
CLIENT = "import socket, sys\ns = socket.create_connection((%r, 8883), 3)\nprint('connected', flush=True)\nsys.stdin.read()"
SET = {"path": "output", "backend": "nftables", "way": "named_set", "family": "inet", "table": "filter", "set4": "hubs"}
FORWARD = dict(SET, path="forward", set4="forwarded")


def ip(command):
    subprocess.run(["ip", *command.split()], check=True)


def within(namespace, script):
    argv = ["ip", "netns", "exec", namespace, "python3", "-c", script]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, universal_newlines=True)
    return process, process.stdout.readline().strip()


def lay_out():
    for name, here, there in LINKS:
        for command in (
            f"netns add {name}",
            f"link add {name} type veth peer name eth0 netns {name}",
            f"addr add {here}/24 dev {name}",
            f"link set {name} up",
            f"-n {name} addr add {there}/24 dev eth0",
            f"-n {name} link set eth0 up",
            f"-n {name} route add default via {here}",
        ):
            ip(command)
    for address in (NEW, WEB):
        ip(f"-n net addr add {address}/32 dev eth0")
        ip(f"route add {address}/32 via {OLD}")
    with open("/proc/sys/net/ipv4/ip_forward", "w") as stream:
        stream.write("1")
    names = ["-subj", "/CN=hub.example", "-addext", "subjectAltName=DNS:hub.example"]
    made = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-keyout", "/tmp/hub.key", "-out", "/tmp/hub.pem"]
    subprocess.run(["openssl", "req", "-x509", "-nodes", "-days", "9", *made, *names], check=True, capture_output=True)
    with open("/tmp/hub.pem") as source, open(ROOT, "w") as target:
        target.write(source.read())
    subprocess.run(["update-ca-certificates"], check=True, capture_output=True)
    os.makedirs("/etc/nftables.d", exist_ok=True)
    # no systemd runs in here to be asked
    persistence.configuration = lambda: (persistence.Configuration("/etc/nftables.conf"), [])


def resolve_to(address):
    with open("/etc/hosts", "w") as stream:
        stream.write(f"127.0.0.1 localhost\n{address} hub.example\n")
        stream.writelines(f"{WEB} {name}\n" for name in CHECKING)


def load(**changes):
    rules = {"old": OLD, "counter": "counter;", "web": "", "policy": "drop", "forward": THROUGH, **changes}
    with open("/etc/nftables.conf", "w") as stream:
        stream.write(CONF.format(**rules))
    subprocess.run(["nft", "-f", "/etc/nftables.conf"], check=True)


def document(phase, *places, **changes):
    prefix = [[{"prefix": address + "/32", "source": "test"}] for address in (NEW, OLD)]
    section = {"new": prefix[0], "old": prefix[1], "places": list(places), "quiet_period": 0, "ports": [443, 8883]}
    asked = {"schema": 1, "campaign": "test", "digest": "0" * 64, "phase": phase, "present": [], "absent": []}
    endpoints = [{"host": "hub.example", "port": 8883}]
    timeouts = {"dns": 3, "tcp": 1, "tls": 3}
    asked.update(endpoints=endpoints, allowlist=section, timeouts=timeouts, safe_after={"date": "2020-01-01"})
    return dict(asked, **changes)


def phase(name, *places, **changes):
    report = reconcile(LocalHost(), from_document(document(name, *places, **changes)), time.time())
    return {key: report.get(key) for key in ("outcome", "blockers", "findings", "plan", "probes", "pending", "error")}


def end(identity, state):
    try:
        return end_change(LocalHost(), identity, state)["outcome"]
    except TrustError as exc:
        return str(exc)


def rules():
    script = r"nft list ruleset | sed -E 's/counter packets [0-9]+ bytes [0-9]+/counter/g'"
    return subprocess.run(["sh", "-c", script], check=True, stdout=subprocess.PIPE).stdout.decode()


def containers():
    """Stage, commit and retire while a container holds a session; the forward path lets its new one through, or does not."""
    resolve_to(OLD)
    load()
    client, seen = within("box", CLIENT % OLD)
    found = {"connected": seen, "staged": phase("stage", SET, FORWARD)}
    found["committed"] = end(found["staged"]["pending"], "committed")
    found["watched"] = watched()
    resolve_to(NEW)
    load(forward=CONTAINER)
    found["retire, path shut"] = phase("retire", SET, FORWARD)
    load()
    client.stdin.close()
    client.wait(9)
    client, found["reconnected"] = within("box", CLIENT % NEW)
    for _each in range(5):  # the last packets of the old session
        found["retire, path open"] = phase("retire", SET, FORWARD)
        if found["retire, path open"]["outcome"] == "pending":
            break
    load_after = rules()
    subprocess.run(["nft", "insert rule inet filter forward ip daddr 20.0.0.0/8 drop"], check=True)
    found["commit, path shut"] = end(found["retire, path open"]["pending"], "committed")
    subprocess.run(
        [
            "sh",
            "-c",
            "nft delete rule inet filter forward handle $(nft -a list chain inet filter forward | "
            "sed -n 's/.*20.0.0.0.*drop # handle //p')",
        ],
        check=True,
    )
    found["only that rule"] = rules() == load_after
    found["commit, path open"] = end(found["retire, path open"]["pending"], "committed")
    client.stdin.close()
    client.wait(9)
    return found


def watched():
    """Since when old addresses are watched, by passes before and after the same rules were loaded again; 1 is long ago."""
    found = {}
    for name, again in (("as before", False), ("loaded again", True)):
        phase("stage", SET, FORWARD)  # nothing to do
        with open("/var/lib/rootwave/allowlist.json") as stream:
            record = json.load(stream)
        for entry in record["prefixes"].values():
            entry["since"] = 1
        with open("/var/lib/rootwave/allowlist.json", "w") as stream:
            json.dump(record, stream)
        if again:
            load()
        report = phase("stage", SET, FORWARD)
        with open("/var/lib/rootwave/allowlist.json") as stream:
            entry = json.load(stream)["prefixes"][OLD + "/32"]
        found[name] = [report["outcome"], report["plan"], entry["since"] == 1, entry["packets"]]
    return found


def staged_shut():
    """The hub has moved, the container still holds its old session, and what stage opens is not what decides for it."""
    for name in os.listdir("/etc/nftables.d"):
        os.unlink("/etc/nftables.d/" + name)
    resolve_to(OLD)
    load(forward=CONTAINER)
    client, seen = within("box", CLIENT % OLD)
    resolve_to(NEW)
    before = rules()
    found = {"connected": seen, "staged": phase("stage", SET, FORWARD), "restored": rules() == before}
    client.stdin.close()
    client.wait(9)
    return found


def checking():
    """Port 80 of what certificate checking needs, shut and open; the root is the real one, its hosts answer in "net"."""
    resolve_to(OLD)
    with open(G2) as stream:
        pem = stream.read()
    present = [{"name": "g2", "sha256": G2_SHA256, "pem": pem}]
    microsoft = [name for name in HOSTS[G2_SHA256] if name not in CHECKING]
    found = {"unresolved": microsoft}
    for name, web in (("shut", ""), ("open", f"ip daddr {WEB} tcp dport 80 accept")):
        load(web=web, forward=THROUGH, policy="drop")
        started = time.monotonic()
        found[name] = phase("assess", SET, FORWARD, present=present)
        found[name]["seconds"] = time.monotonic() - started
    load()
    proxied = [{"host": "hub.example", "port": 8883, "proxy": f"http://{WEB}:80"}]
    found["proxied"] = phase("assess", SET, FORWARD, present=present, endpoints=proxied)
    return found


def main():
    lay_out()
    server, _listening = within("net", f"OLD, NEW, WEB = {OLD!r}, {NEW!r}, {WEB!r}\n" + SERVER)
    try:
        print(json.dumps({"containers": containers(), "staged shut": staged_shut(), "checking": checking()}))
    finally:
        server.kill()


main()
