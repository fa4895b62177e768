# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether old prefixes are quiet: by the counters of their elements, and by sockets and connection tracking at each pass.

What each pass saw is kept in ``/var/lib/rootwave/allowlist.json``, {prefixes: {"since", "last", "packets", "counter", "lost"}},
epoch seconds on the gateway's clock: watched since when, traffic seen last (null: never), the counter then (null: there is none),
which counter that was, and what earlier ones had counted. A counter that began anew (reboot, ruleset loaded again) may stand
where the old one stood, or higher, so its number alone says nothing.
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from .. import files, sessions
from ..errors import BadInput
from ..model import Blocker, Finding
from . import prefixes, state

CONNTRACK = "/proc/net/nf_conntrack"
BOOT_ID = "/proc/sys/kernel/random/boot_id"
ENDED = re.compile(r" (?:TIME_WAIT|CLOSE|LAST_ACK) ")
DESTINATION = re.compile(r" dst=([0-9a-fA-F.:]+)")


class Counted(NamedTuple):
    """``packets`` is None where nothing counts; ``counter`` is another text once it began anew, and empty where there is none.

    ``partial``: one of the places does not count, so what goes through there is seen by sessions and tracking alone.
    """

    packets: int | None = None
    counter: str = ""
    partial: bool = False


def watch(states, gone, state_dir, now):
    """(the record after one more pass, Findings) of Intervals that are to go, as the states of all places count them."""
    counts = {" ".join(prefixes.prefixes_of(one)): counted(states, one) for one in gone}
    uncounted = [text for text, found in counts.items() if found.packets is None or found.partial]
    tracked = tracked_now() if uncounted else []
    findings = [_untracked(uncounted)] if tracked is None else []
    return look(load(state_dir), counts, sessions_now(), tracked or [], now), findings


def counted(states, interval):
    """What the elements of an Interval have seen at all these places: Counted."""
    seen = [state.counted(now.elements, interval) for now in states]
    known = [packets for packets in seen if packets is not None]
    return Counted(sum(known), counted_by(states), len(known) < len(seen)) if known else Counted()


def look(known, counts, addresses, tracked, now):
    """The record after one more pass. ``counts`` is {prefixes: Counted}, ``addresses`` who has a session.

    Connection tracking (``tracked``) is asked only where something does not count: it remembers for days what has ended without
    a word.
    """
    record = {}
    for text, (packets, counter, partial) in counts.items():
        entry = dict(known.get(text) or {"since": int(now), "last": None, "packets": packets, "counter": counter, "lost": 0})
        intervals = [prefixes.parse(prefix) for prefix in text.split()]
        if _anew(entry, packets, counter):  # what came between the last pass and the new beginning was seen by nobody
            entry.update(since=int(now), last=int(now) if packets else None, lost=total(entry, Counted(0)))
        elif packets is not None and packets > entry["packets"]:
            entry["last"] = int(now)
        alive = [*addresses, *tracked] if packets is None or partial else addresses
        if any(prefixes.overlap(one, address) for one in intervals for address in alive):
            entry["last"] = int(now)
        record[text] = dict(entry, packets=packets, counter=counter)
    return record


def total(entry, counted):
    """The packets of a prefix since it is watched, as far as any counter knows; ``entry`` is its record or None."""
    if counted.packets is None or entry is None:
        return counted.packets
    anew = _anew(entry, counted.packets, counted.counter)
    return entry.get("lost", 0) + counted.packets + ((entry["packets"] or 0) if anew else 0)


def _anew(entry, packets, counter):
    before = entry["packets"]
    return entry.get("counter") != counter or (before is None) != (packets is None) or (packets or 0) < (before or 0)


def counted_by(states):
    """Which counters the states of places are read from; see state.py."""
    boot = (files.read(BOOT_ID, 64) or b"").decode("ascii", "replace").strip()
    return " ".join([boot, *(getattr(now, "counter", "") for now in states)])


def unquiet(record, quiet_period, now):
    """Blockers for the prefixes that have not been seen quiet for so long."""
    waits = {}
    for text, entry in record.items():
        left = quiet_period - (now - max(entry["since"], entry["last"] or 0))
        if left > 0 or (entry["last"] == int(now) and quiet_period == 0):
            waits[text] = (left, entry)
    if not waits:
        return []
    text = max(waits, key=lambda text: waits[text][0])
    left, entry = waits[text]
    what = (
        "traffic to it was seen {0:.0f} s ago".format(now - entry["last"])
        if entry["last"]
        else "it is watched for {0:.0f} s".format(now - entry["since"])
    )
    message = "{0} old prefixes are not quiet for {1} s yet; {2}: {3}; run a pass again in {4:.0f} s".format(
        len(waits), quiet_period, text, what, max(left, 1)
    )
    return [Blocker("allowlist-traffic", message)]


def tracked_now():
    """Who has a tracked connection with this gateway or its containers, as Intervals; a busy gateway's table has 100,000 rows.

    None where nothing is tracked: the kernel shows no table, or one without any row, as where no rule asks for tracking.
    """
    found, tracks = set(), False
    try:
        with open(CONNTRACK, encoding="ascii", errors="replace") as rows:
            for row in rows:
                tracks = True
                if not ENDED.search(row):
                    found.update(DESTINATION.findall(row))
    except (FileNotFoundError, PermissionError):
        return None
    return _intervals(found) if tracks else None


def sessions_now():
    """Who has a session with this gateway or its containers, as Intervals."""
    return _intervals(sessions.peers())


def _intervals(addresses):
    found = []
    for address in addresses:
        try:
            found.append(prefixes.parse(address))
        except BadInput:
            continue
    return prefixes.union(found)


def _untracked(texts):
    return Finding(
        "allowlist-no-conntrack",
        "warning",
        "no counter sees all traffic to {0} old prefixes ({1}), and this gateway tracks no connections ({2}); whether they are "
        "quiet is judged by the sockets open at each pass alone. A set with 'counter' would know".format(
            len(texts), texts[0], CONNTRACK
        ),
    )


def path_in(state_dir):
    return os.path.join(state_dir, state.RECORD)


def load(state_dir):
    return (files.read_json(path_in(state_dir)) or {}).get("prefixes", {})


def save(state_dir, record):
    if record != load(state_dir):
        files.write_json(path_in(state_dir), {"schema": 1, "prefixes": record})


__all__ = ("Counted", "counted", "counted_by", "load", "look", "save", "total", "unquiet", "watch")
