# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ufw's files say, and what becomes of them: as data, for real ones are asked in tests/system."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.allowlists import prefixes, ufw, ufw_files, ufw_rules, wanted
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.allowlists.document import place_of
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.errors import CommandFailed

from .test_allowlists import parsed

OUTPUT = place_of({"path": "output", "backend": "ufw", "way": "managed_rules"})
FORWARD = OUTPUT._replace(path="forward")
PORTS = (443, 5671, 8883)
# As ufw 0.36 and 0.36.2 wrote it
HEAD = "*filter\n:ufw-user-input - [0:0]\n:ufw-user-output - [0:0]\n### RULES ###\n"
TAIL = "\n### END RULES ###\n\n### LOGGING ###\n-A ufw-after-logging-input -j LOG\n### END LOGGING ###\nCOMMIT\n"
THEIRS = (
    """
### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in
-A ufw-user-input -p tcp --dport 22 -j ACCEPT
""",
    """
### tuple ### allow any 53 0.0.0.0/0 any 0.0.0.0/0 out
-A ufw-user-output -p tcp --dport 53 -j ACCEPT
-A ufw-user-output -p udp --dport 53 -j ACCEPT
""",
    """
### tuple ### deny_log any any 9.9.9.9 any 0.0.0.0/0 out comment=6f6c64
-A ufw-user-logging-output -d 9.9.9.9 -j RETURN
-A ufw-user-output -d 9.9.9.9 -j ufw-user-logging-output
-A ufw-user-output -d 9.9.9.9 -j DROP
""",
    """
### tuple ### route:deny any 53 8.8.8.8 any 0.0.0.0/0 in_eth0!out_eth1
-A ufw-user-forward -i eth0 -o eth1 -p tcp -d 8.8.8.8 --dport 53 -j DROP
""",
    """
### tuple ### allow tcp 80,443 0.0.0.0/0 any 0.0.0.0/0 Apache%20Full - in
-A ufw-user-input -p tcp -m multiport --dports 80,443 -j ACCEPT -m comment --comment 'dapp_Apache%20Full'
""",
    "\n# a line by hand\n",
    "\n### tuple ### nonsense\n",
)
OURS = """
### tuple ### allow tcp 443,5671,8883 20.1.0.0/16 any 0.0.0.0/0 out comment=726f6f7477617665
-A ufw-user-output -p tcp -m multiport --dports 443,5671,8883 -d 20.1.0.0/16 -j ACCEPT
"""


def rules_of(*texts, version=4):
    found = ufw_files.parse((HEAD + "".join(texts) + TAIL).encode(), "user.rules")
    return [rule for chunk in found.chunks for rule in [ufw_files.rule_of(chunk, version)] if rule]


def rule(text, version=4):
    return ufw_files.rule_of(("### tuple ### " + text,), version)


@pytest.mark.parametrize(
    "path, prefix, ports, lines",
    [
        ("output", "20.1.0.0/16", PORTS, tuple(OURS.split("\n")[1:3])),
        (
            "output",
            "10.9.8.8/32",
            (8883,),
            (
                "### tuple ### allow tcp 8883 10.9.8.8 any 0.0.0.0/0 out comment=726f6f7477617665",
                "-A ufw-user-output -p tcp -d 10.9.8.8 --dport 8883 -j ACCEPT",
            ),
        ),
        (
            "forward",
            "2603:1030::/32",
            PORTS,
            (
                "### tuple ### route:allow tcp 443,5671,8883 2603:1030::/32 any ::/0 in comment=726f6f7477617665",
                "-A ufw6-user-forward -p tcp -m multiport --dports 443,5671,8883 -d 2603:1030::/32 -j ACCEPT",
            ),
        ),
        (
            "output",
            "2603:1030::5/128",
            (443, 8883),
            (
                "### tuple ### allow tcp 443,8883 2603:1030::5 any ::/0 out comment=726f6f7477617665",
                "-A ufw6-user-output -p tcp -m multiport --dports 443,8883 -d 2603:1030::5 -j ACCEPT",
            ),
        ),
    ],
)
def test_ours_are_written_as_ufw_writes_them_and_known_again(path, prefix, ports, lines):
    assert ufw_files.lines_of(path, prefix, ports) == lines
    found = ufw_files.rule_of(lines, 6 if ":" in prefix else 4)
    assert (found.ours, found.normal, found.path, found.numbers) == (True, True, path, ports)
    assert prefixes.prefixes_of(found.interval) == [prefix]
    altered = ufw_files.rule_of((lines[0], lines[1] + " "), 6 if ":" in prefix else 4)
    assert (altered.ours, altered.normal) == (True, False)


def test_rules_of_an_administrator():
    found = rules_of(*THEIRS)
    assert [(one.path, one.action, one.protocol, one.ports, one.anywhere, one.ours) for one in found] == [
        ("input", "allow", "tcp", "22", True, False),
        ("output", "allow", "any", "53", True, False),
        ("output", "deny", "any", "any", True, False),
        ("forward", "deny", "any", "53", False, False),
        ("input", "allow", "tcp", "80,443", True, False),
    ]
    assert prefixes.prefixes_of(found[2].interval) == ["9.9.9.9/32"]


@pytest.mark.parametrize(
    "text",
    [
        "deny tcp 443 20.1.0.0/16 any 0.0.0.0/0 out",
        "allow udp 443 20.1.0.0/16 any 0.0.0.0/0 out",
        "allow any 443 20.1.0.0/16 any 0.0.0.0/0 out",
        "allow tcp 443 20.1.0.0/16 any 0.0.0.0/0 in",
        "allow tcp 443 20.1.0.0/16 any 0.0.0.0/0 out_eth0",
        "allow tcp 443 20.1.0.0/16 any 10.0.0.1 out",
        "allow tcp 443 20.1.0.0/16 1024 0.0.0.0/0 out",
        "allow tcp 443:445 20.1.0.0/16 any 0.0.0.0/0 out",
        "allow tcp any 20.1.0.0/16 any 0.0.0.0/0 out",
        "allow_log tcp 443 20.1.0.0/16 any 0.0.0.0/0 out",
    ],
)
def test_our_comment_on_a_rule_that_we_would_not_write_makes_it_nobody_elses(text):
    assert not rule(text + ufw_files.COMMENT).ours
    assert not rule("allow tcp 443 20.1.0.0/16 any 0.0.0.0/0 out comment=726f6f74").ours
    assert rule("allow tcp 443 20.1.0.0/16 any 0.0.0.0/0 out" + ufw_files.COMMENT).ours


@pytest.mark.parametrize("spoiled", ["*filter\nCOMMIT\n", HEAD + "COMMIT\n", TAIL + HEAD, HEAD + HEAD + TAIL, ""])
def test_a_file_that_ufw_did_not_write(spoiled):
    with pytest.raises(CommandFailed, match="user.rules is not as ufw writes it"):
        ufw_files.parse(spoiled.encode(), "user.rules")


def test_parts_of_a_file_are_its_bytes():
    chance = random.Random("issue 5")
    for _each in range(200):
        texts = [chance.choice([*THEIRS, OURS]) for _one in range(chance.randint(0, 6))]
        text = HEAD + "".join(texts) + chance.choice([TAIL, TAIL[1:], "\n" + TAIL, TAIL.rstrip("\n"), TAIL + "\udcff"])
        data = text.encode("utf-8", "surrogateescape")
        found = ufw_files.parse(data, "user.rules")
        assert found.data() == data
        assert all(sum(line.startswith("### tuple") for line in chunk) < 2 for chunk in found.chunks)
        more = ("", *ufw_files.lines_of("output", "20.2.0.0/16", PORTS))
        longer = found._replace(chunks=(*found.chunks, more)).data()
        again = ufw_files.parse(longer, "user.rules")
        assert again.chunks == (*found.chunks, more), "what was last is not told from ours"
        assert again._replace(chunks=again.chunks[:-1]).data() == data


@pytest.mark.parametrize(
    "text, meets, admits",
    [
        ("allow tcp any 20.1.0.0/16 any 0.0.0.0/0 out", True, True),
        ("allow any any 20.1.0.0/16 any 0.0.0.0/0 out", True, True),
        ("allow tcp 443,5671,8883 20.1.0.0/16 any 0.0.0.0/0 out", True, True),
        ("allow tcp 443,5000:9000 20.1.0.0/16 any 0.0.0.0/0 out", True, True),
        ("allow tcp 443,8883 20.1.0.0/16 any 0.0.0.0/0 out", True, False),
        ("allow tcp 8884:9000 20.1.0.0/16 any 0.0.0.0/0 out", False, False),
        ("allow udp any 20.1.0.0/16 any 0.0.0.0/0 out", False, False),
        ("allow tcp any 20.1.0.0/16 any 0.0.0.0/0 out_eth1", True, False),
        ("allow tcp any 20.1.0.0/16 any 10.0.0.1 out", True, False),
        ("deny any any 20.1.0.0/16 any 0.0.0.0/0 out", True, False),
        ("limit tcp 8883 20.1.0.0/16 any 0.0.0.0/0 out", True, False),
    ],
)
def test_what_a_rule_decides_about(text, meets, admits):
    assert (rule(text).meets(PORTS), rule(text).admits(PORTS)) == (meets, admits)


def test_what_others_admit_is_what_no_deny_of_theirs_has_taken_before():
    rules = [
        rule("allow tcp any 20.1.0.0/16 any 0.0.0.0/0 out"),
        rule("allow tcp 443 20.2.0.0/16 any 0.0.0.0/0 out"),
        rule("deny any any 20.3.4.0/24 any 0.0.0.0/0 out"),
        rule("allow any any 20.3.0.0/16 any 0.0.0.0/0 out"),
        rule("allow any any 20.4.0.0/16 any 0.0.0.0/0 out"),
        ufw_files.rule_of(tuple(OURS.split("\n")[1:3]), 4),
    ]
    whole, some = ufw_rules.State(True, {}, rules={4: rules}).admitted(PORTS)
    assert whole == parsed("20.1.0.0/16", "20.4.0.0/16")
    assert some == parsed("20.1.0.0/16", "20.2.0.0/16", "20.3.0.0/16", "20.4.0.0/16")


def test_rules_beside_ours_are_met_and_leave_nothing_to_add():
    new, old = parsed("20.1.0.0/16", "20.2.0.0/16"), parsed("20.3.0.0/16")
    plan = wanted.stage(new, old, [], [], parsed("20.0.0.0/15", "20.2.5.0/24"))
    assert (plan.add, plan.overlaps) == (tuple(parsed("20.2.0.0/16", "20.3.0.0/16")), ())
    plan = wanted.retire(new, old, parsed("20.2.0.0/16", "20.3.0.0/16"), [], parsed("20.1.0.0/16"), parsed("20.3.9.0/24"))
    assert (plan.add, plan.delete, plan.missing, plan.foreign) == ((), (old[0],), (), tuple(parsed("20.3.9.0/24")))


DENY = "deny tcp any 20.1.9.0/24 any 0.0.0.0/0 out"


@pytest.mark.parametrize(
    "texts, blocked",
    [
        ([DENY], True),
        (["limit tcp 8883 20.1.0.0/24 any 0.0.0.0/0 out"], True),
        (["reject any any host.example any 0.0.0.0/0 out"], True),  # not understood, so it may
        (["deny udp any 20.1.9.0/24 any 0.0.0.0/0 out"], False),
        (["deny tcp 25 20.1.9.0/24 any 0.0.0.0/0 out"], False),
        (["deny tcp any 20.2.9.0/24 any 0.0.0.0/0 out"], False),
        ([], False),
    ],
)
def test_a_deny_comes_before_what_is_new(texts, blocked):
    now = ufw_rules.State(True, {}, versions=(4, 6), rules={4: [rule(text) for text in texts], 6: []})
    found = ufw._come_too_late(OUTPUT, now, {"prefixes": ["20.1.0.0/16"], "ports": list(PORTS)})
    assert [one.id for one in found] == ["allowlist-place"] * blocked


@pytest.mark.parametrize("order, blocked", [("deny first", True), ("ours first", False)])
def test_a_deny_that_came_later(order, blocked):
    ours = ufw_files.rule_of(tuple(OURS.split("\n")[1:3]), 4)
    rules = [rule(DENY), ours] if blocked else [ours, rule(DENY)]
    now = ufw_rules.State(True, {}, versions=(4,), rules={4: rules}, ports=PORTS)
    assert [one.id for one in ufw._shadowed(OUTPUT, now)] == ["allowlist-place"] * blocked


LISTED = """\
*filter
:ufw-user-output - [0:0]
[7:420] -A ufw-user-output -d 20.1.0.0/16 -p tcp -m multiport --dports 443,5671,8883 -j ACCEPT
COMMIT
"""


@pytest.fixture
def etc(monkeypatch, tmp_path):
    """ufw's files in a folder, and iptables-save's answer as it was recorded; what iptables-restore is told goes to a list."""
    told = []

    def run(argv, stdin=b"", **_rest):
        if argv[0].endswith("save"):
            return LISTED.encode()
        told.append((argv[0], stdin.decode()))
        return b""

    monkeypatch.setattr(ufw_rules, "PATHS", {4: str(tmp_path / "user.rules"), 6: str(tmp_path / "user6.rules")})
    (tmp_path / "default").write_text("IPV6=no\n")
    monkeypatch.setattr(ufw_rules, "DEFAULTS", str(tmp_path / "default"))
    monkeypatch.setattr(ufw_rules, "LOCK", str(tmp_path / "lock"))
    monkeypatch.setattr(ufw_rules, "run", run)
    return tmp_path, told


def test_a_place_is_read_from_the_files_and_checked_in_the_kernel(etc):
    folder, _told = etc
    (folder / "user.rules").write_text(HEAD + "".join(THEIRS) + OURS + TAIL)
    now = ufw_rules.read(OUTPUT)
    assert now.value(OUTPUT) == {"prefixes": ["20.1.0.0/16"], "ports": list(PORTS)}
    assert [one.packets for one in now.elements[4] if one.ours] == [7]
    assert (now.versions, now.alive) == ((4,), (4,))
    (folder / "user.rules").write_text(HEAD + OURS + OURS.replace("20.1", "20.2") + TAIL)
    assert ufw_rules.read(OUTPUT).value(OUTPUT) == {
        "prefixes": ["20.1.0.0/16", "20.2.0.0/16"],
        "ports": list(PORTS),
        "damaged": True,
    }
    again = ufw_rules.read(OUTPUT).counter
    (folder / "user.rules").write_bytes((folder / "user.rules").read_bytes())
    assert again != now.counter and ufw_rules.read(OUTPUT).counter != again, "the counters may have begun anew"
    (folder / "user.rules").unlink()
    assert not ufw_rules.read(OUTPUT).found


def test_a_move_adds_behind_and_takes_out_only_what_the_kernel_has(etc):
    folder, told = etc
    path = folder / "user.rules"
    path.write_text(HEAD + OURS + "".join(THEIRS) + OURS.replace("20.1", "20.2") + TAIL)
    path.chmod(0o640)
    value = {"prefixes": ["20.3.0.0/16"], "ports": list(PORTS)}
    ufw_rules.move(OUTPUT, ufw_rules.read(OUTPUT), value)
    assert path.read_text() == HEAD + "".join(THEIRS) + OURS.replace("20.1", "20.3") + TAIL
    assert path.stat().st_mode & 0o777 == 0o640
    rule_text = "A ufw-user-output -p tcp -m multiport --dports 443,5671,8883 -d 20.{0}.0.0/16 -j ACCEPT\n"
    text = "*filter\n-D" + rule_text.format(1)[1:] + "-" + rule_text.format(3) + "COMMIT\n"
    assert told == [("iptables-restore", text)]
    ufw_rules.move(OUTPUT, ufw_rules.read(OUTPUT), None)
    assert path.read_text() == HEAD + "".join(THEIRS) + TAIL


def test_the_other_path_is_another_place(etc):
    folder, told = etc
    (folder / "user.rules").write_text(HEAD + OURS + TAIL)
    now = ufw_rules.read(FORWARD)
    assert (now.value(FORWARD), now.alive) == ({"prefixes": [], "ports": []}, ())
    ufw_rules.move(FORWARD, now, {"prefixes": ["20.1.0.0/16"], "ports": [443]})
    assert (folder / "user.rules").read_text().startswith(HEAD + OURS + "\n### tuple ### route:allow tcp 443 20.1.0.0/16")
    assert told == [], "there is no such chain in the kernel"


@pytest.mark.parametrize("count, blocked", [(15, []), (16, ["allowlist-ruleset"])])
def test_more_ports_than_a_rule_takes(etc, monkeypatch, count, blocked):
    monkeypatch.setattr(ufw, "_loads_not", list)
    now = ufw_rules.State(True, {}, versions=(4,), rules={4: []})
    value = {"prefixes": ["20.1.0.0/16"], "ports": list(range(1, count + 1))}
    assert [one.id for one in ufw.rehearse([(OUTPUT, now, value)])] == blocked


def test_a_lock_that_is_not_given_up(etc, monkeypatch):
    """Refused with the lock's name; as it was a moment ago it is taken."""
    folder, _told = etc
    monkeypatch.setattr(ufw_rules, "LOCK_WAIT", 0.0)
    script = "import fcntl, sys; lock = open(sys.argv[1], 'w'); fcntl.lockf(lock, fcntl.LOCK_EX); print(flush=True); input()"
    argv = [sys.executable, "-c", script, str(folder / "lock")]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        assert [one.id for one in ufw.rehearse([])] == ["allowlist-tool"]
        holder.communicate(b"\n")
    assert ufw.rehearse([]) == []
