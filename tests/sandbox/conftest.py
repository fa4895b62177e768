# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab of its own, and never beside another one: its container may do what a gateway's may not."""

from __future__ import annotations

import pytest

from lab import commands, config

NAME = "sandbox"


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """One gateway of each system, for their images; ended with the session."""
    folder = tmp_path_factory.mktemp("inventory")
    if config.load(NAME) is not None:
        commands.down(NAME, folder)
    yield commands.up(NAME, {"trio": 3}, folder, few_roots=True)
    commands.down(NAME, folder)
