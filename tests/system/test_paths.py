# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lossy and half-open paths to a gateway: a change of its allowlist ends confirmed or reverted, and is never pending for ever."""

from __future__ import annotations

import os
import sys

import pytest

from lab import commands, config, paths
from tests.system.allowlist_site import SET, Site
from tests.system.fleet import wait_until

NAME = "paths" + os.environ.get("PYTEST_XDIST_WORKER", "")
GATEWAY = "gw-01"
CONFIRM_WITHIN = 20  # seconds
HALF_OPEN = "from lab import config, paths\nlab = config.load({!r})\npaths.half_open(lab, lab.gateways[0], paths.SSH_ANSWER)\n"


@pytest.fixture(scope="module")
def small_lab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inventory")
    if config.load(NAME) is not None:
        commands.down(NAME, folder)
    yield commands.up(NAME, {"trio": 1}, folder)
    commands.down(NAME, folder)


@pytest.fixture
def site(small_lab, tmp_path):
    fresh = Site(small_lab, tmp_path)
    fresh.hub_as_new()
    fresh.renew()
    fresh.both_addresses()
    fresh.filter(GATEWAY)
    yield fresh
    paths.mend_all(small_lab)


def staged(site):
    return site.document("stage", [SET], confirm_within=CONFIRM_WITHIN)


@pytest.mark.parametrize("percent", [5, 20])
def test_a_lossy_path_ends_confirmed_or_reverted(site, percent):
    """TCP repeats what is lost, so either may come out; what must not is half of one."""
    gateway, before = site.gateways[GATEWAY], site.rules(GATEWAY)
    paths.lossy(site.lab, gateway, percent)
    site.over_ssh(GATEWAY, staged(site))
    wait_until(lambda: not site.pending(GATEWAY), "the commit or the revert")
    assert paths.dropped(site.lab, gateway) > 0, "nothing was lost"
    paths.mend(site.lab, gateway)
    report = site.report(GATEWAY)
    done = report is not None and report["outcome"] == "done"
    assert site.reaches(GATEWAY, site.lab.new_address) == done, report
    assert done or (site.rules(GATEWAY), site.ours(GATEWAY)) == (before, ""), report
    code, output = site.over_ssh(GATEWAY, staged(site))
    assert code == 0, output
    assert site.reaches(GATEWAY, site.lab.new_address)


def test_ssh_half_open_when_it_is_to_be_confirmed(site):
    """The gateway hears the fresh connection and its answer is lost. The connection of the run itself goes on."""
    gateway, before = site.gateways[GATEWAY], site.rules(GATEWAY)
    breaks = {"argv": [sys.executable, "-c", HALF_OPEN.format(site.lab.name)], "chdir": str(config.ROOT)}
    first = [{"ansible.builtin.ping": None}, {"ansible.builtin.command": breaks, "delegate_to": "localhost"}]
    code, output = site.over_ssh(GATEWAY, staged(site), first=first)
    assert code != 0, output
    assert "applied, but not confirmed, so it reverts by itself" in output, output
    assert paths.dropped(site.lab, gateway) > 0, "no answer was lost"
    wait_until(lambda: not site.pending(GATEWAY), "the revert")
    assert (site.rules(GATEWAY), site.ours(GATEWAY)) == (before, "")
    assert site.report(GATEWAY)["outcome"] == "reverted"
    paths.mend(site.lab, gateway)
    code, output = site.over_ssh(GATEWAY, staged(site))
    assert code == 0, output
    assert site.reaches(GATEWAY, site.lab.new_address)


def test_all_that_it_sends_is_lost_while_pending(site):
    """Neither the hub nor the control node hears it."""
    gateway, before = site.gateways[GATEWAY], site.rules(GATEWAY)
    report = site.phase(GATEWAY, "stage", SET, confirm_within=10)
    assert report["outcome"] == "pending", report
    paths.half_open(site.lab, gateway)
    assert not site.reaches(GATEWAY, site.lab.old_address)
    code, output = site.over_ssh(GATEWAY, staged(site))
    assert code != 0 and "UNREACHABLE" in output, output
    wait_until(lambda: not site.pending(GATEWAY), "the revert")
    assert (site.rules(GATEWAY), site.ours(GATEWAY)) == (before, "")
    paths.mend(site.lab, gateway)
    assert site.reaches(GATEWAY, site.lab.old_address)
