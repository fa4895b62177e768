# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""The ``allowlist`` section of a desired document, checked key by key: foreign JSON becomes typed here and nowhere else."""

from __future__ import annotations

import re
from typing import NamedTuple

from ..errors import BadInput
from . import prefixes

PREFIXES_MOST = 4096
PLACES_MOST = 8
PORTS_MOST = 16
SOURCE_MOST = 1000  # characters; of one prefix that many sources name
QUIET_MOST = 90 * 86400  # seconds
PATHS = ("output", "forward")
# what nft takes without quotes; an ipset's name has at most 31 characters, an iptables chain's 28, a firewalld policy's 17
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
LONGEST = {("iptables", "set4"): 31, ("iptables", "set6"): 31, ("iptables", "chain"): 28, ("firewalld", "policy"): 17}
KEYS = {"new", "old", "private", "ports", "quiet_period", "places"}
# backend and way: (required keys, optional keys)
SHAPES: dict = {
    ("nftables", "named_set"): ({"family", "table"}, {"set4", "set6"}),
    ("nftables", "managed_chain"): ({"family", "table", "chain"}, set()),
    ("firewalld", "named_set"): (set(), {"set4", "set6"}),
    ("firewalld", "managed_rules"): ({"policy"}, set()),
    ("ufw", "managed_rules"): (set(), set()),
    ("iptables", "named_set"): (set(), {"set4", "set6"}),
    ("iptables", "managed_chain"): ({"family", "chain"}, set()),
    ("none", None): (set(), set()),
}
STAND_ALONE = {("ufw", "managed_rules"), ("iptables", "named_set"), ("firewalld", "managed_rules")}
FAMILIES = {"inet": (4, 6), "ip": (4,), "ip6": (6,)}


class Prefix(NamedTuple):
    """Addresses and where they come from, for humans."""

    interval: prefixes.Interval
    text: str
    source: str


class Place(NamedTuple):
    """Where a gateway's own ruleset lets addresses through: a set or a chain of its administrator."""

    path: str
    backend: str
    way: str | None = None
    family: str = ""
    table: str = ""
    set4: str | None = None
    set6: str | None = None
    chain: str | None = None
    policy: str | None = None

    @property
    def label(self):
        """One name for humans, the same in plans, diffs and refusals."""
        if self.backend == "none":
            return "{0}: no filter".format(self.path)
        sets = " ".join("@" + name for name in (self.set4, self.set6) if name)
        where = "chain " + self.chain if self.chain else "policy " + self.policy if self.policy else sets or "rules"
        tool = self.backend if self.backend != "nftables" else ""
        return "{0}: {1}".format(self.path, " ".join(text for text in (tool, self.family, self.table, where) if text))

    @property
    def own_chain(self):
        return "rootwave_" + self.path

    @property
    def rules(self):
        """Whether what lets a prefix through stands for itself and may overlap any other: a rule, an element of a hash:net."""
        return (self.backend, self.way) in STAND_ALONE

    @property
    def versions(self):
        """The IP versions that it takes."""
        return [version for version in (4, 6) if self.set_of(version)]

    def set_of(self, version):
        """The name of the set that takes prefixes of this IP version here, the administrator's or ours, or None."""
        if self.way != "named_set":
            return "{0}{1}".format(self.own_chain, version) if version in FAMILIES[self.family or "inet"] else None
        return {4: self.set4, 6: self.set6}[version]

    def as_dict(self):
        return {key: value for key, value in self._asdict().items() if value not in (None, "")}


class Allowlist(NamedTuple):
    """What must be admitted. ``quiet_period`` is in seconds."""

    new: tuple
    old: tuple
    private: bool
    ports: tuple
    quiet_period: int
    places: tuple


def from_document(item):
    """An Allowlist from its JSON; raises BadInput that names the key."""
    if set(item) - KEYS:
        raise BadInput("desired: allowlist: unknown key {0!r}".format(sorted(set(item) - KEYS)[0]))
    private, ports = item.get("private", False), item.get("ports", [443, 5671, 8883])
    if not isinstance(private, bool):
        raise BadInput("desired: allowlist.private must be true or false")
    if not isinstance(ports, list) or not 0 < len(ports) <= PORTS_MOST:
        raise BadInput("desired: allowlist.ports must be a list of 1 to {0} ports".format(PORTS_MOST))
    quiet = _whole(item.get("quiet_period", 86400), 0, QUIET_MOST, "quiet_period")
    places = tuple(_place(one) for one in _listed(item.get("places", []), PLACES_MOST, "places"))
    chains = [(place.backend, place.path, place.family, place.table) for place in places if place.way not in ("named_set", None)]
    if len(set(places)) != len(places) or len(set(chains)) != len(chains):
        raise BadInput("desired: allowlist.places: two places are the same, or share one chain of ours")
    return Allowlist(
        new=_prefixes(item.get("new", []), private, "new"),
        old=_prefixes(item.get("old", []), private, "old"),
        private=private,
        ports=tuple(sorted({_whole(port, 1, 65535, "ports") for port in ports})),
        quiet_period=quiet,
        places=places,
    )


def place_of(item):
    """A Place from its own JSON (a journal of ours)."""
    return Place(**item)


def _prefixes(items, private, key):
    found = []
    for item in _listed(items, PREFIXES_MOST, key):
        if not isinstance(item, dict) or set(item) != {"prefix", "source"}:
            raise BadInput("desired: allowlist.{0} holds objects with prefix and source".format(key))
        source = item["source"]
        if not isinstance(source, str) or len(source) > SOURCE_MOST:
            raise BadInput("desired: allowlist.{0}: the source of {1!r} must be a short text".format(key, item["prefix"]))
        interval = prefixes.admissible(item["prefix"], private, "desired: allowlist." + key)
        found.append(Prefix(interval, item["prefix"], source))
    return tuple(found)


def _place(item):
    if not isinstance(item, dict) or not all(isinstance(value, str) for value in item.values()):
        raise BadInput("desired: allowlist.places holds objects of texts")
    shape = SHAPES.get((item.get("backend"), item.get("way")))
    if shape is None or item.get("path") not in PATHS:
        raise BadInput(
            "desired: allowlist.places: {0!r} is none that this version knows; path is output or forward, backend and way are "
            "{1}, or backend none".format(item, ", ".join("{0} with {1}".format(*key) for key in SHAPES if key[1]))
        )
    needed, allowed = shape[0] | {"path", "backend"} | ({"way"} if "way" in item else set()), shape[1]
    if not needed <= set(item) <= needed | allowed or (allowed and not allowed & set(item)):
        raise BadInput("desired: allowlist.places: {0!r} needs {1}".format(item, ", ".join(sorted(needed | allowed))))
    for key in sorted({"table", "set4", "set6", "chain", "policy"} & set(item)):
        if not NAME.fullmatch(item[key]) or len(item[key]) > LONGEST.get((item["backend"], key), 64):
            raise BadInput("desired: allowlist.places: {0} {1!r} is not a name".format(key, item[key]))
    versions = FAMILIES.get(item.get("family", "inet"), ())
    if not versions or any("set{0}".format(version) in item for version in (4, 6) if version not in versions):
        raise BadInput("desired: allowlist.places: family is inet, ip (set4 only) or ip6 (set6 only)")
    return Place(**item)


def _listed(value, most, key):
    if not isinstance(value, list) or len(value) > most:
        raise BadInput("desired: allowlist.{0} must be a list of at most {1} items".format(key, most))
    return value


def _whole(value, least, most, key):
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise BadInput("desired: allowlist.{0} must be a whole number from {1} to {2}".format(key, least, most))
    return value


__all__ = ("Allowlist", "Place", "Prefix", "from_document", "place_of")
