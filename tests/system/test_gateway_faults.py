# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be wrong on a gateway, on each system at once. Each: a clear message, and the gateway as it was.

The twin of all of them is test_waves.test_good_waves, where nothing is wrong.
"""

from __future__ import annotations

import pytest

from lab import fleet as lab_fleet

WAVES = ["trio"]


@pytest.fixture
def trio(fleet):
    return fleet.group("trio")


def stage(fleet, message, **overrides):
    """A run that must fail with a message and leave every gateway's trust as it is now."""
    before = {name: fleet.trust_files(name) for name in fleet.group("trio")}
    run = fleet.play("stage_campaign", fleet.campaign(WAVES), overrides=overrides)
    assert run.code != 0, run.output
    assert run.output.count(message) >= len(before), run.output
    assert {name: fleet.trust_files(name) for name in before} == before


def test_not_root(fleet, trio):
    for name in trio:
        fleet.alter(name, "useradd", "--create-home", "maintainer")
    stage(fleet, "trust can only be changed by root", all={"ansible_user": "maintainer", "ansible_become": False})


def test_unsupported_layout(fleet, trio):
    for name in trio:
        fleet.alter(name, "rm", "/usr/sbin/update-ca-certificates")
    stage(fleet, "no system trust store that Rootwave knows")


def test_read_only_etc(fleet, trio):
    for name in trio:
        fleet.alter_mounts(name, "mount --rbind /etc /etc && mount -o remount,ro,bind /etc")
    stage(fleet, "Read-only file system")


def small_disk(fleet, name, free):
    """The store on a file system of its own with so many KiB free."""
    size = f"$(($(du -sk /tmp/certs | cut -f1) + {free}))k"
    fleet.alter_mounts(
        name,
        f"cp -a /etc/ssl/certs /tmp/certs && mount -t tmpfs -o size={size},mode=755 tmpfs /etc/ssl/certs "
        "&& cp -a /tmp/certs/. /etc/ssl/certs && rm -r /tmp/certs",
    )


def test_disk_full(fleet, trio):
    for name in trio:
        small_disk(fleet, name, 40)
    stage(fleet, "disk-full: /etc/ssl/certs has less than")
    assert fleet.outcomes(trio) == {"refused"}


FILLER = "/etc/ssl/certs/.filler"


def test_disk_full_in_the_middle_of_apply(fleet, trio):
    """Somebody fills the disk just when the change is armed: it reverts, and the revert has room kept for it."""
    before = {name: fleet.trust_files(name) for name in trio}
    for name in trio:
        small_disk(fleet, name, 8192)
        wait = "while [ ! -e /etc/ssl/certs/.rootwave-reserve ]; do :; done"
        fleet.alter(name, "systemd-run", "sh", "-c", f"{wait}; dd if=/dev/zero of={FILLER} bs=64k")
    run = fleet.play("stage_campaign", fleet.campaign(WAVES))
    assert run.code != 0, run.output
    assert fleet.outcomes(trio) == {"reverted"}
    for name in trio:
        assert fleet.execute(name, "rm", FILLER).returncode == 0
    assert {name: fleet.trust_files(name) for name in trio} == before


def test_state_directory_full(fleet, trio):
    for name in trio:
        fleet.alter_mounts(name, "mkdir -p /var/lib/rootwave && mount -t tmpfs -o size=16k tmpfs /var/lib/rootwave")
    stage(fleet, "disk-full: /var/lib/rootwave has less than")


@pytest.mark.parametrize("off, direction", [("+30d", "ahead of"), ("-30d", "behind")])
def test_wrong_clock(fleet, trio, off, direction):
    """libfaketime in everything that sshd starts; the clock comes first, before any TLS."""
    try:
        for name in trio:
            fleet.gateways[name].faketime = off
            lab_fleet.write_settings(fleet.lab, fleet.gateways[name])
            fleet.alter(name, "systemctl", "restart", "ssh")
        stage(fleet, direction)
    finally:
        for name in trio:
            fleet.gateways[name].faketime = ""
            lab_fleet.write_settings(fleet.lab, fleet.gateways[name])
    for name in trio:
        report = fleet.report(name)
        assert ([one["id"] for one in report["blockers"]], report["probes"]) == (["clock"], [])


def test_sshd_stopped_on_one_canary(fleet, trio):
    fleet.alter(trio[0], "systemctl", "stop", "ssh.service")
    run = fleet.play("stage_campaign", fleet.campaign(["trio", "second"]))
    assert run.code != 0
    assert "1 unreachable, max_unreachable is 0" in run.output
    assert fleet.outcomes(fleet.group("second")) == {"untouched"}


def test_half_installed_certificate(fleet, trio):
    """Somebody dropped a certificate and never ran the tool: a run of ours would bring it in, unseen by any rehearsal."""
    for name in trio:
        script = "openssl req -x509 -newkey rsa:2048 -nodes -keyout /dev/null -subj /CN=Stranger 2>/dev/null"
        fleet.alter(name, "sh", "-c", f"{script} > /usr/local/share/ca-certificates/stranger.crt")
    stage(fleet, "stale-store")
    assert fleet.outcomes(trio) == {"refused"}
