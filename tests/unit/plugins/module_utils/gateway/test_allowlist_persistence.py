# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What boot loads: asked of a pretended nft; real ones are asked in tests/system."""

from __future__ import annotations

import pytest
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.allowlists import boot_files, persistence
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.allowlists.document import Place
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


@pytest.mark.parametrize(
    "line, taken",
    [
        ('include "{0}/*.nft"', True),
        ("include '{0}/*'", True),
        ('include "{0}/*.conf"', False),
        ('include "{0}/rootwave-output.nft"', False),
        ('include "{0}/rootwave-output*.nft"', False),
        ('# include "{0}/*.nft"', False),
        ('include "{0}/nowhere/*.nft"', False),
    ],
)
def test_an_include_line_that_takes_every_file_of_ours(tmp_path, line, taken):
    """One that takes some would pass every check and lose the others at boot."""
    path = tmp_path / "nftables.conf"
    path.write_text(line.format(tmp_path) + "\n")
    assert (boot_files.Configuration(str(path)).number == 0) is taken


def test_no_two_places_share_a_file(tmp_path):
    path = tmp_path / "nftables.conf"
    path.write_text('include "{0}/*.nft"\n'.format(tmp_path))
    found = boot_files.Configuration(str(path))
    places = [
        Place("output", "nftables", "managed_chain", "inet", "a", chain="b-c"),
        Place("output", "nftables", "managed_chain", "inet", "a-b", chain="c"),
        Place("output", "nftables", "named_set", "inet", "a-b", set4="c"),
        Place("output", "nftables", "named_set", "inet", "a-b", set6="c"),
        Place("output", "nftables", "named_set", "inet", "a", set4="b", set6="c"),
        Place("output", "nftables", "named_set", "inet", "a", set4="b-c"),
    ]
    assert len({found.file_of(place) for place in places}) == len(places)
    longest = Place("forward", "nftables", "named_set", "inet", "t" * 64, set4="u" * 64, set6="v" * 64)
    found.pattern = found.pattern.replace(str(tmp_path), "")
    assert len(found.file_of(longest)) + len(".rootwave") < 255, "a temporary file beside it has a longer name"
