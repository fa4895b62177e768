# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""What stands against changing a place in an nftables ruleset, asked of nft only when something is to change."""

from __future__ import annotations

from ..errors import CommandFailed
from ..model import Blocker
from ..processes import run
from . import nft, nft_moves, nftables


def before_change(seen, moved):
    """Blockers of sets that merge, for the Places that are to change."""
    blockers = []
    for place in moved:
        for version in sorted(seen[place].sets):
            # the JSON of nft 1.0.6 and older is silent about auto-merge
            name = place.set_of(version)
            text = run([*nft.NFT, "-t", "list", "set", place.family, place.table, name], timeout=nft.TIMEOUT)
            if b"auto-merge" in text:
                blockers.append(nftables.merging(place, name))
    return blockers


def rehearse(moves):
    """Blockers of what the kernel would refuse, asked by ``nft --check``; ``moves`` are (Place, State, wanted value)."""
    blockers = []
    for place, state, value in moves:
        try:
            run(
                [*nft.NFT, "--check", "-f", "-"],
                stdin=nft_moves.commands(place, state, value).encode("ascii"),
                timeout=nft.TIMEOUT,
            )
        except CommandFailed as exc:
            blockers.append(Blocker("allowlist-overlap", "{0}: the kernel would not take it: {1}".format(place.label, exc)))
    return blockers


__all__ = ("before_change", "rehearse")
