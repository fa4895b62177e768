# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that die, and runs that meet."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path

from lab import hub_client, openssl
from lab.tools import run
from tests.system.fleet import environment, wait_until

WAVES = ["trio"]


def start(fleet, playbook, campaign) -> subprocess.Popen:
    argv = fleet.argv(playbook, campaign)
    return subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True, env=environment()
    )


def kill(controller: subprocess.Popen) -> None:
    """The control node dies: ansible-playbook and all that it started, workers in sessions of their own too, at once."""
    doomed = [controller.pid, *descendants(controller.pid)]
    for pid in doomed:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    controller.wait()


def descendants(pid: int) -> list[int]:
    children = [int(one) for task in Path(f"/proc/{pid}/task").iterdir() for one in (task / "children").read_text().split()]
    return children + [grandchild for child in children for grandchild in descendants(child)]


def pending(fleet, name) -> bool:
    return bool(fleet.execute(name, "sh", "-c", "ls /var/lib/rootwave/pending").stdout.strip())


def test_control_node_killed_in_the_middle_of_a_wave(fleet, roots):
    trio = fleet.group("trio")
    campaign = fleet.campaign(WAVES)
    controller = start(fleet, "stage_campaign", campaign)
    wait_until(lambda: any(pending(fleet, name) for name in trio), "a pending change")
    kill(controller)
    again = fleet.play("stage_campaign", campaign)
    assert again.code == 0, again.output
    assert fleet.outcomes(trio) == {"done"}
    assert not any(pending(fleet, name) for name in trio)
    for name in trio:
        assert openssl.trusts_in_every_form(fleet.lab, fleet.gateways[name], roots["lab-g2"].pem)
    last = fleet.play("stage_campaign", campaign)
    assert (last.code, last.changed) == (0, 0), last.output


def leave_unconfirmed(fleet, confirm_within):
    """A change that cuts the way in: the store's tool runs a hook that ends sshd, so that no fresh connection confirms it.

    The trust of each gateway as it was.
    """
    trio = fleet.group("trio")
    for name in trio:
        hook = "/etc/ca-certificates/update.d/cut"
        script = b"#!/bin/sh\nsystemctl stop ssh.service\n"
        fleet.alter(name, "sh", "-c", f"cat > {hook} && chmod 755 {hook}", stdin=script)
    before = {name: fleet.trust_files(name) for name in trio}
    campaign = fleet.campaign(WAVES, policy={"confirm": "required", "confirm_within": confirm_within})
    run = fleet.play("stage_campaign", campaign)
    assert run.code != 0
    assert "3 unreachable" in run.output
    assert "applied, but not confirmed, so it reverts by itself: no fresh connection" in run.output
    assert all(pending(fleet, name) for name in trio)
    return before


def test_unconfirmed_change_reverts_by_itself(fleet, roots):
    """No payload, no control node: the timer on the gateway does it."""
    before = leave_unconfirmed(fleet, confirm_within=60)
    for name in before:
        wait_until(lambda name=name: not pending(fleet, name), f"the revert of {name}")
        wait_until(lambda name=name: fleet.report(name)["outcome"] == "reverted", f"the report of {name}")
        assert not openssl.trusts(fleet.lab, fleet.gateways[name], roots["lab-g2"].pem)
        assert fleet.trust_files(name) == before[name]


def test_unconfirmed_change_reverts_at_boot(fleet, roots):
    """Its timer would come an hour later; the boot does not wait for it."""
    before = leave_unconfirmed(fleet, confirm_within=3600)
    for name in before:
        run(["podman", "restart", "--time", "0", fleet.lab.container(fleet.gateways[name])])
    for name in before:
        wait_until(lambda name=name: not pending(fleet, name), f"the revert of {name}")
        assert not openssl.trusts(fleet.lab, fleet.gateways[name], roots["lab-g2"].pem)
        assert fleet.trust_files(name) == before[name]


def test_two_controllers_at_once(fleet):
    campaign = fleet.campaign(WAVES)
    controllers = [start(fleet, "stage_campaign", campaign) for _each in range(2)]
    outputs = [controller.communicate(timeout=180)[0] for controller in controllers]
    assert [controller.returncode for controller in controllers] == [0, 0], "\n".join(outputs)
    assert fleet.outcomes(fleet.group("trio")) == {"done"}


def test_stage_retire_revert(fleet, roots):
    """The whole way there and back: after two reverts the gateways' trust is what it was, file by file."""
    trio = fleet.group("trio")
    before = {name: fleet.trust_files(name) for name in trio}
    campaign = fleet.campaign(WAVES)
    assert fleet.play("stage_campaign", campaign).code == 0
    hub_client.serve(fleet.lab, "v2")
    assert fleet.play("retire_campaign", campaign).code == 0
    for name in trio:
        assert not openssl.trusts(fleet.lab, fleet.gateways[name], roots["lab-baltimore"].pem)
    assert fleet.play("revert_campaign", campaign, "-e", "rootwave_undo=retire").code == 0
    for name in trio:
        assert openssl.trusts_in_every_form(fleet.lab, fleet.gateways[name], roots["lab-baltimore"].pem)
    refused = fleet.play("revert_campaign", campaign, "-e", "rootwave_undo=stage")
    assert refused.code != 0, "without the new roots the hub on its new chain would not verify"
    assert "endpoint-tls-untrusted" in refused.output
    hub_client.serve(fleet.lab, "v1")
    assert fleet.play("revert_campaign", campaign, "-e", "rootwave_undo=stage").code == 0
    assert {name: fleet.trust_files(name) for name in trio} == before


def test_baltimore_stays_away(fleet, roots):
    """The distribution's own tools and a reinstalled package do not bring a retired root back in any form."""
    trio = fleet.group("trio")
    campaign = fleet.campaign(WAVES)
    assert fleet.play("stage_campaign", campaign).code == 0
    hub_client.serve(fleet.lab, "v2")
    assert fleet.play("retire_campaign", campaign).code == 0
    real = (fleet.anchors / "baltimore-cybertrust-root.pem").read_text()
    for name in trio:
        for command in (
            ["dpkg-reconfigure", "-f", "noninteractive", "ca-certificates"],
            ["sh", "-c", "dpkg -i /usr/share/lab/ca-certificates_*.deb"],
            ["update-ca-certificates"],
        ):
            fleet.alter(name, *command)
            for root in (roots["lab-baltimore"].pem, real):
                assert not openssl.trusts(fleet.lab, fleet.gateways[name], root), f"{name} after {command}"
            assert openssl.trusts_in_every_form(fleet.lab, fleet.gateways[name], roots["lab-g2"].pem)
            dangling = fleet.execute(name, "find", "-L", "/etc/ssl/certs", "-type", "l").stdout
            assert dangling == b"", dangling
    again = fleet.play("retire_campaign", campaign)
    assert (again.code, again.changed) == (0, 0), again.output
