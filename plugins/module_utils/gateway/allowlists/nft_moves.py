# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""The tool of nftables: a place moved from one state to another, by text (see nft.py). Part of the revert program."""

from __future__ import annotations

from ..processes import run
from . import nft, nft_own_chain, prefixes

NEEDS = (nft, nft_own_chain)  # modules of this folder that the revert program must have beside this one
read = nft.read


def move(place, now, wanted, lock=None):
    """Bring a place from the State ``now`` to the value ``wanted`` in one transaction. Raises CommandFailed.

    Two where an element comes back around others of ours, as after a retire that had cut it: nft 0.9.8 cannot in one. Whoever is
    killed between them walks again.
    """
    if wanted is not None and _comes_around(now.own(), wanted["prefixes"]):
        stay = set(wanted["prefixes"])
        move(place, now, dict(wanted, prefixes=[text for text in now.own() if text in stay]), lock)
        now = nft.read(place)
    text = commands(place, now, wanted)
    if text:
        run([*nft.NFT, "-f", "-"], stdin=text.encode("ascii"), timeout=nft.TIMEOUT, lock=lock)


def _comes_around(own, wanted):
    come = prefixes.Cover(map(prefixes.parse, set(wanted) - set(own)))
    return any(come.holds(prefixes.parse(text)) for text in set(own) - set(wanted))


def commands(place, now, wanted):
    """The text of that transaction; empty where there is nothing to do."""
    if place.way == "managed_chain" and wanted is None:
        return "".join(line + "\n" for line in _removal(place, now)) if now.chain or now.sets else ""
    lines = []
    if place.way == "managed_chain" and not (now.chain and now.whole and list(now.ports) == wanted["ports"]):
        lines += ["delete rule {0} {1} {2} handle {3}".format(place.family, place.table, *jump) for jump in now.jumps]
        lines += nft_own_chain.frame(place, wanted["ports"])
    own, asked = set(now.own()), set(wanted["prefixes"])
    lines += nft.elements(place, "delete", [text for text in sorted(own) if text not in asked])
    lines += nft.elements(place, "add", [text for text in wanted["prefixes"] if text not in own])
    return "".join(line + "\n" for line in lines)


def shut(place, now, lock=None):
    """Where somebody else refers to our chain or sets, so that they cannot be removed: they let nothing through any more."""
    where = "{0} {1}".format(place.family, place.table)
    lines = ["delete rule {0} {1} handle {2}".format(where, *jump) for jump in now.jumps]
    lines += ["flush chain {0} {1}".format(where, place.own_chain)] if now.chain else []
    lines += ["flush set {0} {1}".format(where, place.set_of(version)) for version in sorted(now.sets)]
    run([*nft.NFT, "-f", "-"], stdin="".join(line + "\n" for line in lines).encode("ascii"), timeout=nft.TIMEOUT, lock=lock)


def _removal(place, now):
    where = "{0} {1}".format(place.family, place.table)
    lines = ["delete rule {0} {1} handle {2}".format(where, *jump) for jump in now.jumps]
    if now.chain:
        lines += ["flush chain {0} {1}".format(where, place.own_chain), "delete chain {0} {1}".format(where, place.own_chain)]
    return lines + ["delete set {0} {1}".format(where, place.set_of(version)) for version in sorted(now.sets)]


__all__ = ("NEEDS", "commands", "move", "read", "shut")
