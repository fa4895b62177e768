# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""The system store: the bundle and the hashed directory that OpenSSL's users read, and where they come from.

What all layouts share is here: which certificates are trusted, in which form, and which of our own files holds
an anchor. What differs, how trust is taken away, is one file per family: debian.py and p11kit.py.
"""

from __future__ import annotations

import os
import re
import stat
from types import MappingProxyType
from typing import Mapping, NamedTuple

from .. import files, pem

FILE_MOST = 8 * 1024 * 1024  # bytes; a bundle of all public roots is about 0.25 MB
HASHED_NAME = re.compile(r"^[0-9a-f]{8}\.[0-9]+$")  # openssl-rehash(1)


class Observed(NamedTuple):
    """What is there. Fingerprints are SHA-256 of the DER.

    ``bundle`` maps fingerprint to DER; ``hashed`` is None for a layout without hashed directory. ``sources`` maps
    every file that an administrator put there (anchors folder, loose files beside the links) to the
    fingerprints in it. ``selected`` maps fingerprint to the distribution's entries that are trusted, ``unlisted``
    to those that the next package update would trust. ``predicted`` is what the tool would make of the sources
    now, or None where only the tool knows. ``dangling`` are links beside the bundle that lead nowhere.
    """

    layout: str
    bundle: dict
    hashed: frozenset | None
    sources: dict
    selected: Mapping = MappingProxyType({})
    unlisted: Mapping = MappingProxyType({})
    predicted: frozenset | None = None
    dangling: frozenset = frozenset()

    def forms(self, sha256):
        """Every form in which an anchor is trusted or would be again; empty means gone."""
        found = [name for name, place in (("bundle", self.bundle), ("hashed", self.hashed or ())) if sha256 in place]
        if sha256 in self.selected or sha256 in self.unlisted:
            found.append("shipped")
        return found + ["local:" + path for path in sorted(self.sources) if sha256 in self.sources[path]]

    def trusts(self, sha256):
        return sha256 in self.bundle and (self.hashed is None or sha256 in self.hashed)


class Reader:
    """Reads certificate files once each, however many links lead to them."""

    def __init__(self):
        self._known = {}

    def fingerprints(self, path, status=None):
        """The fingerprints in a file, as a tuple; empty for a dangling link or something else. ``status`` is its os.stat()."""
        try:
            status = status or os.stat(path)
        except OSError:
            return ()
        key = (status.st_dev, status.st_ino)
        if key not in self._known:
            readable = stat.S_ISREG(status.st_mode) and status.st_size <= FILE_MOST
            self._known[key] = tuple(pem.fingerprint(der) for der in pem.split(files.read(path) or b"")) if readable else ()
        return self._known[key]


class SystemStore:
    """observe, and the edits and refresh step of a plan; a subclass knows one family's way."""

    name = "system"

    def __init__(self, layout, state_dir):
        self.layout = layout
        self.state_dir = state_dir

    def observe(self):
        raise NotImplementedError

    def edits_of(self, change, observed):
        """The edits that make one change; raises BadInput for what must not be guessed."""
        raise NotImplementedError

    def refresh_of(self, changes, observed, future):
        """The Refresh that makes the edits effective; ``future`` is the bundle's fingerprints afterwards."""
        raise NotImplementedError

    def own_file(self, anchor):
        """Our own file for an anchor, whoever else ships that root (docs/architecture.md: a present anchor is always ours)."""
        return os.path.join(self.layout.anchors, "rootwave-{0}{1}".format(anchor.name, self.layout.suffix))

    def holds(self, anchor, observed):
        """Whether an anchor is trusted by our own hand, in every form."""
        return observed.trusts(anchor.sha256) and files.read(self.own_file(anchor)) == anchor.pem.encode("ascii")

    def read_bundle(self):
        data = files.read(self.layout.bundle, FILE_MOST) or b""
        return {pem.fingerprint(der): der for der in pem.split(data)}

    def read_hashed(self, reader):
        """The fingerprints that OpenSSL finds by hashed name; None for a layout without them."""
        if not self.layout.hashed:
            return None
        paths = [entry.path for entry in self.hashed_entries() if HASHED_NAME.match(entry.name)]
        return frozenset(sha for path in paths for sha in reader.fingerprints(path))

    def hashed_entries(self):
        """The os.DirEntry of everything in the hashed directory."""
        if not os.path.isdir(self.layout.hashed):
            return []
        with os.scandir(self.layout.hashed) as entries:
            return list(entries)

    def read_folder(self, reader, folder, suffix=""):
        """{path: fingerprints} of every file below a folder, links followed as the tools do."""
        found = {}
        for where, _folders, names in os.walk(folder, followlinks=True):
            for name in names:
                if name.endswith(suffix) and not name.startswith("."):
                    path = os.path.join(where, name)
                    found[path] = reader.fingerprints(path)
        return found


class ReadOnlyStore(SystemStore):
    """A layout that is recognised and assessed, never changed."""

    def observe(self):
        reader = Reader()
        return Observed(
            layout=self.layout.name,
            bundle=self.read_bundle(),
            hashed=self.read_hashed(reader),
            sources=self.read_folder(reader, self.layout.anchors),
        )


__all__ = ("Observed", "ReadOnlyStore", "Reader", "SystemStore")
