# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""What the revert program too must know of nftables: how a place is read, and the text that boot loads. nft_moves.py moves it.

Read as JSON, written as text: of nft 0.9.8 the JSON parser drops a set's counter and ends with a segmentation fault where the
kernel says no. What is ours carries the comment ``rootwave``, in the kernel and in the file that is loaded at boot.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from ..errors import BadInput, CommandFailed
from ..processes import run
from . import prefixes, state
from .state import Element

NFT = ("nft",)
MARK = "rootwave"
TIMEOUT = 60.0  # seconds; 4,096 prefixes take 0.1 s
ELEMENTS_MOST = 200  # of one command; nft 1.1.3 fails to delete some thousands at once ("No buffer space available")
TYPES = {4: "ipv4_addr", 6: "ipv6_addr"}
PROTOCOLS = {4: "ip", 6: "ip6"}


class State(NamedTuple):
    """One place as it is now. ``found`` is False where its table, set or chain is missing.

    ``ports`` and ``jumps`` (handles) are those of our own chain; ``chain`` says whether that one exists, ``whole`` whether it
    is exactly as we made it and is jumped to from the place's chain. ``counter`` holds the handles of table and sets, which the
    kernel gives anew to what is loaded again.
    """

    found: bool
    elements: dict  # IP version: Elements, of the versions that have a set here
    sets: dict  # IP version: the set as nft describes it, its elements left out
    chain: bool = False
    whole: bool = True
    ports: tuple = ()
    jumps: tuple = ()
    counter: str = ""

    def own(self):
        return state.own(self.elements)

    def others(self):
        return state.others(self.elements)

    def value(self, place):
        """What a switch compares and brings back: JSON, None where our chain is not there."""
        if place.way == "named_set":
            return {"prefixes": self.own()}
        return (
            dict({"prefixes": self.own(), "ports": list(self.ports)}, **({} if self.whole else {"damaged": True}))
            if self.chain
            else None
        )


def list_table(place):
    """The objects of a place's table, a list; None where there is none. Raises CommandFailed."""
    try:
        listed = run([*NFT, "-j", "list", "table", place.family, place.table], timeout=TIMEOUT)
    except CommandFailed as exc:
        if "No such file or directory" in str(exc) and exc.details.get("code") == 1:
            return None
        raise
    return json.loads(listed.decode("utf-8"))["nftables"]


def read(place, table=None):
    """The State of a place; ``table`` is its table's objects where they were listed before."""
    table = list_table(place) if table is None else table
    kinds: dict[str, list] = {"table": [], "set": [], "chain": [], "rule": []}
    for item in table or ():
        for kind, found in kinds.items():
            if kind in item:
                found.append(item[kind])
    named = {one["name"]: one for one in kinds["set"]}
    sets = {version: named[name] for version in (4, 6) for name in [place.set_of(version)] if name in named}
    elements = {version: _elements(found, version) for version, found in sets.items()}
    plain = {version: {key: value for key, value in found.items() if key != "elem"} for version, found in sets.items()}
    counter = "-".join(str(one.get("handle")) for one in [*kinds["table"], *sets.values()])
    if place.way == "named_set":
        wanted = [version for version in (4, 6) if place.set_of(version)]
        return State(all(version in sets for version in wanted), elements, plain, counter=counter)
    from . import nft_own_chain  # on a gateway every import is compiled anew

    return nft_own_chain.read(place, kinds, elements, plain, counter)


def elements(place, verb, texts, mark=True):
    """Commands that add or delete elements, each of a bearable size; what comes gets our mark."""
    lines = []
    suffix = ' comment "{0}"'.format(MARK) if verb == "add" and mark else ""
    for version in (4, 6):
        mine = [text + suffix for text in texts if (":" in text) == (version == 6)]
        for start in range(0, len(mine), ELEMENTS_MOST):
            batch = ", ".join(mine[start : start + ELEMENTS_MOST])
            lines.append(
                "{0} element {1} {2} {3} {{ {4} }}".format(verb, place.family, place.table, place.set_of(version), batch)
            )
    return lines


def _elements(found, version):
    """A set's Elements; empty for a set whose elements are no addresses, which is refused by its type."""
    listed = []
    for item in found.get("elem", ()):
        detail = item.get("elem", {}) if isinstance(item, dict) else {}
        interval = interval_of(detail.get("val", item), version)
        if interval:
            packets = detail.get("counter", {}).get("packets")
            listed.append(Element(interval, detail.get("comment") == MARK, packets))
    return listed


def interval_of(value, version):
    """None for what is no address of this IP version: a port, an interface, a pair."""
    if not isinstance(value, dict):
        value = {"range": [value, value]}
    try:
        if "prefix" in value:
            found = prefixes.parse("{addr}/{len}".format(**value["prefix"]))
        else:
            first, last = map(prefixes.parse, value.get("range") or (None, None))
            found = first._replace(last=last.last)
    except BadInput:
        return None
    return found if found.version == version else None


__all__ = ("MARK", "State", "elements", "interval_of", "list_table", "read")
