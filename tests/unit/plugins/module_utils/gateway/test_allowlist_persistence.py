# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What boot loads: asked of a pretended nft; real ones are asked in tests/system."""

from __future__ import annotations

import pytest
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.allowlists import persistence
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.errors import CommandFailed


@pytest.fixture
def asked(monkeypatch):
    """What nft --check was given, in order."""
    given = []

    def run(argv, stdin=b"", timeout=0):
        given.append((argv, stdin.decode()))
        if "broken" in stdin.decode():
            raise CommandFailed("nft ended with code 1: no such table", code=1)
        return b""

    monkeypatch.setattr(persistence, "run", run)
    return given


def test_a_configuration_is_checked_as_boot_finds_the_kernel(asked):
    """Else a table that is only in the kernel now would hide that the whole file fails at boot."""
    assert persistence.loads("/etc/nftables.conf") == ""
    assert asked == [(["nft", "--check", "-f", "-"], 'flush ruleset\ninclude "/etc/nftables.conf"\n')]
    assert "no such table" in persistence.loads("/etc/broken.conf")
