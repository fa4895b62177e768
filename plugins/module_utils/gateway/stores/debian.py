# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""Debian and Ubuntu: update-ca-certificates(8).

What is there; how it is changed is in debian_change.py, which is imported only with a change.
"""

from __future__ import annotations

import os

from .. import files
from .system import HASHED_NAME, Observed, Reader, SystemStore


class DebianStore(SystemStore):
    def observe(self):
        reader = Reader()
        selected, deselected = self._conf()
        shipped = {entry: reader.fingerprints(os.path.join(self.layout.shipped, entry)) for entry in selected}
        local = self.read_folder(reader, self.layout.anchors, ".crt")
        unlisted = self._unlisted(reader, set(selected) | deselected)
        hashed, loose, dangling = self._beside_bundle(reader)
        predicted = {sha for part in (shipped, local) for found in part.values() for sha in found}
        return Observed(
            layout=self.layout.name,
            bundle=self.read_bundle(),
            hashed=hashed,
            sources=dict(local, **loose),
            selected=_by_fingerprint(shipped),
            unlisted=unlisted,
            predicted=frozenset(predicted),
            dangling=dangling,
        )

    def edits_of(self, change, observed):
        from . import debian_change

        return debian_change.edits_of(self, change, observed)

    def refresh_of(self, changes, observed, future):
        from . import debian_change

        return debian_change.refresh_of(self, changes, observed, future)

    def _conf(self):
        """(selected entries in order, set of deselected entries) of ca-certificates.conf."""
        text = (files.read(self.layout.conf) or b"").decode("utf-8", "surrogateescape")
        lines = [line for line in text.split("\n") if line and not line.startswith("#")]
        deselected = {line[1:] for line in lines if line.startswith("!")}
        return [line for line in lines if not line.startswith("!")], deselected

    def _unlisted(self, reader, listed):
        """Shipped roots without a line: a package update takes them for new and trusts them (debconf's default)."""
        found = {}
        for where, _folders, names in os.walk(self.layout.shipped, followlinks=True):
            for path in (os.path.join(where, name) for name in names if name.endswith(".crt")):
                entry = path[len(self.layout.shipped) + 1 :]  # os.path.relpath would take two milliseconds a pass
                if entry not in listed:
                    found[entry] = reader.fingerprints(path)
        return _by_fingerprint(found)

    def _beside_bundle(self, reader):
        """Of the bundle's folder, in one look: the fingerprints under hashed names, {path: fingerprints} of regular files that
        somebody put among the links (OpenSSL trusts them by hashed name all the same), the links that lead nowhere."""
        hashed, loose, dangling = set(), {}, set()
        for entry in self.hashed_entries():
            link = entry.is_symlink()
            try:
                status = entry.stat()
            except OSError:
                dangling |= {entry.path} if link else set()
                continue
            if HASHED_NAME.match(entry.name):
                hashed.update(reader.fingerprints(entry.path, status))
            if not link and entry.is_file() and not entry.name.startswith(".") and entry.path != self.layout.bundle:
                fingerprints = reader.fingerprints(entry.path, status)
                if len(fingerprints) == 1:
                    loose[entry.path] = fingerprints
        return frozenset(hashed), loose, frozenset(dangling)


def _by_fingerprint(found):
    """{fingerprint: entries} of {entry: fingerprints}: one root may be shipped twice, by two packages."""
    turned: dict[str, tuple] = {}
    for entry in sorted(found):
        for sha in found[entry]:
            turned[sha] = turned.get(sha, ()) + (entry,)
    return turned


__all__ = ("DebianStore",)
