# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""Switches: to a ruleset what an edit is to a file. Data in ``change.json``, walked forward and backward by this one file.

It runs in the program that reverts a change without the run that made it. Walking is idempotent and looks first: forward it
fails where somebody else has changed the place, backward it leaves that alone and tells.
"""

from __future__ import annotations

from typing import NamedTuple

from ..errors import ApplyFailed, CommandFailed
from . import prefixes
from .document import place_of


class Switch(NamedTuple):
    """One place, as it was and as it will be: {"prefixes", "ports"}, or None where our chain is not there."""

    kind: str
    place: dict
    before: object
    after: object

    def as_dict(self):
        return self._asdict()

    def inverted(self):
        return Switch(self.kind, self.place, self.after, self.before)


def tool_of(kind):
    """Who reads a place of a backend and moves it; the revert program has only those that its change needs."""
    if kind == "nftables":
        from . import nft_moves

        return nft_moves
    if kind == "ufw":
        from . import ufw_rules

        return ufw_rules
    if kind == "iptables":
        from . import ipsets

        return ipsets
    if kind == "firewalld":
        from . import firewall_cmd

        return firewall_cmd
    raise KeyError(kind)


def walk_forward(switches, lock=None):
    """Take every switch; raises ApplyFailed at the first place that is neither before nor after, and CommandFailed."""
    for switch in switches:
        if not take(switch, lock):
            label = place_of(switch.place).label
            raise ApplyFailed("{0} changed since it was looked at; start again".format(label), path=label)


def take(switch, lock=None):
    """Bring one place from before to after; False when it is neither."""
    tool, place = tool_of(switch.kind), place_of(switch.place)
    now = tool.read(place)
    if now.found and now.value(place) == switch.after:
        return True
    if not now.found or now.value(place) != switch.before:
        return False
    tool.move(place, now, switch.after, lock)
    return True


def stands(switch):
    """Whether a place is as the switch leaves it, read back from the tool."""
    place = place_of(switch.place)
    now = tool_of(switch.kind).read(place)
    return now.found and now.value(place) == switch.after


def walk_backward(switches, lock=None):
    """Take every switch back as far as it is still ours; the places where somebody else was meanwhile, a list.

    One that fails does not hold up the others, which may be the way in; it is raised once all were tried.
    """
    left_alone, failed = [], None
    for switch in reversed(switches):
        try:
            if not _take_back(switch, lock):
                left_alone.append(place_of(switch.place).label)
        except (CommandFailed, OSError) as exc:
            failed = failed or exc
    if failed:
        raise failed
    return left_alone


def _take_back(switch, lock):
    """False when something was left as it is."""
    tool, place = tool_of(switch.kind), place_of(switch.place)
    now = tool.read(place)
    if switch.before is None:
        try:
            tool.move(place, now, None, lock)  # chain and sets bear our name; the place's own chain may be gone
        except CommandFailed as exc:
            if "busy" not in str(exc):
                raise
            tool.shut(place, tool.read(place), lock)  # a revert that somebody's rule holds up would never end
            return False
        return switch.after == now.value(place) or now.value(place) is None
    if not now.found or (now.value(place) is None and switch.after is not None):
        return False
    was, became = set(switch.before["prefixes"]), set((switch.after or {"prefixes": ()})["prefixes"])
    own, others = set(now.own()), now.others()
    back = {text for text in was - became - own if not prefixes.overlapping(prefixes.parse(text), others)}
    target = sound(place, dict(switch.before, prefixes=_ordered((own - (became - was)) | back)), switch.after)
    tool.move(place, now, target, lock)
    return set(target["prefixes"]) == was


def sound(place, value, other):
    """A value that can be brought back: what was damaged whole, and where it had lost its ports those of the ``other`` value."""
    if value is None:
        return None
    found = {key: part for key, part in value.items() if key != "damaged"}
    if not found.get("ports", True) and (place.way == "managed_chain" or found["prefixes"]):
        found["ports"] = (other or found)["ports"]
    return found


def _ordered(texts):
    return sorted(texts, key=prefixes.parse)


__all__ = ("Switch", "sound", "stands", "take", "tool_of", "walk_backward", "walk_forward")
