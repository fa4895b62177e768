# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's own promise: up makes what is missing, down removes all and only what up made."""

from __future__ import annotations

import json
import os

import pytest

from lab import commands, config, count, fleet, hub_client, images
from lab.hub_config import HUB_WEST
from lab.tools import LabError, run
from tests.system.fleet import wait_until

NAME = "promise"
FILTERED = "promise-filters"


def made(label) -> dict[str, set[str]]:
    """What podman has with this label: {"containers", "networks", "images"}."""
    wanted = f"label={label}"
    containers = run(["podman", "ps", "--all", "--quiet", "--no-trunc", "--filter", wanted]).split()
    networks = json.loads(run(["podman", "network", "ls", "--format", "json", "--filter", wanted]))
    images = run(["podman", "images", "--quiet", "--no-trunc", "--filter", wanted]).split()
    return {"containers": set(containers), "networks": {one["name"] for one in networks}, "images": set(images)}


def test_up_twice_and_down(lab, tmp_path):
    """The session's own lab stands beside this one all the time and must not be touched."""
    if config.load(NAME) is not None:
        commands.down(NAME, tmp_path / "inventory")
    own, other = f"rootwave.lab={NAME}", f"rootwave.lab={lab.name}"
    neighbour = made(other)
    assert len(neighbour["containers"]) == len(lab.gateways)
    some = commands.up(NAME, {"only": 1}, tmp_path / "inventory")
    try:
        first = made(own)
        assert roots(lab) < 20 and roots(some) > 100
        assert [len(first[kind]) for kind in ("containers", "networks", "images")] == [1, 1, 1]
        commands.up(NAME, {"only": 1}, tmp_path / "inventory")
        assert made(own) == first
        with pytest.raises(LabError, match="end it first"):
            commands.up(NAME, {"only": 2}, tmp_path / "inventory")
    finally:
        commands.down(NAME, tmp_path / "inventory")
    assert made(own) == {"containers": set(), "networks": set(), "images": set()}
    assert not config.state_dir_of(NAME).exists()
    assert not list((tmp_path / "inventory").rglob("hosts*"))
    assert made(other) == neighbour


def test_gateways_behind_a_filter(tmp_path):
    """They reach the hub where it is and nothing else, also after a reboot and when made anew; one of them out of a container."""
    if config.load(FILTERED) is not None:
        commands.down(FILTERED, tmp_path)
    lab = commands.up(FILTERED, {"trio": 3}, tmp_path, kind="nftables")
    try:
        boxed = lab.gateways[2]
        sessions = ["ss", "-Htn", "dport", "=", ":8883"]
        asked = [(sessions, False), (["ip", "netns", "exec", "box", *sessions], True)]
        for again in (lambda: None, lambda: run(["podman", "restart", "--time", "0", lab.container(boxed)]), lambda: renew(lab)):
            again()
            assert hub_client.wait_connected(lab, 3, 60)
            fleet.wait_ready(lab, boxed)
            assert count.let_out(lab, lab.old_address) == {one.name for one in lab.gateways}
            assert count.let_out(lab, lab.where.hubs[HUB_WEST]) == set()
            for argv, there in asked:
                wait_until(lambda argv=argv, there=there: holds(lab, boxed, argv) == there, " ".join(argv))
        hub_client.cutover(lab)
        assert count.let_out(lab, lab.new_address) == set()
    finally:
        commands.down(FILTERED, tmp_path)


def test_programs_past_ssh_have_a_gateways_rights_and_no_more(lab):
    gateway = lab.gateways[0]
    asked = ["sh", "-c", "grep ^Cap /proc/self/status; env | grep -v ^HOSTNAME= | sort; id; pwd; hostname"]
    assert fleet.execute(lab, gateway, asked).stdout.decode() == run(["podman", "exec", lab.container(gateway), *asked])
    mount = ["mount", "-t", "tmpfs", "none", "/mnt"]
    assert b"permission denied" in fleet.execute(lab, gateway, mount).stderr
    assert fleet.execute(lab, gateway, ["sh", "-c", "kill -9 $$"]).returncode == 137
    assert fleet.execute(lab, gateway, ["cat"], b"by standard input").stdout == b"by standard input"


def roots(lab) -> int:
    return fleet.execute(lab, lab.gateways[0], ["cat", "/etc/ssl/certs/ca-certificates.crt"]).stdout.count(b"BEGIN CERTIFICATE")


def test_no_program_gets_past_its_gateway(lab):
    """A pid that was kept is the test's own by now: nothing runs at the lab's host in its place."""
    gateway = lab.gateways[0]
    note = lab.state_dir / "containers" / f"{lab.container(gateway)}.pid"
    kept = note.read_text()
    try:
        for pid in (str(os.getpid()), "4194304", ""):  # pid_max(5): nobody has that one
            note.write_text(pid)
            assert fleet.execute(lab, gateway, ["hostname"]).stdout.decode().strip() == gateway.name
    finally:
        note.write_text(kept)


def holds(lab, gateway, argv):
    return bool(fleet.execute(lab, gateway, argv).stdout)


def renew(lab):
    fleet.renew(lab, lab.gateways, images.choose_runtime(images.base_image("trixie")))
