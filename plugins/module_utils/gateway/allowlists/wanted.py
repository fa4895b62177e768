# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""Pure: which of a place's prefixes a phase wants to be ours.

Only what was not covered is added and owned, piece by piece: a new prefix around elements of ours becomes what is missing of
it. So stage only adds and retire only deletes, which every nft can do in one transaction; 0.9.8 cannot replace an element by one
around it.
"""

from __future__ import annotations

from typing import NamedTuple

from . import prefixes


class Wanted(NamedTuple):
    """Intervals. ``overlaps`` are (prefix, foreign element) that cannot be, ``missing`` is what retire needs staged.

    ``foreign`` is what of the old ones the administrator's own elements still admit.
    """

    add: tuple = ()
    delete: tuple = ()
    overlaps: tuple = ()
    missing: tuple = ()
    foreign: tuple = ()


def stage(new, old, own, others, admitted=()):
    """Every new and old Interval is admitted; new ones first, so that retire finds what only the old ones need apart.

    ``others`` are elements that ours must not meet, ``admitted`` is what rules beside ours let through already.
    """
    news = prefixes.distinct(new)
    foreign, beside, free, overlaps = prefixes.Cover(others), prefixes.Cover(admitted), [], []
    for one in news + prefixes.subtract(prefixes.distinct(old), news):
        if beside.holds(one):
            continue
        if not foreign.meeting(one):
            free.append(one)
        elif not foreign.holds(one):
            overlaps.append((one, prefixes.overlapping(one, others)[0]))
    return Wanted(add=_uncovered(prefixes.subtract(free, own), beside), overlaps=tuple(overlaps))


def retire(new, old, own, others, admitted=(), partly=()):
    """What of our own only the old ones need goes; what new ones it covered is added again.

    ``partly`` is what rules beside ours let through at some port at least, and so what keeps an old one open.
    """
    news = prefixes.distinct(new)
    gone = prefixes.Cover(prefixes.subtract(prefixes.distinct(old), news))
    delete = [one for one in own if gone.meeting(one)]
    stay = [one for one in own if not gone.meeting(one)]
    cut = prefixes.Cover(delete)
    add = prefixes.subtract([one for one in news if cut.meeting(one)], stay + others)
    return Wanted(
        add=_uncovered(add, prefixes.Cover(admitted)),
        delete=tuple(delete),
        missing=tuple(prefixes.subtract(news, [*own, *others, *admitted])),
        foreign=tuple(one for one in [*others, *partly] if gone.meeting(one)),
    )


def _uncovered(pieces, beside):
    """What is to come, prefix by prefix as a tool takes it, without those that somebody else's lets through: one of them may be
    the very same."""
    parts = [prefixes.parse(text) for piece in pieces for text in prefixes.prefixes_of(piece)]
    return tuple(one for one in parts if not beside.holds(one))


__all__ = ("Wanted", "retire", "stage")
