# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs in a throw-away container: random configurations of an administrator's firewalld, ours in and out again.

Arguments: a folder with the core, how many, a seed. Prints one JSON object.
"""

from __future__ import annotations

import glob
import ipaddress
import json
import os
import random
import re
import subprocess
import sys
import time

sys.path.insert(0, sys.argv[1])

from gateway import work
from gateway.allowlists import Firewall, switch
from gateway.desired import from_document
from on_gateway_parts import Host, prefix

SIZES = (12, 14, 20, 22, 24, 32)
PORTS = [443, 5671, 8883]
ETC = "/etc/firewalld"
OLD = "0."  # versions without destination ipsets, and without an answer to what belongs to a connection
RICH = re.compile(r'rule family="ipv[46]" destination address="([^"]+)" port port="(\d+)" protocol="tcp" accept')


def run(*argv):
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def apart(texts, version):
    """Those that do not meet: firewalld 1.0 and later takes no others into one set."""
    kept = []
    for text in texts:
        network = ipaddress.ip_network(text)
        if network.version == version and not any(network.overlaps(one) for one in kept):
            kept.append(network)
    return [str(one) for one in kept]


def ipset(chance, version):
    kind = chance.choice(["hash:net"] * 7 + ["hash:ip"])
    lines = ["<short>Where devices may talk to</short>"] * chance.randint(0, 1)
    lines += ["<!-- see ticket 4711 -->"] * chance.randint(0, 1)
    lines += ['<option name="family" value="inet6"/>'] if version == 6 else []
    entries = apart([prefix(chance, SIZES) for _each in range(chance.randint(0, 6))], version)
    lines += [f"<entry>{one}</entry>" for one in entries if kind == "hash:net" or one.endswith("/32")]
    return f'<ipset type="{kind}">', lines, "</ipset>"


def rule(chance):
    """A rich rule of a policy; some are what ours look like."""
    target = prefix(chance, SIZES)
    family = "ipv6" if ":" in target else "ipv4"
    port = chance.choice([25, 443, 5671, 8883])
    log = chance.choice(["", "", '<log prefix="out, don&apos;t" level="info"><limit value="1/m"/></log>'])
    action = chance.choice(["<accept/>", "<accept/>", "<reject/>", "<drop/>"])
    where = f'<destination address="{target}"/><port port="{port}" protocol="tcp"/>'
    return f'<rule family="{family}">{where}{log}{action}</rule>'


def policy(chance, old, ingress):
    lines = ['<service name="dns"/>', '<protocol value="icmp"/>'][: chance.randint(0, 2)]
    if not old:
        lines += dict.fromkeys(rule(chance) for _each in range(chance.randint(0, 4)))
        if chance.random() < 0.8:
            for version, name in ((4, "hubs"), (6, "hubs6")):
                where = f'<destination ipset="{name}"/><port port="443" protocol="tcp"/>'
                lines.append(f'<rule family="ipv{version}">{where}<accept/></rule>')
    zones = [f'<ingress-zone name="{ingress}"/>', '<egress-zone name="ANY"/>']
    return '<policy target="DROP">', [*lines, *zones], "</policy>"


def administrator(chance, old):
    """{path below /etc/firewalld: (first line, lines, last line)}"""
    found = {"ipsets/hubs.xml": ipset(chance, 4), "ipsets/hubs6.xml": ipset(chance, 6)}
    found["policies/egress.xml"] = policy(chance, old, "HOST")
    found["policies/from-containers.xml"] = policy(chance, old, "containers")
    found["zones/containers.xml"] = ("<zone>", ['<interface name="docker0"/>'], "</zone>")
    if old:
        names = ("hubs", "hubs6")
        found.update({f"zones/{name}.xml": ("<zone>", [f'<source ipset="{name}"/>'], "</zone>") for name in names})
        zones = ['<ingress-zone name="HOST"/>', *(f'<egress-zone name="{name}"/>' for name in names)]
        found["policies/to-hubs.xml"] = ('<policy priority="-10" target="ACCEPT">', zones, "</policy>")
    if chance.random() < 0.5:
        lines = ['<source address="198.51.100.0/24"/>', '<service name="ssh"/>', '<port port="2222" protocol="tcp"/>']
        found["zones/admins.xml"] = ("<zone>", lines, "</zone>")
    if chance.random() < 0.3:
        direct = "-d 192.0.2.66 -m comment --comment 'the old printer' -j REJECT"
        line = f'<rule priority="0" table="filter" ipv="ipv4" chain="OUTPUT">{direct}</rule>'
        found["direct.xml"] = ("<direct>", [line], "</direct>")
    return found


def written(chance, old):
    """A random configuration, loaded; its files as texts."""
    for path in glob.glob(f"{ETC}/*/*.xml") + glob.glob(f"{ETC}/direct.xml"):  # firewalld watches the folders, so these stay
        os.remove(path)
    texts = {}
    for name, (first, lines, last) in administrator(chance, old).items():
        texts[name] = "\n".join(['<?xml version="1.0" encoding="utf-8"?>', first, *(f"  {line}" for line in lines), last, ""])
    for name, text in texts.items():
        with open(f"{ETC}/{name}", "w") as stream:
            stream.write(text)
    run("firewall-cmd", "--reload")
    return texts


def snapshot():
    """Everything that is loaded, without counters, and all that boot reads. firewalld lists rules of one policy in no order of
    its own after a reload."""
    rules = re.sub(r"packets \d+ bytes \d+", "packets N", run("nft", "list", "ruleset"))
    files = {}
    for path in glob.glob(f"{ETC}/**/*.xml", recursive=True):
        with open(path, "rb") as stream:
            files[path] = stream.read()
    return sorted(rules.splitlines()), files


def listed(place, side):
    """{port: what firewall-cmd itself says is let through}; None is every port."""
    if place["way"] == "named_set":
        texts = [
            line for name in ("hubs", "hubs6") for line in run("firewall-cmd", *side, f"--ipset={name}", "--get-entries").split()
        ]
        return dict.fromkeys(PORTS, texts)
    rules = RICH.findall(run("firewall-cmd", *side, f"--policy={place['policy']}", "--list-rich-rules"))
    return {port: [text for text, at in rules if int(at) == port] for port in PORTS}


def covered(text, texts):
    network = ipaddress.ip_network(text)
    networks = [one for one in map(ipaddress.ip_network, texts) if one.version == network.version]
    return any(network.subnet_of(one) for one in ipaddress.collapse_addresses(networks))


def missing(section):
    """What of the new and old prefixes firewall-cmd does not list at a place of a section."""
    return [
        (place["path"], item["prefix"], port, side)
        for place in section["places"]
        for side in ([], ["--permanent"])
        for port, texts in listed(place, side).items()
        for item in section["new"] + section["old"]
        if not covered(item["prefix"], texts)
    ]


def settled(section):
    """The same, once firewalld has looked at its files: it polls them."""
    for _each in range(40):
        found = missing(section)
        if not found:
            break
        time.sleep(0.25)
    return found


def places_of(chance, old):
    both = {"path": "output", "backend": "firewalld", "way": "named_set", "set4": "hubs", "set6": "hubs6"}
    rules = {"path": "output", "backend": "firewalld", "way": "managed_rules", "policy": "egress"}
    forward = {**rules, "path": "forward", "policy": "from-containers"}
    return chance.choice([[both], [both], [both] if old else [rules], [rules, forward]])


def planned(section):
    document = {"schema": 1, "campaign": "test", "digest": "0" * 64, "phase": "stage", "present": [], "absent": []}
    document.update(endpoints=[{"host": "hub.example", "port": 8883}], allowlist=section)
    return Firewall(Host(), from_document(document)).join(work.Work(work.Plan(), (), (), frozenset(), ()))


def one_configuration(chance, old, failures, counts):
    given = written(chance, old)
    before = snapshot()
    new, older = (
        [{"prefix": prefix(chance, SIZES), "source": "test"} for _one in range(chance.randint(1, 5))] for _side in range(2)
    )
    section = {"new": new, "old": older, "places": places_of(chance, old)}
    done = planned(section)
    if done.blockers:
        counts["refused"] += 1
        counts["reasons"].update(one.id for one in done.blockers)
    elif not done.switches:
        counts["nothing"] += 1
    else:
        counts["staged"] += 1
        switch.walk_forward(done.switches)
        if chance.random() < 0.3:
            run("firewall-cmd", "--reload")
        if not all(switch.stands(one) for one in done.switches) or planned(section).switches:
            failures.append(["not as planned", given, section])
        lacks = settled(section)
        if lacks:
            failures.append(["not let through", lacks[:3], given, section])
        switch.walk_backward(done.switches)
    if snapshot() != before:
        failures.append(["not as before", given, section])


def start():
    """The image has enabled it; there is no systemd here that would start it."""
    for folder in ("/run/dbus", "/var/lib/rootwave"):
        os.makedirs(folder, exist_ok=True)
    run("dbus-daemon", "--system", "--fork")
    subprocess.Popen(["firewalld", "--nofork", "--nopid"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _each in range(120):
        if subprocess.run(["firewall-cmd", "--state"], check=False, capture_output=True).returncode == 0:
            return
        time.sleep(0.5)
    raise SystemExit("firewalld did not start within a minute")


def main():
    start()
    count, chance = int(sys.argv[2]), random.Random(sys.argv[3])
    version = run("firewall-cmd", "--version").strip()
    failures, counts = [], {"staged": 0, "refused": 0, "nothing": 0, "reasons": set()}
    for _each in range(count):
        one_configuration(chance, version.startswith(OLD), failures, counts)
    print(json.dumps(dict(counts, reasons=sorted(counts["reasons"]), failures=failures, version=version)))


main()
