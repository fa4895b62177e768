# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs in a container that is a gateway between two network namespaces: "box", a container, and "net", where a hub listens.

Argument: a folder with the core. Prints one JSON object: what the box reached before and after, and what is seen of its session.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, sys.argv[1])

from gateway import sessions, work
from gateway.allowlists import Firewall, persistence, switch
from gateway.desired import from_document

LINKS = (("box", "10.9.0.1", "10.9.0.2"), ("net", "20.5.0.254", "20.5.0.1"))
RULES = "table inet filter {\n chain forward {\n type filter hook forward priority 0; policy drop;\n }\n}\n"
HUB = (
    "import socket\ns = socket.create_server(('20.5.0.1', 8883))\n"
    "print('listening', flush=True)\nkept = [s.accept() for _each in range(9)]"
)
CLIENT = (
    "import socket, sys\ns = socket.create_connection(('20.5.0.1', 8883), 3)\nprint('connected', flush=True)\nsys.stdin.read()"
)
FORWARD = {
    "path": "forward",
    "backend": "nftables",
    "way": "managed_chain",
    "family": "inet",
    "table": "filter",
    "chain": "forward",
}
NONE = {"path": "output", "backend": "none"}


class Host:
    state_dir = "/nonexistent"

    def container_sessions(self):
        return sessions.of_containers()


def within(namespace, script):
    argv = ["ip", "netns", "exec", namespace, "python3", "-c", script]
    return subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, universal_newlines=True
    )


def planned(places):
    section = {"new": [{"prefix": "20.5.0.0/24", "source": "test"}], "places": places}
    document = {"schema": 1, "campaign": "test", "digest": "0" * 64, "phase": "stage", "present": [], "absent": []}
    document.update(endpoints=[{"host": "hub.example", "port": 8883}], allowlist=section)
    return Firewall(Host(), from_document(document)).join(work.Work(work.Plan(), (), (), frozenset(), ()))


def main():
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
            subprocess.run(["ip", *command.split()], check=True)
    with open("/proc/sys/net/ipv4/ip_forward", "w") as stream:
        stream.write("1")
    hub = within("net", HUB)
    hub.stdout.readline()
    first = within("box", CLIENT)
    seen = {"unfiltered": first.stdout.readline().strip()}
    seen["without a place"] = [one.id for one in planned([NONE]).blockers]
    with tempfile.TemporaryDirectory() as folder:
        conf = os.path.join(folder, "nftables.conf")
        os.mkdir(os.path.join(folder, "nftables.d"))
        with open(conf, "w") as stream:
            stream.write(RULES + f'include "{folder}/nftables.d/*.nft"\n')
        persistence.configuration = lambda: (persistence.Configuration(conf), [])
        subprocess.run(["nft", "-f", conf], check=True)
        seen["before"] = within("box", CLIENT).stdout.readline().strip()
        seen["none is not believed"] = [one.id for one in planned([NONE, dict(NONE, path="forward")]).blockers]
        done = planned([FORWARD])
        seen["blockers"] = [one.id for one in done.blockers]
        switch.walk_forward(done.switches)
        seen["after"] = within("box", CLIENT).stdout.readline().strip()
        switch.walk_backward(done.switches)
        seen["reverted"] = within("box", CLIENT).stdout.readline().strip()
    for process in (first, hub):
        process.kill()
    print(json.dumps(seen))


main()
