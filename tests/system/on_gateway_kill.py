# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a gateway: starts phases and kills them at random moments, while another process keeps asking whether the hub verifies.

Arguments: a folder with the core, a file with {"documents": [...], "kills": n, "seed": n}. Prints one JSON object.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import ssl
import sys
import time

sys.path.insert(0, sys.argv[1])

from gateway.desired import from_document
from gateway.errors import TrustError
from gateway.host import LocalHost
from gateway.reconcile import reconcile

BUNDLE, HASHED = "/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/certs"
WINDOW = 1.6  # seconds; a whole change takes a little less


def forked(action):
    """Run an action in a process of its own; its pid."""
    pid = os.fork()
    if pid:
        return pid
    try:
        action()
    finally:
        os._exit(0)


def with_descendants(pid):
    """A process and all that it has started, whatever group or session they are in."""
    children = {}
    for name in os.listdir("/proc"):
        try:
            with open(f"/proc/{name}/stat") as stream:
                children.setdefault(int(stream.read().rpartition(")")[2].split()[1]), []).append(int(name))
        except (OSError, ValueError):
            continue  # no process, or none any more
    found = [pid]
    for parent in found:
        found += children.get(parent, ())
    return found


def kill(pids):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue  # it has ended meanwhile


def sample(endpoint, path, stop_at):
    """Handshakes through bundle and hashed directory in turn, as a client that starts just now; violations go to a file."""
    samples, violations = 0, []
    while not os.path.exists(stop_at):
        trust = {"cafile": BUNDLE} if samples % 2 else {"capath": HASHED}
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(**trust)
            with socket.create_connection((endpoint["host"], endpoint["port"]), 10) as stream:
                context.wrap_socket(stream, server_hostname=endpoint["host"]).close()
        except (ssl.SSLError, FileNotFoundError) as exc:
            violations.append(f"{trust}: {exc}")
        except OSError:
            continue  # no connection says nothing about trust
        samples += 1
    with open(path, "w") as stream:
        json.dump({"samples": samples, "violations": violations}, stream)


def run(document):
    try:
        return reconcile(LocalHost(), from_document(document), time.time())["outcome"]
    except TrustError as exc:
        return str(exc)


def main():
    with open(sys.argv[2]) as stream:
        settings = json.load(stream)
    documents = settings["documents"]
    endpoint = documents[0]["endpoints"][0]
    chance = random.Random(settings["seed"])
    result, stop = "/run/samples.json", "/run/stop-sampling"
    sampler = forked(lambda: sample(endpoint, result, stop))
    killed = number = 0
    while killed < settings["kills"]:
        number += 1
        pid = forked(lambda number=number: run(documents[number % len(documents)]))
        time.sleep(chance.uniform(0, WINDOW))
        if os.waitpid(pid, os.WNOHANG) == (0, 0):
            killed += 1
            # the module alone, so that its tool lives on as an orphan; or everything at once
            kill([pid] if number % 4 < 2 else with_descendants(pid))
            os.waitpid(pid, 0)
    outcome = run(documents[0])
    with open(stop, "w"):
        pass
    os.waitpid(sampler, 0)
    os.unlink(stop)
    with open(result) as stream:
        print(json.dumps(dict(json.load(stream), killed=killed, outcome=outcome)))


main()
