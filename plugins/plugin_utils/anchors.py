# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. The PEM text behind an anchor of a campaign: from its file, or fetched, verified, cached."""

from __future__ import annotations

import contextlib
import datetime
import http.client
import os
import tempfile
import time
from pathlib import Path

from ansible.module_utils.urls import open_url
from ansible_collections.rootwave.iot.plugins.module_utils.gateway import pem
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.errors import BadInput

BYTES_MOST = 16 * 1024
FETCH_TIMEOUT = 20  # seconds


class AnchorError(ValueError):
    """What is wrong with an anchor; the campaign loader adds file, key and line."""


def cache_dir() -> Path:
    """ROOTWAVE_CACHE, else below the home directory; where there is none, as in AWX, below the temporary one."""
    home = os.path.expanduser("~")
    base = Path(home) / ".cache" if home != "~" else Path(tempfile.gettempdir())
    return Path(os.environ.get("ROOTWAVE_CACHE") or base / "rootwave") / "anchors"


def anchor_pem(item: dict, folder: Path) -> str:
    """The one PEM certificate of an anchor {name, sha256, file or url}; files are relative to ``folder``.

    Raises AnchorError when it is missing, damaged, no root, not in force, or not the one that sha256 names.
    """
    if "file" in item:
        where, text = str(folder / item["file"]), _from_file(folder / item["file"])
    else:
        where, text = _from_url(item["url"], item["sha256"])
    try:
        der, known = pem.one_root(text, where)
    except BadInput as exc:
        raise AnchorError(str(exc)) from exc
    found = pem.fingerprint(der)
    if found != item["sha256"]:
        raise AnchorError(f"the certificate in {where} ({known.subject}) has SHA-256 {found}, not {item['sha256']}")
    return pem.encode(der)


def must_be_in_force(text: str) -> None:
    """A root that gateways are to trust must be valid now; one that is to go may well have ended."""
    known = pem.facts(pem.split(text.encode())[0])
    if known is not None and not known.not_before <= time.time() <= known.not_after:
        begin, end = (datetime.datetime.fromtimestamp(one, datetime.UTC).date() for one in (known.not_before, known.not_after))
        raise AnchorError(f"{known.subject} is valid from {begin} to {end} only; it cannot be an anchor to trust")


def _from_file(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise AnchorError(f"{path}: {exc.strerror}") from exc
    return _text(data, str(path))


def _from_url(url: str, sha256: str) -> tuple[str, str]:
    """(where it was read, PEM text). Plain HTTP is fine, the digest decides; Microsoft and DigiCert publish roots that way."""
    cached = cache_dir() / f"{sha256}.pem"
    if cached.exists():
        return f"{cached} (fetched from {url}; delete the file to fetch it again)", _from_file(cached)
    try:
        data = _fetch(url)
    except (OSError, http.client.HTTPException) as exc:
        raise AnchorError(
            f"cannot fetch {url} ({exc}); without network, get the certificate with SHA-256 {sha256} elsewhere and "
            f"put it, PEM or DER, at {cached}"
        ) from exc
    text = _text(data, url)
    if pem.fingerprints(text.encode()) == {sha256}:
        _keep(cached, text)
    return url, text


def _fetch(url: str) -> bytes:
    """At most BYTES_MOST + 1 bytes, and no longer than FETCH_TIMEOUT however slowly they drip."""
    deadline = time.monotonic() + FETCH_TIMEOUT
    data = b""
    with open_url(url, timeout=FETCH_TIMEOUT, http_agent="rootwave") as answer:
        while len(data) <= BYTES_MOST:
            piece = answer.read1(BYTES_MOST + 1 - len(data))
            if not piece:
                break
            data += piece
            if time.monotonic() > deadline:
                raise TimeoutError(f"not complete within {FETCH_TIMEOUT} s")
    return data


def _keep(cached: Path, text: str) -> None:
    """Best effort: a cache that cannot be written only costs the next run a fetch."""
    draft = cached.with_suffix(f".{os.getpid()}")
    with contextlib.suppress(OSError):
        cached.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(text)
        os.replace(draft, cached)


def _text(data: bytes, where: str) -> str:
    """PEM text of a PEM or DER certificate."""
    if len(data) > BYTES_MOST:
        raise AnchorError(f"{where} is longer than {BYTES_MOST} bytes; this is no single certificate")
    if data.startswith(b"\x30\x82"):
        return pem.encode(data)
    return data.decode("utf-8", "replace")


__all__ = ("AnchorError", "anchor_pem", "cache_dir", "must_be_in_force")
