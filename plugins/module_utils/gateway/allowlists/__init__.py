# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""Which addresses a gateway's own ruleset lets through, where a campaign has an allowlist; imported only then (ADR 13).

Observe, plan and judge: all that a pass without a change needs. What a change takes is in changing.py; what carries it out is
switch.py, which the revert program has too.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from .. import files
from ..model import Blocker, Finding
from . import backends, prefixes, state, wanted
from .document import Place

HUBS = ("hub", "dps")  # roles of the endpoints that the addresses are about


class Move(NamedTuple):
    """A place, its state now, the value that it is to have and what of that is new: a Wanted."""

    place: Place
    now: object
    value: dict
    plan: wanted.Wanted


class Firewall:
    """One look at the places of a campaign, for one run."""

    def __init__(self, host, desired):
        self.host, self.desired, self.asked = host, desired, desired.allowlist
        self.new = [prefix.interval for prefix in self.asked.new]
        self.old = [prefix.interval for prefix in self.asked.old]
        self.blockers = backends.missing_nft() if self.asked.places else []
        self.seen: dict = {}
        self.findings: list[Finding] = []
        self.retired = False  # whether old addresses stay out of a place, though this is a stage
        if not self.blockers:
            for kind in sorted({place.backend for place in self.asked.places} - {"none"}):
                self._look(kind, [place for place in self.asked.places if place.backend == kind])

    def _look(self, kind, places):
        try:
            backend = backends.backend_of(kind)
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
        moves = []
        for place, now in self.seen.items():
            move, refused = self._asked_of(place, now)
            blockers += refused
            moves += [move] if move else []
        if blockers:
            return work._replace(blockers=work.blockers + tuple(blockers))
        if self._stands(moves):
            return work._replace(blockers=work.blockers + self._somebody())
        from . import changing

        return changing.carried_out(self, work, moves)

    def _stands(self, moves):
        """Whether all is as it is to be, in the ruleset and for the next boot."""
        values: dict[str, list] = {}
        for move in moves:
            values.setdefault(move.place.backend, []).append((move.place, move.value))
        moved = any(move.now.value(move.place) != move.value for move in moves)
        return not moved and all(backends.backend_of(kind).holds(asked) for kind, asked in values.items())

    def _somebody(self):
        """Blockers for who filters where a place says that nobody does; beside other places that is looked for with a change."""
        nobody = [place for place in self.asked.places if place.backend == "none"]
        if not nobody:
            return ()
        from . import detection

        return tuple(detection.who_rules(nobody))

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
        """(Move or None, Blockers)"""
        versions = now.versions if place.rules else place.versions
        admitted, partly = now.admitted(self.asked.ports) if place.rules else ((), ())
        new, old = ([one for one in side if one.version in versions] for side in (self.new, self.old))
        if not new:
            return None, [Blocker("allowlist-empty", "{0}: none of the new prefixes is of its IP version".format(place.label))]
        if len(new) < len(self.new):
            detail = "{0} takes IPv{1} only; {2} new prefixes of the other version are left out".format(
                place.label, versions[0], len(self.new) - len(new)
            )
            self.findings.append(Finding("allowlist-one-version:" + place.label, "info", detail))
        own = sorted(one.interval for elements in now.elements.values() for one in elements if one.ours)
        if self.desired.phase == "stage":
            plan = wanted.stage(new, old, own, now.others(), admitted)
            if old and (plan.add or plan.overlaps) and self._retired(place):
                plan = wanted.stage(new, [], own, now.others(), admitted)
                self.retired = True
        else:
            plan = wanted.retire(new, old, own, now.others(), admitted, partly)
        blockers = [_overlap(place, *met) for met in plan.overlaps[:1]] + _unstaged(place, plan.missing)
        if plan.foreign:
            self.findings.append(_foreign(place, plan.foreign))
        value = {"prefixes": prefixes.texts(sorted(set(own) - set(plan.delete)) + list(plan.add))}
        if place.way != "named_set":
            # another campaign's prefixes are behind the same rules, so ports only come
            value["ports"] = sorted({*self.asked.ports, *(now.ports if now.whole else ())})
        if place.rules and place.way != "named_set" and not value["prefixes"]:
            value["ports"] = []  # without a rule there is nothing that has ports
        return Move(place, now, value, plan), blockers

    def _retired(self, place):
        """Whether this campaign has taken its old addresses out already: launched again, its stage does not bring them back."""
        from .. import undoing

        identity = undoing.stands(self.host.state_dir, self.desired, "retire", place)
        if identity:
            detail = "change {0} of this campaign took the old addresses out, so they stay out; to have them back revert retire"
            self.findings.append(Finding("allowlist-retired:" + place.label, "info", detail.format(identity)))
        return bool(identity)

    def judge(self, work, proofs, lock):
        """(Blockers, Findings) of what the probes and the traffic say; what this pass saw is kept unless ``lock`` is None."""
        retiring = self.desired.phase == "retire"
        taken = any(change.action == "take-out" for change in work.plan.places)
        outside = self._outside(proofs, self.new if retiring or self.retired else self.new + self.old)
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
            blockers, unseen = self._watch(retiring and taken, lock)
            findings += unseen
        if retiring and taken and outside:
            message = "{0} answers at {1}, which no new prefix holds: the old addresses are still in use".format(*outside[0])
            blockers.insert(0, Blocker("allowlist-unproven", message))
        return blockers, self.findings + findings

    def _outside(self, proofs, admitted):
        """(host, address) of endpoints that answer elsewhere. A parent gateway or a mirror is the administrator's own business,
        as long as it does not stand on what is to go."""
        cover, known = prefixes.Cover(admitted), prefixes.Cover(self.old)
        asked = [one for one in proofs if one.address and not one.proxy and not prefixes.within(cover, one.address)]
        return sorted({(one.host, one.address) for one in asked if one.role in HUBS or prefixes.within(known, one.address)})

    def _watch(self, judged, lock):
        """(Blockers, Findings) of the traffic to what only the old prefixes hold."""
        gone = prefixes.subtract(prefixes.distinct(self.old), prefixes.distinct(self.new))
        if not gone:
            # what comes back to the list later was not watched until then, nor is it after a power cut
            if lock is not None and files.remove(os.path.join(self.host.state_dir, state.RECORD)):
                files.sync_folder(self.host.state_dir)
            return [], []
        from . import traffic

        record, findings = traffic.watch(self.seen.values(), gone, self.host.state_dir, self.host.clock())
        if lock is not None:
            traffic.save(self.host.state_dir, record)
        return traffic.unquiet(record, self.asked.quiet_period, self.host.clock()) if judged else [], findings


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


def _foreign(place, foreign):
    texts = ", ".join(text for one in foreign[:5] for text in prefixes.prefixes_of(one))
    detail = (
        "{0}: old addresses stay admitted by {1} elements that are not ours ({2}); take them out of the configuration yourself"
    )
    return Finding("allowlist-foreign:" + place.label, "warning", detail.format(place.label, len(foreign), texts))


__all__ = ("Firewall", "Move")
