# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether old prefixes are quiet: by the counters of their elements, and by sockets and connection tracking at each pass.

What each pass saw is kept in ``/var/lib/rootwave/allowlist.json``, {prefixes: {"since", "last", "packets"}}, epoch seconds on the
gateway's clock: watched since when, traffic seen last (null: never), and the counter then (null: there is none).
"""

from __future__ import annotations

import os
import re

from .. import files, sessions
from ..errors import BadInput
from ..model import Blocker
from . import prefixes

CONNTRACK = "/proc/net/nf_conntrack"
ENDED = re.compile(r" (?:TIME_WAIT|CLOSE|LAST_ACK) ")
DESTINATION = re.compile(r" dst=([0-9a-fA-F.:]+)")


def look(known, counts, addresses, tracked, now):
    """The record after one more pass. ``counts`` is {prefixes: packets or None}, ``addresses`` who has a session.

    Connection tracking (``tracked``) is asked only where nothing counts: it remembers for days what has ended without a word.
    """
    record = {}
    for text, packets in counts.items():
        entry = dict(known.get(text) or {"since": int(now), "last": None, "packets": packets})
        before, intervals = entry["packets"], [prefixes.parse(prefix) for prefix in text.split()]
        if None not in (before, packets) and packets > before:
            entry["last"] = int(now)
        elif None not in (before, packets) and packets < before:
            entry.update(since=int(now), last=int(now) if packets else None)  # counted from nought again: what was before is lost
        alive = addresses if packets is not None else [*addresses, *tracked]
        if any(prefixes.overlap(one, address) for one in intervals for address in alive):
            entry["last"] = int(now)
        record[text] = dict(entry, packets=packets)
    return record


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
    """Who has a tracked connection with this gateway or its containers, as Intervals; a busy gateway's table has 100,000 rows."""
    found = set()
    try:
        with open(CONNTRACK, encoding="ascii", errors="replace") as rows:
            for row in rows:
                if not ENDED.search(row):
                    found.update(DESTINATION.findall(row))
    except FileNotFoundError:
        return []
    return _intervals(found)


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


def path_in(state_dir):
    return os.path.join(state_dir, "allowlist.json")


def load(state_dir):
    return (files.read_json(path_in(state_dir)) or {}).get("prefixes", {})


def save(state_dir, record):
    if record != load(state_dir):
        files.write_json(path_in(state_dir), {"schema": 1, "prefixes": record})


__all__ = ("load", "look", "save", "sessions_now", "tracked_now", "unquiet")
