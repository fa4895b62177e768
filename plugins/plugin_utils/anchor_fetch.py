# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. The bytes behind an anchor's URL."""

from __future__ import annotations

import http.client
import time

from ansible.module_utils import urls

FETCH_TIMEOUT = 20  # seconds
# urls.ConnectionError is Ansible's own and no OSError: a certificate that does not verify, a proxy that refuses
FETCH_ERRORS = (OSError, http.client.HTTPException, ValueError, urls.ConnectionError)


def fetch(url: str, most: int) -> bytes:
    """At most so many bytes, in no more than FETCH_TIMEOUT seconds however slowly they drip; raises FETCH_ERRORS."""
    deadline = time.monotonic() + FETCH_TIMEOUT
    data = b""
    with urls.open_url(url, timeout=FETCH_TIMEOUT, http_agent="rootwave") as answer:
        while len(data) < most:
            piece = answer.read1(most - len(data))
            if not piece:
                break
            data += piece
            if time.monotonic() > deadline:
                raise TimeoutError(f"not complete within {FETCH_TIMEOUT} s")
    return data


__all__ = ("FETCH_ERRORS", "fetch")
