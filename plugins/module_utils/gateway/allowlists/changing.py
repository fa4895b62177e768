# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""What a change of an allowlist takes: its part of the plan, its switches, and the edits that outlive a reboot.

Not imported by a pass without a change: on a gateway every import is compiled anew.
"""

from __future__ import annotations

from ..errors import ApplyFailed
from ..model import Blocker, PlaceChange
from . import detection, prefixes, switch, traffic
from .backends import backend_of
from .document import place_of


def carried_out(firewall, work, moves):
    """A Work with what these Moves of a Firewall take; all that can be refused is, before a ruleset is touched."""
    changes = [change for move in moves for change in _changes(firewall, move)]
    blockers, steps, loads = detection.who_rules(firewall.asked.places), [], []
    for kind in dict.fromkeys(move.place.backend for move in moves):
        here = [move for move in moves if move.place.backend == kind]
        blockers_of, lasting = _of_backend(firewall, kind, here)
        blockers += blockers_of
        steps += lasting.edits
        loads += [[kind, lasting.loads]] if lasting.loads else []
    known = {change.place for change in changes}
    kept = dict.fromkeys(place.label for place, _edit in steps if place.label not in known)
    changes += [PlaceChange(label, "keep") for label in kept]
    return work._replace(
        plan=work.plan._replace(places=tuple(changes)),
        edits=tuple(edit for _place, edit in steps) + work.edits,
        blockers=work.blockers + tuple(dict.fromkeys(blockers)),
        switches=tuple(
            switch.Switch(move.place.backend, move.place.as_dict(), move.now.value(move.place), move.value)
            for move in _moved(moves)
        ),
        opens=_opened(changes),
        loads=tuple(loads),
    )


def _opened(changes):
    """The Intervals that PlaceChanges let through."""
    admitted = [prefixes.parse(text) for change in changes if change.action == "admit" for text in change.prefixes]
    return tuple(prefixes.union(admitted))


def _moved(moves):
    return [move for move in moves if move.now.value(move.place) != move.value]


def _of_backend(firewall, kind, moves):
    """(Blockers, Lasting) of the Moves at the places of one backend."""
    backend, moved = backend_of(kind), _moved(moves)
    blockers = backend.before_change(firewall.seen, [move.place for move in moved])
    lasting = backend.lasting([(move.place, move.value) for move in moves])
    rehearsed = backend.rehearse([(move.place, move.now, move.value) for move in moved])
    return [*blockers, *lasting.blockers, *rehearsed], lasting


def _changes(firewall, move):
    """What of a Move belongs in the report's plan: PlaceChanges."""
    label, plan, made = move.place.label, move.plan, []
    if plan.add:
        made.append(PlaceChange(label, "admit", tuple(prefixes.texts(plan.add)), sources=_sources(firewall, plan.add)))
    if plan.delete:
        seen = [(text, _packets(firewall, move.now, one)) for one in sorted(plan.delete) for text in prefixes.prefixes_of(one)]
        texts, packets = zip(*seen)
        made.append(PlaceChange(label, "take-out", texts, packets, _sources(firewall, plan.delete)))
    if not made and move.now.value(move.place) != move.value:
        made.append(PlaceChange(label, "repair"))
    return made


def _packets(firewall, now, interval):
    """What an element of a place has seen; None where nothing counts. What was counted before a reboot is known of all
    places together."""
    known = traffic.load(firewall.host.state_dir) if len(firewall.seen) == 1 else {}
    return traffic.total(known.get(" ".join(prefixes.prefixes_of(interval))), traffic.counted([now], interval))


def _sources(firewall, intervals):
    cover = prefixes.Cover(intervals)
    asked = firewall.asked.new + firewall.asked.old
    return tuple(sorted({prefix.source for prefix in asked if cover.meeting(prefix.interval)}))


def opens(work, proof):
    """Whether a probe that found no way failed at a filter that this very Work opens; it is proved after apply instead."""
    if proof.stage != "tcp" or proof.proxy or not proof.address:
        return False
    return prefixes.within(prefixes.Cover(work.opens), proof.address)


def taken_back(items):
    """(Switches, PlaceChanges, the Intervals that these open, Blockers) that take the switches of a committed change back."""
    switches, changes, blockers = [], [], []
    for item in reversed(items):
        back = switch.Switch(**item).inverted()
        place = place_of(back.place)
        back = back._replace(after=switch.sound(place, back.after, back.before))
        was, becomes = (set((side or {"prefixes": ()})["prefixes"]) for side in (back.before, back.after))
        changes += [
            PlaceChange(place.label, action, tuple(sorted(texts, key=prefixes.parse)))
            for action, texts in (("admit", becomes - was), ("take-out", was - becomes))
            if texts
        ]
        if not changes or changes[-1].place != place.label:
            changes.append(PlaceChange(place.label, "repair"))
        now = switch.tool_of(back.kind).read(place).value(place)
        if now not in (back.before, back.after):
            message = "{0} was changed by somebody else since; take that back first".format(place.label)
            blockers.append(Blocker("allowlist-place", message))
        switches.append(back)
    return tuple(switches), tuple(changes), _opened(changes), tuple(blockers)


def check(work):
    """Every place is as planned, read back from the kernel, and what boots next loads; raises ApplyFailed."""
    for one in work.switches:
        if not switch.stands(one):
            raise ApplyFailed("{0} is not as planned after it was changed".format(place_of(one.place).label))
    for kind, path in work.loads:
        why = backend_of(kind).loads(path)
        if why:
            raise ApplyFailed("{0} does not load any more: {1}".format(path, why))


__all__ = ("carried_out", "check", "opens", "taken_back")
