# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""The files that the distribution's own services load at boot, and what of them is ours.

They are the administrator's, and may be written anew from the kernel at any time, ours among it. So no copy of them is ever put
back: what is ours is put in or taken out line by line of what is there now, in the run and in the program that reverts.
"""

from __future__ import annotations

import glob
import os
from typing import NamedTuple

from .. import files
from . import ipset_text, iptables_text, own, prefixes


class Layout(NamedTuple):
    """One distribution's way: the packages to install, the units that load, the files that they read."""

    packages: str
    units: tuple
    sets: str
    rules: dict  # IP version: path

    @property
    def paths(self):
        return (self.sets, *self.rules.values())


LAYOUTS = (
    Layout(
        "netfilter-persistent iptables-persistent ipset-persistent",
        ("netfilter-persistent.service",),
        "/etc/iptables/ipsets",
        {4: "/etc/iptables/rules.v4", 6: "/etc/iptables/rules.v6"},
    ),
    Layout(
        "iptables-services ipset-service",
        ("ipset.service", "iptables.service", "ip6tables.service"),
        "/etc/sysconfig/ipset",
        {4: "/etc/sysconfig/iptables", 6: "/etc/sysconfig/ip6tables"},
    ),
)
# Debian's units are of one package for each kind of file
PLUGINS = "/usr/share/netfilter-persistent/plugins.d/*"
KINDS = ("ipset", "ip4tables", "ip6tables")
WANTS = "/etc/systemd/system/*.wants/"


def layout():
    """The Layout that boots here: the enabled one, else the one whose files are there, else None."""
    return next((one for one in LAYOUTS if not lacking(one)), None) or next(
        (one for one in LAYOUTS if any(os.path.exists(path) for path in one.paths)), None
    )


def lacking(found, versions=(4,)):
    """What of a Layout would not load at boot, a text; empty where all is well. Told without starting a program."""
    units = found.units if 6 in versions else found.units[:2]
    missing = [unit for unit in units if not glob.glob(WANTS + unit)]
    if missing:
        return "{0} is not enabled".format(missing[0])
    if len(found.units) == 1:
        plugins = " ".join(os.path.basename(path).partition("-")[2] for path in glob.glob(PLUGINS)).split()
        absent = [kind for kind in KINDS if kind not in plugins]
        if absent:
            return "netfilter-persistent has no plugin for {0}".format(absent[0])
    wanted = (found.sets, *(found.rules[version] for version in versions))
    absent = [path for path in wanted if not os.path.exists(path)]
    return "there is no file {0}".format(absent[0]) if absent else ""


def text_of(path):
    """A file as text that can be written back byte for byte; empty where there is none."""
    return (files.read(path) or b"").decode("utf-8", "surrogateescape")


def key_of(name):
    """Under which name own.py knows an administrator's set: it may be named by several places."""
    return "ipset " + name


def kept(place, record, kernel):
    """Whether boot brings back what is ours in the kernel, no less and no more.

    ``record`` is {IP version: texts known as ours}, ``kernel`` {IP version: texts of ours in the kernel}. For a chain of ours
    ``record`` is None, and ``kernel`` has (texts, ports) instead, or None where nothing of it is in the kernel.
    """
    found = layout()
    if found is None:
        return True
    sets = ipset_text.sets_of(text_of(found.sets))
    if record is not None:
        return all(
            {one.text for one in (sets[name].entries if name in sets else ())} & record[version] == set(kernel[version])
            for version in place.versions
            for name in [place.set_of(version)]
        )
    return all(_chain_kept(place, version, sets, found, kernel[version]) for version in place.versions)


def _chain_kept(place, version, sets, found, kernel):
    there, rules = sets.get(place.set_of(version)), iptables_text.rules_of(text_of(found.rules[version]))
    if kernel is None:
        return there is None and place.own_chain not in rules.chains
    texts, ports = kernel
    return bool(
        there
        and ipset_text.as_made(there, version)
        and {one.text for one in there.entries} == set(texts)
        and iptables_text.whole(place, version, rules, ports)
    )


def future(place, value, record=None):
    """{path: text} of the files as a value wants them; ``record`` as in ``kept``. None removes our chain and our sets."""
    found = layout()
    if found is None:
        return {}
    before = {path: text_of(path) for path in found.paths}
    after, asked = dict(before), set((value or {"prefixes": ()})["prefixes"])
    for version in place.versions:
        name, mine = place.set_of(version), [text for text in asked if (":" in text) == (version == 6)]
        ordered = sorted(mine, key=prefixes.parse)
        if place.way == "named_set":
            gone = set() if record is None else record[version] - set(mine)
            after[found.sets] = ipset_text.with_elements(after[found.sets], name, gone, ordered)
            continue
        after[found.sets] = _own_set(after[found.sets], name, version, None if value is None else ordered)
        path, ports = found.rules[version], None if value is None else value["ports"]
        after[path] = iptables_text.with_place(after[path], place, version, ports)
    return {path: text for path, text in after.items() if text != before[path]}


def _own_set(text, name, version, texts):
    """None for texts takes the set out. One that is not as we make it is made anew."""
    there = ipset_text.sets_of(text).get(name)
    if texts is None or (there and not ipset_text.as_made(there, version)):
        text = ipset_text.without(text, {name})
    if texts is None:
        return text
    gone = {one.text for one in there.entries} - set(texts) if there else set()
    return ipset_text.with_elements(text, name, gone, texts, ipset_text.made(name, version))


def write(texts):
    """Each file whole or not at all, with the rights that it has."""
    for path, text in texts.items():
        path, rights = os.path.realpath(path), {"mode": 0o640}
        if os.path.exists(path):
            status = os.stat(path)
            rights = {"mode": status.st_mode & 0o7777, "uid": status.st_uid, "gid": status.st_gid}
        files.write(path, text.encode("utf-8", "surrogateescape"), **rights)


def record_of(place):
    """What is known as ours in an administrator's sets, {IP version: texts}."""
    return {version: own.load(key_of(place.set_of(version))) for version in place.versions}


__all__ = ("LAYOUTS", "Layout", "future", "kept", "key_of", "lacking", "layout", "record_of", "text_of", "write")
