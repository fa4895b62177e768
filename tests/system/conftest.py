# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import collections
import os

import pytest

from lab import commands, config, pki
from tests.system.allowlist_site import trio
from tests.system.fleet import Fleet

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")  # labs for each worker
NAME = "system" + WORKER
LONG = ("test_agent_around", "test_core_in_images", "test_ufw_rules")


def pytest_collection_modifyitems(items):
    """The order in which workers take files: first those with few tests that take minutes each, then those with most tests."""
    tests = collections.Counter(item.path for item in items)
    items.sort(key=lambda item: (item.path.stem not in LONG, -tests[item.path]))


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """Two waves of four and a trio with one gateway of each system, which trust few roots: one lab for the whole session, ended
    with it. Those of the demo and of molecule trust all that Debian ships."""
    folder = tmp_path_factory.mktemp("inventory")
    if config.load(NAME) is not None:
        commands.down(NAME, folder)
    yield commands.up(NAME, {"trio": 3, "first": 4, "second": 4}, folder, few_roots=True)
    commands.down(NAME, folder)


@pytest.fixture
def fleet(lab, tmp_path):
    """The session's fleet as on its first day, hub and gateways."""
    fresh = Fleet(lab, tmp_path)
    fresh.hub_as_new()
    fresh.renew()
    return fresh


@pytest.fixture(scope="session")
def small_lab(tmp_path_factory):
    """One gateway of each system, for filters."""
    yield from trio("filters" + WORKER, tmp_path_factory.mktemp("inventory"))


@pytest.fixture
def site(request, small_lab, tmp_path):
    """The kind of Site that a module of tests names, with gateways as on their first day."""
    return request.module.SITE(small_lab, tmp_path).fresh()


@pytest.fixture
def roots(lab):
    return pki.create(lab.state_dir)
