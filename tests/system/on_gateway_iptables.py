# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs in a network namespace of its own: random rules and sets of an administrator, our stage and retire, and both taken back.

Arguments: a folder with the core, how many, a seed, "nft" or "legacy". Prints one JSON object. What must hold for each: new and
old addresses are admitted after stage (asked of ipset), what only old ones hold is gone after retire, the files load what was
there, every line of the administrator's is where it was, and after both were taken back all is what it was.
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

from gateway import files, work
from gateway.allowlists import Firewall, changing, ipsets, iptables_files, own, prefixes, switch
from gateway.desired import from_document
from on_gateway_parts import Host


def run(*argv, stdin=""):
    return subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False, timeout=20)


def done(*argv, stdin=""):
    ended = run(*argv, stdin=stdin)
    assert ended.returncode == 0, ended.stderr + stdin
    return ended.stdout


def listed():
    """What is loaded: sets in any order, rules in theirs, without what differs between two idle calls."""
    sets = []
    for line in done("ipset", "save").splitlines():
        words = line.split(" initval ")[0].split()
        if "packets" in words:
            del words[words.index("packets") : words.index("packets") + 4]
        if "timeout" in words:
            del words[words.index("timeout") :]
        sets.append(" ".join(words))
    rules = [line for tool in ("iptables-save", "ip6tables-save") for line in done(tool).splitlines() if line[:1] != "#"]
    return sorted(sets) + [line.split(" [")[0] for line in rules]


def prefix4(chance, first=13):
    """A prefix in a small room, so that they meet often."""
    size = chance.randint(18, 32)
    number = (20 << 24 | first << 16 | chance.getrandbits(16)) >> (32 - size) << (32 - size)
    return ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0)) + f"/{size}"


def prefix6(chance):
    size = chance.choice((48, 56, 64, 96, 128))
    groups = [0x2603, 0x1030] + [chance.getrandbits(4) for _each in range(6)]
    number = sum(group << (16 * (7 - place)) for place, group in enumerate(groups)) >> (128 - size) << (128 - size)
    return prefixes.prefixes_of(prefixes.Interval(6, number, number | (1 << (128 - size)) - 1))[0]


def administrators(chance):
    """(sets, rules of IPv4, rules of IPv6): random ones, in the form of the files for boot."""
    sets = ["# by hand"]
    for name, family, make in (("hubs", "inet", prefix4), ("hubs6", "inet6", prefix6)):
        options = chance.choice(("", " counters", " counters comment"))
        sets.append(f"create {name} hash:net family {family} hashsize 1024 maxelem 65536{options}")
        texts = sorted({make(chance) for _each in range(chance.randint(0, 5))})
        note = ' comment "ours since 2019"' if "comment" in options and "7.22" not in VERSION else ""  # 7.22 breaks at it
        sets += [f"add {name} {text}{note if chance.random() < 0.5 else ''}" for text in texts]
    sets += ["create banned hash:ip family inet hashsize 1024 maxelem 65536 timeout 86400"]
    sets += ["create sites list:set size 8", "add sites hubs", ""]
    rules = []
    for six in ("", "6"):
        chains = [":INPUT ACCEPT [0:0]", ":FORWARD DROP [0:0]", ":OUTPUT DROP [0:0]", ":egress - [0:0]"]
        chains += [] if six else [":DOCKER-USER - [0:0]"]
        way = [
            f"-p tcp -m set --match-set {chance.choice(('hubs', 'sites')) if not six else 'hubs6'} dst -j ACCEPT",
            "-p udp -m udp --dport 53 -j ACCEPT",
            '-o lo -m comment --comment "to itself" -j ACCEPT',
            "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
            "-m limit --limit 5/min -j LOG --log-prefix dropped",
        ]
        chance.shuffle(way)
        lines = [f"-A OUTPUT {rule}" for rule in way[:2] if chance.random() < 0.5] + ["-A OUTPUT -j egress", ""]
        lines += [f"-A egress {rule}" for rule in way]
        lines += ["# the way through"] + [f"-A FORWARD {rule}" for rule in way if "-o lo" not in rule]
        lines += [] if six else ["-A DOCKER-USER -j RETURN"]
        nat = ["*nat", ":POSTROUTING ACCEPT [0:0]", "-A POSTROUTING -s 172.17.0.0/16 -j MASQUERADE", "COMMIT"]
        filters = ["*filter", *chains, *lines, "COMMIT"]
        rules.append("\n".join(chance.choice((filters, nat + filters, filters + nat)) if not six else filters) + "\n")
    return ["\n".join(sets), *rules]


SET = {"path": "output", "backend": "iptables", "way": "named_set", "set4": "hubs", "set6": "hubs6"}
OWN = {"backend": "iptables", "way": "managed_chain", "family": "inet"}
PLACES = (SET, {**OWN, "path": "output", "chain": "egress"}, {**OWN, "path": "forward", "chain": "FORWARD"})


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
    found = firewall.join(work.Work(work.Plan(), (), (), frozenset(), ()))
    assert not found.blockers, found.blockers
    return found


def applied(found):
    switch.walk_forward(found.switches)
    changing.check(found)
    switch.walk_forward(found.switches)  # once more changes nothing


class Cut(BaseException):
    """Stands for a kill: nothing in the tool catches it."""


def cut(chance, walk, switches):
    """Walk, and be killed before or after one of the calls that change something."""
    left, late = chance.randint(0, 9), chance.random() < 0.5

    def noted(real, changes):
        def call(*args, **kwargs):
            nonlocal left
            if not changes(args):
                return real(*args, **kwargs)
            left -= 1
            if left < 0 and not late:
                raise Cut
            answer = real(*args, **kwargs)
            if left < 0:
                raise Cut
            return answer

        return call

    kept = ipsets.run, files.write
    ipsets.run = noted(kept[0], lambda args: {"restore", "destroy", "--noflush"} & set(args[0]))
    files.write = noted(kept[1], lambda _args: True)
    try:
        walk(switches)
    except Cut:
        pass
    finally:
        ipsets.run, files.write = kept


def everything(found):
    """Kernel, files and record."""
    record = Path(own.PATH).read_text() if os.path.exists(own.PATH) else "{}"
    return listed(), [Path(path).read_text() for path in found.paths], json.loads(record)


def alike(state):
    """What comes back into a file may stand behind others of ours."""
    loaded, texts, record = state
    return loaded, [sorted(texts[0].split("\n")), *texts[1:]], record


def admitted(place, addresses):
    """How many of them ipset finds in the place's sets."""
    found = 0
    for address in set(addresses):
        version = 6 if ":" in address else 4
        name = place.get(f"set{version}") or f"rootwave_{place['path']}{version}"
        found += run("ipset", "test", name, address).returncode == 0
    return found


def edges(texts):
    return {text.split("/")[0] for text in texts} | {
        prefixes.prefixes_of(prefixes.Interval(one.version, one.last, one.last))[0].split("/")[0]
        for one in map(prefixes.parse, texts)
    }


def load(found):
    """As boot does, into an empty kernel."""
    for tool in ("iptables", "ip6tables"):
        run(f"{tool}-restore", stdin="*filter\nCOMMIT\n*nat\nCOMMIT\n")
    run("ipset", "destroy", "sites")  # it holds on to another set
    for _each in range(200):  # the kernel lets go of sets a little after the rules
        if not done("ipset", "list", "-n"):
            break
        run("ipset", "destroy")
    done("ipset", "restore", "-exist", stdin=Path(found.sets).read_text())
    for version, tool in ((4, "iptables-restore"), (6, "ip6tables-restore")):
        done(tool, stdin=Path(found.rules[version]).read_text())


def one_ruleset(chance, host, found):
    """Raises AssertionError."""
    texts = administrators(chance)
    for path, text in zip(found.paths, texts):
        Path(path).write_text(text)
    load(found)
    before = listed()
    new = [prefix4(chance) for _each in range(chance.randint(1, 6))] + [prefix6(chance) for _each in range(chance.choice((1, 2)))]
    old = [prefix4(chance) for _each in range(chance.randint(0, 5))]
    places = chance.sample(PLACES, chance.randint(1, len(PLACES)))
    stage = planned(host, "stage", new, old, places)
    assert listed() == before, "a look changed something"
    first = everything(found)
    cut(chance, switch.walk_forward, stage.switches)
    cut(chance, switch.walk_backward, stage.switches)
    switch.walk_backward(stage.switches)
    assert everything(found) == first, "not what it was after a kill"
    applied(stage)
    wanted = edges(new + old)
    assert all(admitted(place, wanted) == len(wanted) for place in places), "not admitted"
    assert not planned(host, "stage", new, old, places).plan, "staged twice"
    staged = listed()
    assert [line for line in staged if line in before and "rootwave" not in line] == before, "theirs are not where they were"
    for path, text in zip(found.paths, texts):
        kept = Path(path).read_text().split("\n")
        assert [line for line in kept if line in text.split("\n") or not line] == text.split("\n"), "a file of theirs changed"
    retire = planned(host, "retire", new, old, places)
    second = everything(found)
    cut(chance, switch.walk_forward, retire.switches)
    cut(chance, switch.walk_backward, retire.switches)
    switch.walk_backward(retire.switches)
    assert alike(everything(found)) == alike(second), "not what it was after a kill"
    applied(retire)
    wanted = edges(new)
    assert all(admitted(place, wanted) == len(wanted) for place in places), "new ones lost"
    gone = prefixes.subtract(map(prefixes.parse, old), map(prefixes.parse, new))
    left = edges([text for one in gone for text in prefixes.prefixes_of(one)])
    assert not any(admitted(place, left) for place in places if place["way"] == "managed_chain"), "old ones left"
    assert not planned(host, "retire", new, old, places).plan, "retired twice"
    retired = listed()
    load(found)
    assert listed() == retired, "boot does not bring back what was there"
    for taken, state in ((retire, staged), (stage, before)):
        assert switch.walk_backward(taken.switches) == [], "left alone"
        assert switch.walk_backward(taken.switches) == [], "left alone the second time"
        assert listed() == state, "not what it was"
    assert [Path(path).read_text() for path in found.paths] == texts, "the files are not what they were"


def main():
    count, seed = int(sys.argv[2]), sys.argv[3]
    for tool in ("iptables", "ip6tables"):
        done("update-alternatives", "--set", tool, f"/usr/sbin/{tool}-{sys.argv[4]}")
    failures = []
    with tempfile.TemporaryDirectory() as folder:
        paths = {"sets": f"{folder}/ipsets", "rules": {4: f"{folder}/rules.v4", 6: f"{folder}/rules.v6"}}
        found = iptables_files.LAYOUTS[0]._replace(**paths)
        iptables_files.layout, iptables_files.lacking = lambda: found, lambda *_args: ""
        iptables_files.LAYOUTS, own.PATH = (found,), os.path.join(folder, "own.json")
        for number in range(count):
            try:
                one_ruleset(random.Random(f"{seed} {number}"), Host(folder), found)
            except Exception as exc:
                failures.append(f"{seed} {number}: {type(exc).__name__}: {exc}")
    print(json.dumps({"failures": failures, "ipset": VERSION, "iptables": done("iptables", "--version").strip()}))


VERSION = done("ipset", "--version")
main()
