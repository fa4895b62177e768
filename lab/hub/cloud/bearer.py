# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The token of a request, and times as Azure's requests write them."""

from __future__ import annotations

import re
import time
from datetime import datetime

from aiohttp import web

DURATION = re.compile(r"P(?:(?P<d>[\d.]+)D)?(?:T(?:(?P<h>[\d.]+)H)?(?:(?P<m>[\d.]+)M)?(?:(?P<s>[\d.]+)S)?)?")
SECONDS = {"d": 86400, "h": 3600, "m": 60, "s": 1}


def token_of(request: web.Request) -> str:
    """An empty text, which nobody knows, where there is none."""
    return request.headers.get("Authorization", "").removeprefix("Bearer ")


def timespan(text: str | None, default: float = 86400.0) -> tuple[float, float]:
    """(since, until) in epoch seconds of an ISO 8601 duration until now, or of start/end; raises ValueError."""
    now = time.time()
    if not text:
        return now - default, now
    first, slash, last = text.partition("/")
    if slash:
        return moment(first), moment(last)
    match = DURATION.fullmatch(text)
    if not match or len(text) < 2:
        raise ValueError(f"{text!r} is no duration")
    return now - sum(float(value) * SECONDS[unit] for unit, value in match.groupdict().items() if value), now


def moment(text: str) -> float:
    return datetime.fromisoformat(text.replace(" ", "+")).timestamp()
