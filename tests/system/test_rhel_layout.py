# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""RHEL's layout with p11-kit's real trust(1), on Debian 13: the layout and the tool, not the distribution."""

from __future__ import annotations

import pytest

from lab import commands, config, hub_client, pki
from tests.system.fleet import Fleet

BUNDLE = "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"


@pytest.fixture
def rhel(tmp_path):
    if config.load("rhel") is not None:
        commands.down("rhel", tmp_path)
    yield Fleet(commands.up("rhel", {"only": 1}, tmp_path / "inventory", layout="rhel"), tmp_path)
    commands.down("rhel", tmp_path / "inventory")


def trusts(fleet, root: str) -> bool:
    argv = ("openssl", "verify", "-no_check_time", "-no-CApath", "-CAfile", BUNDLE)
    return fleet.execute("gw-01", *argv, stdin=root.encode()).returncode == 0


def shipped(fleet) -> bytes:
    """What the distribution's package owns: never ours to change, for its next update would bring it back."""
    return fleet.execute("gw-01", "sh", "-c", "find /usr/share/pki -type f -exec sha256sum {} +").stdout


def test_stage_retire_revert(rhel):
    roots = pki.create(rhel.lab.state_dir)
    campaign = rhel.campaign(["only"])
    before, package = rhel.execute("gw-01", "trust", "list").stdout, shipped(rhel)
    assert package.count(b"\n") == 1
    assert trusts(rhel, roots["lab-baltimore"].pem)
    assert not trusts(rhel, roots["lab-g2"].pem)
    run = rhel.play("stage_campaign", campaign)
    assert run.code == 0, run.output
    assert trusts(rhel, roots["lab-g2"].pem)
    hub_client.serve(rhel.lab, "v2")
    run = rhel.play("retire_campaign", campaign)
    assert run.code == 0, run.output
    assert not trusts(rhel, roots["lab-baltimore"].pem)
    assert trusts(rhel, roots["lab-g2"].pem)
    assert shipped(rhel) == package
    again = rhel.play("retire_campaign", campaign)
    assert (again.code, again.changed) == (0, 0), again.output
    assert rhel.play("revert_campaign", campaign, "-e", "rootwave_undo=retire").code == 0
    assert trusts(rhel, roots["lab-baltimore"].pem)
    hub_client.serve(rhel.lab, "v1")
    assert rhel.play("revert_campaign", campaign, "-e", "rootwave_undo=stage").code == 0
    assert rhel.execute("gw-01", "trust", "list").stdout == before
