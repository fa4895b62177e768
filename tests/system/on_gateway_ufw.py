# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs in a throw-away container: random rules of an administrator's ufw, ours in and out again, and what a packet would meet.

Arguments: a folder with the core, how many, a seed. Prints one JSON object.
"""

from __future__ import annotations

import glob
import ipaddress
import json
import random
import shlex
import shutil
import subprocess
import sys

sys.path.insert(0, sys.argv[1])

from gateway import work
from gateway.allowlists import Firewall, switch
from gateway.desired import from_document
from on_gateway_parts import Host, prefix

WIDE = (8, 12, 14)
PORTS = [443, 5671, 8883]
KEPT = "/root/ufw"


def run(*argv):
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def administrator(chance):
    """The words of one command of ufw."""
    words = ["route"] if chance.random() < 0.3 else []
    words += [chance.choice(["allow", "allow", "deny", "reject", "limit"])]
    if words[0] == "route":
        words += chance.choice([[], ["in", "on", "eth7"], ["out", "on", "eth7"]])
    else:
        words += [chance.choice(["in", "out", "out", "out"])] + chance.choice([[], [], ["on", "eth7"]])
    words += chance.choice([[], [], [], ["log"]])
    protocol = chance.choice(["", "tcp", "tcp", "udp"])
    words += ["proto", protocol] if protocol else []
    target = chance.choice(["any", prefix(chance, wide=WIDE), prefix(chance, wide=WIDE)])
    source = chance.choice(["any", "any", "any", "10.7.0.0/16"]) if ":" not in target else "any"
    words += ["from", source, "to", target]
    ports = chance.choice(
        ["", "25", "443", "8883"] + ["443,5671,8883", "400:9000", "443,8000:9000", "6000:7000"] * bool(protocol)
    )
    words += ["port", ports] if ports else []
    return words + chance.choice([[], ["comment", "what we always had"], ["comment", "rootwave"]])


def snapshot():
    """Everything that is loaded, without counters, and all that boot reads."""
    rules = [line for tool in ("iptables-save", "ip6tables-save") for line in run(tool).splitlines() if line[0] != "#"]
    files = {}
    for path in glob.glob("/etc/ufw/*"):
        if path.endswith(".rules"):
            with open(path, "rb") as stream:
                files[path] = stream.read()
    return [line.split(" [")[0] for line in rules], files


def filters():
    """{IP version: what is loaded in table filter, as lines}."""
    return {version: run(f"ip{six}tables-save", "-t", "filter").splitlines() for version, six in ((4, ""), (6, "6"))}


def verdict(loaded, path, address, port):
    """What the first rule that fits does with a TCP packet that starts a connection, from 10.200.0.9 through eth0 and eth1."""
    six = "6" if address.version == 6 else ""
    for line in loaded[address.version]:
        words = shlex.split(line)
        if words[:2] != ["-A", f"ufw{six}-user-{path}"]:
            continue
        options = {key: words[number + 1] for number, key in enumerate(words[:-1]) if key.startswith("-") and key != "-m"}
        ports = options.get("--dport") or options.get("--dports") or "0:65535"
        spans = [(part.split(":")[0], part.split(":")[-1]) for part in ports.split(",")]
        fits = (
            address in ipaddress.ip_network(options.get("-d", "::/0" if six else "0.0.0.0/0"))
            and ("-s" not in options)
            and not {"-i", "-o"} & set(options)
            and options.get("-p", "tcp") == "tcp"
            and any(int(first) <= port <= int(last) for first, last in spans)
        )
        if fits and options.get("-j") in ("ACCEPT", "DROP", "REJECT") and "recent" not in words:
            return options["-j"]
        if fits and options.get("-j", "").endswith("limit-accept"):
            return "LIMIT"
    return "policy"


def planned(section, phase="stage"):
    document = {"schema": 1, "campaign": "test", "digest": "0" * 64, "phase": phase, "present": [], "absent": []}
    document.update(endpoints=[{"host": "hub.example", "port": 8883}], allowlist=section)
    return Firewall(Host(), from_document(document)).join(work.Work(work.Plan(), (), (), frozenset(), ()))


def one_ruleset(chance, failures, counts):
    run("ufw", "--force", "disable")
    for path in glob.glob("/etc/ufw/*.rules"):
        shutil.copy2(path.replace("/etc/ufw", KEPT), path)
    given = []
    for _each in range(chance.randint(0, 7)):
        words = administrator(chance)
        if subprocess.run(["ufw", *words], check=False, capture_output=True).returncode == 0:
            given.append(" ".join(words))
    run("ufw", "--force", "enable")
    before = snapshot()
    new, old = ([{"prefix": prefix(chance), "source": "test"} for _one in range(chance.randint(1, 6))] for _side in range(2))
    places = [
        {"path": path, "backend": "ufw", "way": "managed_rules"} for path in chance.choice([["output"], ["output", "forward"]])
    ]
    section = {"new": new, "old": old, "places": places}
    done = planned(section)
    if done.blockers:
        counts["refused"] += 1
        counts["reasons"].update(one.id for one in done.blockers)
    else:
        counts["staged"] += 1
        switch.walk_forward(done.switches)
        if chance.random() < 0.5:
            run("ufw", "reload")
        if not all(switch.stands(one) for one in done.switches) or planned(section).switches:
            failures.append(["not as planned", given, section])
        loaded = filters()
        wrong = [
            (place["path"], item["prefix"], port, found)
            for place in places
            for item in new + old
            for port in PORTS
            for found in [verdict(loaded, place["path"], ipaddress.ip_network(item["prefix"])[0], port)]
            if found != "ACCEPT"
        ]
        if wrong:
            failures.append(["not let through", wrong[:3], given, section])
        switch.walk_backward(done.switches)
    if snapshot() != before:
        failures.append(["not as before", given, section])


def main():
    count, chance = int(sys.argv[2]), random.Random(sys.argv[3])
    for words in (["default", "deny", "outgoing"], ["default", "deny", "routed"], ["--force", "enable"], ["--force", "disable"]):
        run("ufw", *words)
    shutil.copytree("/etc/ufw", KEPT)
    failures, counts = [], {"staged": 0, "refused": 0, "reasons": set()}
    for _each in range(count):
        one_ruleset(chance, failures, counts)
    print(
        json.dumps(dict(counts, reasons=sorted(counts["reasons"]), failures=failures, version=run("ufw", "version").split()[1]))
    )


main()
