# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs in a container that is a gateway ruled by ufw between two network namespaces: "box", a container, and "net" with a hub.

Argument: a folder with the core. Prints one JSON object: what the box reached over IPv4 and IPv6, before, with ours, and after.
"""

from __future__ import annotations

import json
import subprocess
import sys

sys.path.insert(0, sys.argv[1])

from gateway import sessions, work
from gateway.allowlists import Firewall, switch
from gateway.desired import from_document

LINKS = (("box", "10.9.0.{0}", "fd09::{0}"), ("net", "20.5.0.{0}", "2603:1030::{0}"))
HUB = "import socket\ns = socket.create_server(('::', 8883), family=socket.AF_INET6, dualstack_ipv6=True)\n"
HUB += "print('listening', flush=True)\nkept = [s.accept() for _each in range(20)]"
CLIENT = (
    "import socket, sys\ns = socket.create_connection((sys.argv[1], 8883), 3)\nprint('connected', flush=True)\nsys.stdin.read()"
)
OUTPUT = {"path": "output", "backend": "ufw", "way": "managed_rules"}
FORWARD = {**OUTPUT, "path": "forward"}


class Host:
    state_dir = "/nonexistent"

    def container_sessions(self):
        return sessions.of_containers()


def within(namespace, script, *args):
    argv = ["ip", "netns", "exec", namespace, "python3", "-c", script, *args]
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def reached():
    """What a new connection of the box says, over IPv4 and IPv6."""
    clients = [within("box", CLIENT, address) for address in ("20.5.0.1", "2603:1030::1")]
    said = [client.stdout.readline().strip() for client in clients]
    for client in clients:
        client.kill()
    return said


def planned(places):
    section = {"new": [{"prefix": text, "source": "test"} for text in ("20.5.0.0/24", "2603:1030::/32")], "places": places}
    document = {"schema": 1, "campaign": "test", "digest": "0" * 64, "phase": "stage", "present": [], "absent": []}
    document.update(endpoints=[{"host": "hub.example", "port": 8883}], allowlist=section)
    return Firewall(Host(), from_document(document)).join(work.Work(work.Plan(), (), (), frozenset(), ()))


def main():
    for name, four, six in LINKS:
        for command in (
            f"netns add {name}",
            f"link add {name} type veth peer name eth0 netns {name}",
            f"addr add {four.format(254)}/24 dev {name}",
            f"addr add {six.format('ff')}/64 dev {name} nodad",
            f"link set {name} up",
            f"-n {name} addr add {four.format(1)}/24 dev eth0",
            f"-n {name} addr add {six.format(1)}/64 dev eth0 nodad",
            f"-n {name} link set eth0 up",
            f"-n {name} route add default via {four.format(254)}",
            f"-n {name} route add default via {six.format('ff')}",
        ):
            subprocess.run(["ip", *command.split()], check=True)
    for path in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
        with open(f"/proc/sys/net/{path}", "w") as stream:
            stream.write("1")
    hub = within("net", HUB)
    hub.stdout.readline()
    seen = {"unfiltered": reached()}
    first = within("box", CLIENT, "20.5.0.1")
    first.stdout.readline()
    for words in (["default", "deny", "outgoing"], ["default", "deny", "routed"], ["--force", "enable"]):
        subprocess.run(["ufw", *words], check=True, stdout=subprocess.DEVNULL)
    seen["without a place"] = [one.id for one in planned([OUTPUT]).blockers]
    seen["before"] = reached()
    done = planned([OUTPUT, FORWARD])
    seen["blockers"] = [one.id for one in done.blockers]
    switch.walk_forward(done.switches)
    seen["after"] = reached()
    now = switch.tool_of("ufw").read(switch.place_of(FORWARD))
    seen["counted"] = [one.packets for elements in now.elements.values() for one in elements]
    switch.walk_backward(done.switches)
    seen["reverted"] = reached()
    for process in (first, hub):
        process.kill()
    print(json.dumps(seen))


main()
