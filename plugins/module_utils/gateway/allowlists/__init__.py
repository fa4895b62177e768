# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""Which addresses a gateway's own ruleset lets through, where a campaign has an allowlist; imported only then (ADR 13).

Observe, plan and judge; what carries a plan out is switch.py, which the revert program has too.
"""

from __future__ import annotations

from ..errors import ApplyFailed
from ..model import Blocker, Finding, PlaceChange
from . import detection, prefixes, state, switch, traffic, wanted
from .backends import backend_of
from .document import place_of

HUBS = ("hub", "dps")  # roles of the endpoints that the addresses are about


class Firewall:
    """One look at the places of a campaign, for one run."""

    def __init__(self, host, desired):
        self.host, self.desired, self.asked = host, desired, desired.allowlist
        self.new = [prefix.interval for prefix in self.asked.new]
        self.old = [prefix.interval for prefix in self.asked.old]
        self.blockers = detection.missing_tool() if self.asked.places else []
        self.seen: dict = {}
        self.findings: list[Finding] = []
        if not self.blockers:
            for kind in sorted({place.backend for place in self.asked.places} - {"none"}):
                self._look(kind, [place for place in self.asked.places if place.backend == kind])

    def _look(self, kind, places):
        try:
            backend = backend_of(kind)
        except ImportError:  # agent/build.py leaves most of them out
            message = "an agent's package has no part for {0}, as its sandbox may change no ruleset; reach this gateway over SSH"
            self.blockers.append(Blocker("allowlist-tool", message.format(kind)))
            return
        missing = backend.missing_tool(places)
        seen, blockers = ({}, missing) if missing else backend.look(places)
        self.seen.update(seen)
        self.blockers += blockers

    def describe(self):
        """This run's part of a report."""
        return {
            "places": [
                {"place": place.label, "own": len(now.own()), "others": len(now.others())} for place, now in self.seen.items()
            ]
        }

    def join(self, work):
        """A Work with what the allowlist asks of this phase in it, and what speaks against it in its blockers."""
        blockers = self.blockers + self._nothing_asked()
        if blockers:
            return work._replace(blockers=work.blockers + tuple(blockers))
        if not any(place.path == "forward" for place in self.asked.places):
            blockers += self._forwarded()
        moves, changes = [], []
        for place, now in self.seen.items():
            value, made, refused = self._asked_of(place, now)
            blockers += refused
            changes += made
            moves.append((place, now, value))
        if blockers:
            return work._replace(blockers=work.blockers + tuple(blockers))
        return self._carried_out(work, moves, changes)

    def _nothing_asked(self):
        if not self.asked.new:
            return [
                Blocker(
                    "allowlist-empty", "the campaign's allowlist names no new address; an empty one would cut every gateway off"
                )
            ]
        if self.asked.places:
            return []
        return [
            Blocker(
                "allowlist-place",
                "no place of this gateway is named; say where its ruleset lets the hub through, or that it filters nothing "
                "(rootwave_allowlist_places, docs/firewalls.md)",
            )
        ]

    def _forwarded(self):
        """Blockers for containers whose hub sessions this gateway forwards, while nobody has said where."""
        cover = prefixes.Cover(self.new + self.old)
        for session in self.host.container_sessions():
            if session.port in (8883, 5671) or cover.meeting(prefixes.parse(session.address)):
                return [
                    Blocker(
                        "allowlist-forward",
                        "a container holds a session to {0}:{1}, and no place of the forward path is named; name one "
                        "(rootwave_allowlist_places)".format(session.address, session.port),
                    )
                ]
        return []

    def _asked_of(self, place, now):
        """(value that the place is to have, PlaceChanges, Blockers)"""
        versions = now.versions if place.rules else place.versions
        admitted, partly = now.admitted(self.asked.ports) if place.rules else ((), ())
        new, old = ([one for one in side if one.version in versions] for side in (self.new, self.old))
        if not new:
            return (
                None,
                [],
                [Blocker("allowlist-empty", "{0}: none of the new prefixes is of its IP version".format(place.label))],
            )
        if len(new) < len(self.new):
            detail = "{0} takes IPv{1} only; {2} new prefixes of the other version are left out".format(
                place.label, versions[0], len(self.new) - len(new)
            )
            self.findings.append(Finding("allowlist-one-version:" + place.label, "info", detail))
        own = sorted(one.interval for elements in now.elements.values() for one in elements if one.ours)
        if self.desired.phase == "stage":
            plan = wanted.stage(new, old, own, now.others(), admitted)
        else:
            plan = wanted.retire(new, old, own, now.others(), admitted, partly)
        blockers = [_overlap(place, *met) for met in plan.overlaps[:1]] + _unstaged(place, plan.missing)
        if plan.foreign:
            self.findings.append(_foreign(place, plan.foreign))
        value = {"prefixes": _texts(sorted(set(own) - set(plan.delete)) + list(plan.add))}
        if place.way != "named_set":
            # another campaign's prefixes are behind the same rules, so ports only come
            value["ports"] = sorted({*self.asked.ports, *(now.ports if now.whole else ())})
        if place.rules and place.way != "named_set" and not value["prefixes"]:
            value["ports"] = []  # without a rule there is nothing that has ports
        return value, self._changes(place, now, plan, value), blockers

    def _changes(self, place, now, plan, value):
        """What of it belongs in the report's plan."""
        made = []
        if plan.add:
            made.append(PlaceChange(place.label, "admit", tuple(_texts(plan.add)), sources=self._sources(plan.add)))
        if plan.delete:
            seen = [(text, self._packets(now, one)) for one in sorted(plan.delete) for text in prefixes.prefixes_of(one)]
            texts, packets = zip(*seen)
            made.append(PlaceChange(place.label, "take-out", texts, packets, self._sources(plan.delete)))
        if not made and now.value(place) != value:
            made.append(PlaceChange(place.label, "repair"))
        return made

    def _packets(self, now, interval):
        """What an element of a place has seen; None where nothing counts. What was counted before a reboot is known of all
        places together."""
        counted = self._counted([now], interval)
        known = traffic.load(self.host.state_dir) if len(self.seen) == 1 else {}
        return traffic.total(known.get(" ".join(prefixes.prefixes_of(interval))), counted)

    def _counted(self, states, interval):
        seen = [state.counted(now.elements, interval) for now in states]
        return traffic.Counted() if None in seen else traffic.Counted(sum(seen), traffic.counted_by(states))

    def _sources(self, intervals):
        cover = prefixes.Cover(intervals)
        return tuple(sorted({prefix.source for prefix in self.asked.new + self.asked.old if cover.meeting(prefix.interval)}))

    def _carried_out(self, work, moves, changes):
        """The Work with switches and the edits that outlive a reboot; all that can be refused is, before a ruleset is touched."""
        moved = [(place, now, value) for place, now, value in moves if now.value(place) != value]
        by_kind: dict[str, list] = {place.backend: [] for place, _now, _value in moves}
        for place, _now, value in moves:
            by_kind[place.backend].append((place, value))
        if not moved and all(backend_of(kind).holds(values) for kind, values in by_kind.items()):
            nobody = [place for place in self.asked.places if place.backend == "none"]
            return work._replace(blockers=work.blockers + tuple(detection.who_rules(nobody))) if nobody else work
        blockers, steps, loads = detection.who_rules(self.asked.places), [], []
        for kind, values in by_kind.items():
            backend = backend_of(kind)
            here = [one for one in moved if one[0].backend == kind]
            blockers += backend.before_change(self.seen, [place for place, _now, _value in here])
            lasting = backend.lasting(values)
            blockers += [*lasting.blockers, *backend.rehearse(here)]
            steps += lasting.edits
            loads += [[kind, lasting.loads]] if lasting.loads else []
        known = {change.place for change in changes}
        kept = dict.fromkeys(place.label for place, _edit in steps if place.label not in known)
        changes = changes + [PlaceChange(label, "keep") for label in kept]
        switches = [switch.Switch(place.backend, place.as_dict(), now.value(place), value) for place, now, value in moved]
        opened = [prefixes.parse(text) for change in changes if change.action == "admit" for text in change.prefixes]
        return work._replace(
            plan=work.plan._replace(places=tuple(changes)),
            edits=tuple(edit for _place, edit in steps) + work.edits,
            blockers=work.blockers + tuple(dict.fromkeys(blockers)),
            switches=tuple(switches),
            opens=tuple(prefixes.union(opened)),
            loads=tuple(loads),
        )

    def judge(self, work, proofs, lock):
        """(Blockers, Findings) of what the probes and the traffic say; what this pass saw is kept unless ``lock`` is None."""
        retiring = self.desired.phase == "retire"
        taken = any(change.action == "take-out" for change in work.plan.places)
        outside = self._outside(proofs, self.new if retiring else self.new + self.old)
        findings = [
            Finding(
                "outside-allowlist:" + host,
                "warning",
                "{0} answers at {1}, which the allowlist does not admit".format(host, address),
            )
            for host, address in outside
        ]
        if self.desired.phase == "assess" or (self.desired.phase == "stage" and work.plan.places):
            from . import checking

            findings += checking.findings(self.desired, proofs)
        blockers = []
        if self.desired.phase in ("stage", "retire") and self.seen:
            record, unseen = self._watch()
            findings += unseen
            if lock is not None:
                traffic.save(self.host.state_dir, record)
            if retiring and taken:
                blockers = traffic.unquiet(record, self.asked.quiet_period, self.host.clock())
        if retiring and taken and outside:
            message = "{0} answers at {1}, which no new prefix holds: the old addresses are still in use".format(*outside[0])
            blockers.insert(0, Blocker("allowlist-unproven", message))
        return blockers, self.findings + findings

    def _outside(self, proofs, admitted):
        """(host, address) of endpoints that answer elsewhere. A parent gateway or a mirror is the administrator's own business,
        as long as it does not stand on what is to go."""
        cover, known = prefixes.Cover(admitted), prefixes.Cover(self.old)
        asked = [one for one in proofs if one.address and not one.proxy and not _within(cover, one.address)]
        return sorted({(one.host, one.address) for one in asked if one.role in HUBS or _within(known, one.address)})

    def _watch(self):
        """(the record after this pass, Findings)"""
        news = prefixes.distinct(self.new)
        gone = prefixes.subtract(prefixes.distinct(self.old), news)
        counts = {}
        for one in gone:
            counts[" ".join(prefixes.prefixes_of(one))] = self._counted(self.seen.values(), one)
        alive = traffic.sessions_now() if gone else []
        uncounted = [text for text, counted in counts.items() if counted.packets is None]
        tracked = traffic.tracked_now() if uncounted else []
        findings = [_untracked(uncounted)] if tracked is None else []
        return traffic.look(traffic.load(self.host.state_dir), counts, alive, tracked or [], self.host.clock()), findings


def opens(work, proof):
    """Whether a probe that found no way failed at a filter that this very Work opens; it is proved after apply instead."""
    return proof.stage == "tcp" and not proof.proxy and bool(proof.address) and _within(prefixes.Cover(work.opens), proof.address)


def taken_back(items):
    """(Switches, PlaceChanges, Blockers) that take the switches of a committed change back."""
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
    return tuple(switches), tuple(changes), tuple(blockers)


def check(work):
    """Every place is as planned, read back from the kernel, and what boots next loads; raises ApplyFailed."""
    for one in work.switches:
        if not switch.stands(one):
            raise ApplyFailed("{0} is not as planned after it was changed".format(place_of(one.place).label))
    for kind, path in work.loads:
        why = backend_of(kind).loads(path)
        if why:
            raise ApplyFailed("{0} does not load any more: {1}".format(path, why))


def _within(cover, address):
    return cover.holds(prefixes.parse(address))


def _texts(intervals):
    return [text for one in sorted(intervals) for text in prefixes.prefixes_of(one)]


def _overlap(place, asked, met):
    return Blocker(
        "allowlist-overlap",
        "{0}: {1} contains or cuts the element {2}, which is not ours; take that out of the administrator's set, or name "
        "prefixes that do not meet it".format(
            place.label, ", ".join(prefixes.prefixes_of(asked)), ", ".join(prefixes.prefixes_of(met))
        ),
    )


def _unstaged(place, missing):
    if not missing:
        return []
    text = "{0}: {1} and {2} more new prefixes are not admitted; run the stage phase first"
    return [Blocker("allowlist-unproven", text.format(place.label, prefixes.prefixes_of(missing[0])[0], len(missing) - 1))]


def _untracked(texts):
    return Finding(
        "allowlist-no-conntrack",
        "warning",
        "nothing counts the traffic to {0} old prefixes ({1}), and this gateway tracks no connections ({2}); whether they are "
        "quiet is judged by the sockets open at each pass alone. A set with 'counter' would know".format(
            len(texts), texts[0], traffic.CONNTRACK
        ),
    )


def _foreign(place, foreign):
    texts = ", ".join(text for one in foreign[:5] for text in prefixes.prefixes_of(one))
    detail = (
        "{0}: old addresses stay admitted by {1} elements that are not ours ({2}); take them out of the configuration yourself"
    )
    return Finding("allowlist-foreign:" + place.label, "warning", detail.format(place.label, len(foreign), texts))


__all__ = ("Firewall", "check", "opens", "taken_back")
