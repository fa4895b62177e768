# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. The PEM text behind an anchor of a campaign: from its file, or fetched, verified, cached."""

from __future__ import annotations

import contextlib
import datetime
import os
import tempfile
import time
from pathlib import Path

from ansible_collections.rootwave.iot.plugins.module_utils.gateway import pem
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.errors import BadInput

BYTES_MOST = 16 * 1024


class AnchorError(ValueError):
    """What is wrong with an anchor; the campaign loader adds file, key and line."""


def cache_dir() -> Path:
    """ROOTWAVE_CACHE, else below the home directory; where there is none, as in AWX, below the temporary one."""
    home = os.path.expanduser("~")
    base = Path(home) / ".cache" if home != "~" else Path(tempfile.gettempdir())
    return Path(os.environ.get("ROOTWAVE_CACHE") or base / "rootwave") / "anchors"


def anchor_pem(item: dict, folder: Path) -> str:
    """The one PEM certificate of an anchor {name, sha256, file or url}; files are relative to ``folder``.

    Raises AnchorError when it is missing, damaged, no root, or not the one that sha256 names.
    """
    if "file" not in item:
        return _from_url(item["url"], item["sha256"])
    path = folder / item["file"]
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise AnchorError(f"{path}: {exc.strerror}") from exc
    return _verified(data, str(path), item["sha256"])


def must_be_in_force(text: str) -> None:
    """A root that gateways are to trust must be valid now; one that is to go may well have ended."""
    known = pem.facts(pem.split(text.encode())[0])
    if known is not None and not known.not_before <= time.time() <= known.not_after:
        begin, end = (datetime.datetime.fromtimestamp(one, datetime.UTC).date() for one in (known.not_before, known.not_after))
        raise AnchorError(f"{known.subject} is valid from {begin} to {end} only; it cannot be an anchor to trust")


def _from_url(url: str, sha256: str) -> str:
    """Fetched once. Plain HTTP is fine, the digest decides; Microsoft and DigiCert publish roots that way."""
    place = cache_dir() / f"{sha256}.pem"
    kept = _kept(place)
    if kept is not None:
        try:
            return _verified(kept, str(place), sha256)
        except AnchorError as exc:
            raise AnchorError(f"{exc}; this file is the kept copy of {url}: delete it, and it is fetched again") from exc
    from .anchor_fetch import FETCH_ERRORS, fetch  # its imports take longer than all else that a campaign of files needs

    try:
        data = fetch(url, BYTES_MOST + 1)
    except FETCH_ERRORS as exc:
        raise AnchorError(
            f"cannot fetch {url} ({exc}); without network, get the certificate with SHA-256 {sha256} elsewhere and "
            f"put it, PEM or DER, at {place}, readable by this user"
        ) from exc
    text = _verified(data, url, sha256)
    _keep(place, text)
    return text


def _kept(place: Path) -> bytes | None:
    """What is kept, or None. A folder that cannot be read is as good as an empty one: the digest decides, not the cache."""
    try:
        return place.read_bytes()
    except OSError:
        return None


def _keep(place: Path, text: str) -> None:
    """Best effort: a cache that cannot be written only costs the next run a fetch."""
    draft = place.with_suffix(f".{os.getpid()}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(text)
        os.replace(draft, place)
    except OSError:
        with contextlib.suppress(OSError):
            draft.unlink()


def _verified(data: bytes, where: str, sha256: str) -> str:
    """The PEM text of the root that ``sha256`` names; AnchorError says what ``where`` holds instead."""
    if len(data) > BYTES_MOST:
        raise AnchorError(f"{where} is longer than {BYTES_MOST} bytes; this is no single certificate")
    text = pem.encode(data) if data.startswith(b"\x30\x82") else data.decode("utf-8", "replace")
    try:
        [(der, subject)] = pem.roots([(where, text)])
    except BadInput as exc:
        raise AnchorError(f"{exc} (SHA-256 {sha256} was wanted)") from exc
    found = pem.fingerprint(der)
    if found != sha256:
        raise AnchorError(f"the certificate in {where} ({subject}) has SHA-256 {found}, not {sha256}")
    return pem.encode(der)


__all__ = ("AnchorError", "anchor_pem", "cache_dir", "must_be_in_force")
