# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""Debian and Ubuntu: update-ca-certificates(8).

A root that the distribution ships is deselected in /etc/ca-certificates.conf (``!``), which survives
``dpkg-reconfigure`` and package updates. The tool of Debian 11 removes the bundle before it rehashes and writes
the new one last, so for a second there is none; Debian 12 and 13 rename without fsync. Therefore the tool writes its
bundle under a name of ours, without hooks, and walk.refresh checks it, renames it durably and then runs the
hooks with the lines the tool would have given them. Never ``--fresh``: killed in the middle it leaves a fraction
of the links.
"""

from __future__ import annotations

import os
import re

from .. import edits, files
from ..errors import BadInput
from .system import Observed, Reader, SystemStore

MADE = ".rootwave-bundle"  # hidden and without a suffix, so that openssl-rehash(1) does not look at it


class DebianStore(SystemStore):
    def observe(self):
        reader = Reader()
        selected, deselected = self._conf()
        shipped = {entry: reader.fingerprints(os.path.join(self.layout.shipped, entry)) for entry in selected}
        local = self.read_folder(reader, self.layout.anchors, ".crt")
        unlisted = self._unlisted(reader, set(selected) | deselected)
        predicted = {sha for part in (shipped, local) for found in part.values() for sha in found}
        return Observed(
            layout=self.layout.name,
            bundle=self.read_bundle(),
            hashed=self.read_hashed(reader),
            sources=dict(local, **self._loose(reader)),
            selected=_by_fingerprint(shipped),
            unlisted=unlisted,
            predicted=frozenset(predicted),
            dangling=self._dangling(),
        )

    def edits_of(self, change, observed):
        sha = change.anchor.sha256
        if change.action != "remove":
            return [self.hold(change.anchor)] + self._own_link(change.anchor)
        steps = []
        for entries in (observed.selected, observed.unlisted):
            for entry in entries.get(sha, ()):
                if any(entry in found for other, found in entries.items() if other != sha):
                    path = os.path.join(self.layout.shipped, entry)
                    raise BadInput(
                        "{0} holds other certificates beside {1}; deselecting it loses them".format(path, change.anchor.name)
                    )
                was = entry if entries is observed.selected else None
                steps.append(edits.Edit("line", self.layout.conf, was, "!" + entry))
        for path in sorted(observed.sources):
            if sha not in observed.sources[path]:
                continue
            if len(set(observed.sources[path])) > 1:
                raise BadInput(
                    "{0} holds other certificates beside {1}; split it into one file each, run "
                    "update-ca-certificates and start again".format(path, change.anchor.name)
                )
            steps.append(self.removal_of(path))
            steps += self._orphan(path)
        return steps

    def refresh_of(self, changes, observed, future):
        added, removed = self._hook_lines(changes, observed)
        return edits.Refresh(
            argv=self.layout.tool + ("--certbundle", MADE, "--hooksdir", os.path.join(self.state_dir, "no-hooks")),
            temporary=os.path.join(self.state_dir, "tmp"),
            made=os.path.join(self.layout.hashed, MADE),
            bundle=self.layout.bundle,
            expect=tuple(sorted(future)),
            # the tool rehashes only when it has itself added or removed a link
            after=("openssl", "rehash", self.layout.hashed),
            hooks=self.layout.hooks,
            added=added,
            removed=removed,
        )

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

    def _loose(self, reader):
        """Regular files that somebody put among the links; OpenSSL trusts them by hashed name all the same."""
        found = {}
        for entry in self.hashed_entries():
            ours = entry.path == self.layout.bundle or entry.name.startswith(".")
            if not ours and entry.is_file(follow_symlinks=False):
                fingerprints = reader.fingerprints(entry.path)
                if len(fingerprints) == 1:
                    found[entry.path] = fingerprints
        return found

    def _dangling(self):
        links = [entry.path for entry in self.hashed_entries() if entry.is_symlink()]
        return frozenset(path for path in links if not os.path.exists(path))

    def _link_of(self, path):
        """The link that the tool makes for a source file; the sed expressions of its add()."""
        name = re.sub(r"[()]", "=", os.path.basename(path)[: -len(".crt")].replace(" ", "_")).replace(",", "_")
        return os.path.join(self.layout.hashed, name + ".pem")

    def _own_link(self, anchor):
        """The tool would make this link, but never removes it when our file goes; as an edit it has an inverse."""
        path = self.own_file(anchor)
        link = self._link_of(path)
        now = os.readlink(link) if os.path.islink(link) else None
        return [] if now == path else [edits.Edit("link", link, now, path)]

    def _orphan(self, path):
        """The tool leaves the link of a removed local file dangling."""
        link = self._link_of(path) if path.endswith(".crt") else ""
        if link and os.path.islink(link) and os.readlink(link) == path:
            return [edits.Edit("link", link, path, None)]
        return []

    def _hook_lines(self, changes, observed):
        added, removed = [], []
        for change in changes:
            if change.action == "remove":
                paths = [path for path in sorted(observed.sources) if change.anchor.sha256 in observed.sources[path]]
                shipped = observed.selected.get(change.anchor.sha256, ())
                paths = [os.path.join(self.layout.shipped, entry) for entry in shipped] + paths
                removed += [self._link_of(path) for path in paths if path.endswith(".crt")]
            else:
                added.append(self._link_of(self.own_file(change.anchor)))
        return tuple(added), tuple(removed)


def _by_fingerprint(found):
    """{fingerprint: entries} of {entry: fingerprints}: one root may be shipped twice, by two packages."""
    turned: dict[str, tuple] = {}
    for entry in sorted(found):
        for sha in found[entry]:
            turned[sha] = turned.get(sha, ()) + (entry,)
    return turned


__all__ = ("DebianStore",)
