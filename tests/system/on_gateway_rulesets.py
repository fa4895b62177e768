# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs in a network namespace of its own: random rulesets of an administrator, our stage and retire on them, and both taken back.

Arguments: a folder with the core, how many rulesets, a seed. Prints one JSON object. What must hold for each ruleset:
new and old addresses are in the sets after stage (asked of nft), what only old ones hold is gone after retire, a reload of the
configuration brings exactly that back, and after both were taken back ``nft -j list ruleset`` is what it was.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, sys.argv[1])

from gateway import walk, work
from gateway.allowlists import Firewall, boot_files, changing, nft, persistence, prefixes, switch
from gateway.desired import from_document
from on_gateway_parts import Host

VOLATILE = ("handle", "expires", "packets", "bytes", "metainfo")


def run(*argv, stdin=""):
    return subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False, timeout=20)


def load(text):
    done = run("nft", "-f", "-", stdin=text)
    assert done.returncode == 0, done.stderr + text


def listed():
    """All objects; a rule with its number in its chain, since the list is compared in any order."""
    found = normal(json.loads(run("nft", "-j", "list", "ruleset").stdout)["nftables"])
    seen: dict = {}
    for rule in [one["rule"] for one in found if "rule" in one]:
        chain = (rule["family"], rule["table"], rule["chain"])
        rule["number"] = seen[chain] = seen.get(chain, 0) + 1
    return found


def normal(value):
    """Without what differs between two idle calls."""
    if isinstance(value, dict):
        return {key: normal(one) for key, one in value.items() if key not in VOLATILE}
    return [normal(one) for one in value if one != {"metainfo": {}}] if isinstance(value, list) else value


def prefix4(chance, first=13):
    """A prefix in a small room, so that they meet often."""
    size = chance.randint(18, 32)
    number = (first << 24 | chance.getrandbits(16)) >> (32 - size) << (32 - size)
    return f"{number >> 24}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}/{size}"


def prefix6(chance):
    size = chance.choice((48, 56, 64, 96, 128))
    groups = [0x2603, 0x1030] + [chance.getrandbits(4) for _each in range(6)]
    number = sum(group << (16 * (7 - place)) for place, group in enumerate(groups)) >> (128 - size) << (128 - size)
    return ":".join(f"{number >> (16 * (7 - place)) & 0xFFFF:x}" for place in range(8)) + f"/{size}"


def apart(texts):
    return [text for one in prefixes.distinct(map(prefixes.parse, texts)) for text in prefixes.prefixes_of(one)]


def administrators(chance):
    """A random ruleset: the table of the places, and tables that are none of our business."""
    far = chance.choice((13, 99))  # elements of the administrator in the same room as the hub's prefixes, or far from it
    four = apart([prefix4(chance, far) for _each in range(chance.randint(0, 6))])
    six = apart([prefix6(chance) for _each in range(chance.choice((0, 0, 2)))])
    comment = [chance.choice(("", ' comment "ours since 2019"')) for _each in four]
    lines = ["flush ruleset", "table inet filter {", " counter drops { }"]
    for name, kind, texts in (("hubs", "ipv4_addr", [a + b for a, b in zip(four, comment)]), ("hubs6", "ipv6_addr", six)):
        lines.append(" set {} {{ type {}; flags interval; {}".format(name, kind, chance.choice(("", "counter;"))))
        lines.append("  elements = {{ {} }} }}".format(", ".join(texts)) if texts else " }")
    lines.append(" set banned { type ipv4_addr; flags timeout; elements = { 198.51.100.7 timeout 1h, 198.51.100.8 timeout 2h } }")
    lines.append(" set lan { type ipv4_addr; flags interval; auto-merge; elements = { 10.0.0.0/8, 192.168.0.5-192.168.0.77 } }")
    lines.append(" set flows { type ipv4_addr . inet_service; elements = { 10.1.1.1 . 53, 10.1.1.2 . 123 } }")
    lines += [" chain DOCKER-USER {", "  counter return", " }"]
    for path in ("output", "forward"):
        rules = [
            'ip daddr @hubs tcp dport { 443, 8883 } counter accept comment "hub"',
            "ip6 daddr @hubs6 tcp dport 8883 accept",
            "ct state established,related accept",
            'oifname "lo" accept',
            "ip daddr @lan accept",
            "udp dport 53 accept",
            "ip saddr @banned drop",
            'limit rate 5/minute log prefix "dropped: "',
            'counter name "drops"',
            "jump DOCKER-USER",
        ]
        kept = rules[:3] + chance.sample(rules[3:], chance.randint(0, len(rules) - 3))
        chance.shuffle(kept)
        lines += [f" chain {path} {{ type filter hook {path} priority {chance.choice((0, -10))}; policy drop;"]
        lines += ["  " + rule for rule in kept] + [" }"]
    lines.append("}")
    if chance.random() < 0.5:
        lines += [
            "table ip nat {",
            " chain POSTROUTING { type nat hook postrouting priority 100;",
            "  ip saddr 172.17.0.0/16 masquerade",
            " }",
            "}",
        ]
    if chance.random() < 0.5:
        lines += ["table inet f2b-table {", " set addr-set-sshd { type ipv4_addr; elements = { 203.0.113.9 } }"]
        lines += [
            " chain f2b-chain { type filter hook input priority -1;",
            "  tcp dport 22 ip saddr @addr-set-sshd reject",
            " }",
            "}",
        ]
    return "\n".join(lines) + "\n"


PLACES = (
    {
        "path": "output",
        "backend": "nftables",
        "way": "named_set",
        "family": "inet",
        "table": "filter",
        "set4": "hubs",
        "set6": "hubs6",
    },
    {"path": "output", "backend": "nftables", "way": "managed_chain", "family": "inet", "table": "filter", "chain": "output"},
    {"path": "forward", "backend": "nftables", "way": "managed_chain", "family": "inet", "table": "filter", "chain": "forward"},
)


def desired(phase, new, old, places):
    section = {
        "new": [{"prefix": text, "source": "test"} for text in new],
        "old": [{"prefix": text, "source": "test"} for text in old],
        "places": places,
        "quiet_period": 0,
        "ports": [443, 8883],
    }
    document = {"schema": 1, "campaign": "test", "digest": "0" * 64, "phase": phase, "present": [], "absent": []}
    return from_document(dict(document, endpoints=[{"host": "hub.example", "port": 8883}], allowlist=section))


def planned(host, phase, new, old, places):
    firewall = Firewall(host, desired(phase, new, old, places))
    return firewall.join(work.Work(work.Plan(), (), (), frozenset(), ()))


def applied(done):
    switch.walk_forward(done.switches)
    walk.forward(done.edits)
    changing.check(done)
    switch.walk_forward(done.switches)  # once more changes nothing


def ask(place, form, addresses):
    """Whether nft agrees for all of these addresses at once, IPv4 and IPv6 apart."""
    answers = []
    for version in (4, 6):
        mine = sorted({address for address in addresses if (":" in address) == (version == 6)})
        if mine:
            name = place.get(f"set{version}") or f"rootwave_{place['path']}{version}"
            answers.append(run("nft", "--check", form.format(name, ", ".join(mine))).returncode == 0)
    return all(answers)


def admits(place, addresses):
    return ask(place, "get element inet filter {0} {{ {1} }}", addresses)


def lacks(place, addresses):
    return ask(place, "create element inet filter {0} {{ {1} }}", addresses)


def edges(texts):
    return [text.split("/")[0] for text in texts] + [
        prefixes.prefixes_of(prefixes.Interval(one.version, one.last, one.last))[0].split("/")[0]
        for one in map(prefixes.parse, texts)
    ]


def one_ruleset(chance, folder):
    """ "staged" or "refused"; raises AssertionError."""
    conf = Path(boot_files.USUAL[0])
    for left in (conf.parent / "nftables.d").iterdir():
        left.unlink()
    text = administrators(chance)
    conf.write_text(text + f'include "{conf.parent}/nftables.d/*.nft"\n')
    load(text)
    before, host = listed(), Host(folder)
    new = [prefix4(chance) for _each in range(chance.randint(1, 6))] + [prefix6(chance) for _each in range(chance.choice((0, 2)))]
    old = [prefix4(chance) for _each in range(chance.randint(0, 5))]
    places = chance.sample(PLACES, chance.randint(1, len(PLACES)))
    stage = planned(host, "stage", new, old, places)
    assert listed() == before, "a look changed something"
    if stage.blockers:
        assert {one.id for one in stage.blockers} == {"allowlist-overlap"}, stage.blockers
        return "refused"
    applied(stage)
    assert all(admits(place, edges(new + old)) for place in places), "not admitted"
    assert not planned(host, "stage", new, old, places).plan, "staged twice"
    staged = listed()
    retire = planned(host, "retire", new, old, places)
    assert not retire.blockers, retire.blockers
    applied(retire)
    assert all(admits(place, edges(new)) for place in places), "new ones lost"
    gone = prefixes.subtract(map(prefixes.parse, old), map(prefixes.parse, new))
    left = [address for one in gone for address in edges(prefixes.prefixes_of(one))]
    assert all(lacks(place, left) for place in places if place["way"] == "managed_chain"), "old ones left"
    assert not planned(host, "retire", new, old, places).plan, "retired twice"
    retired = listed()
    load(conf.read_text())
    assert sorted(map(json.dumps, listed())) == sorted(map(json.dumps, retired)), "a reload is not what was there"
    for done, state in ((retire, staged), (stage, before)):
        assert walk.backward(done.edits) == []
        assert switch.walk_backward(done.switches) == [], "left alone"
        assert switch.walk_backward(done.switches) == [], "left alone the second time"
        now = listed()
        assert sorted(map(json.dumps, now)) == sorted(map(json.dumps, state)), "not what it was"
    assert list((conf.parent / "nftables.d").iterdir()) == []
    return "staged"


def main():
    count, seed = int(sys.argv[2]), sys.argv[3]
    outcomes, failures = {"staged": 0, "refused": 0}, []
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(os.path.join(folder, "nftables.d"))
        boot_files.USUAL = (os.path.join(folder, "nftables.conf"),)
        boot_files.ENABLED = folder
        persistence.configuration = lambda: (persistence.Configuration(boot_files.USUAL[0]), [])
        for number in range(count):
            try:
                outcomes[one_ruleset(random.Random(f"{seed} {number}"), folder)] += 1
            except Exception as exc:
                failures.append(f"{seed} {number}: {type(exc).__name__}: {exc}")
    print(json.dumps(dict(outcomes, failures=failures, version=run(*nft.NFT, "--version").stdout.strip())))


main()
