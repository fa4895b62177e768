# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""Debian and Ubuntu: the edits that give and take trust, and the run of update-ca-certificates(8) that makes them effective.

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

from .. import edits
from ..errors import BadInput
from .copies import copies_of

MADE = ".rootwave-bundle"  # hidden and without a suffix, so that openssl-rehash(1) does not look at it


def edits_of(store, change, observed):
    """See SystemStore."""
    sha = change.anchor.sha256
    if change.action != "remove":
        return [edits.writing(store.own_file(change.anchor), change.anchor.pem.encode("ascii"))] + _own_link(store, change.anchor)
    steps = []
    for entries in (observed.selected, observed.unlisted):
        for entry in entries.get(sha, ()):
            if any(entry in found for other, found in entries.items() if other != sha):
                path = os.path.join(store.layout.shipped, entry)
                raise BadInput(
                    "{0} holds other certificates beside {1}; deselecting it loses them".format(path, change.anchor.name)
                )
            was = entry if entries is observed.selected else None
            steps.append(edits.Edit("line", store.layout.conf, was, "!" + entry))
    for path in copies_of(change.anchor, observed, store.layout.tool[0]):
        steps.append(edits.removal_of(path))
        steps += _orphan(store, path)
    return steps


def refresh_of(store, changes, observed, future):
    """See SystemStore."""
    added, removed = _hook_lines(store, changes, observed)
    return edits.Refresh(
        argv=store.layout.tool + ("--certbundle", MADE, "--hooksdir", os.path.join(store.state_dir, "no-hooks")),
        temporary=os.path.join(store.state_dir, "tmp"),
        made=os.path.join(store.layout.hashed, MADE),
        bundle=store.layout.bundle,
        expect=tuple(sorted(future)),
        # the tool rehashes only when it has itself added or removed a link
        after=("openssl", "rehash", store.layout.hashed),
        hooks=store.layout.hooks,
        added=added,
        removed=removed,
    )


def _own_link(store, anchor):
    """The tool would make this link, but never removes it when our file goes; as an edit it has an inverse."""
    path = store.own_file(anchor)
    link = _link_of(store, path)
    now = os.readlink(link) if os.path.islink(link) else None
    return [] if now == path else [edits.Edit("link", link, now, path)]


def _orphan(store, path):
    """The tool leaves the link of a removed local file dangling."""
    link = _link_of(store, path) if path.endswith(".crt") else ""
    if link and os.path.islink(link) and os.readlink(link) == path:
        return [edits.Edit("link", link, path, None)]
    return []


def _hook_lines(store, changes, observed):
    added, removed = [], []
    for change in changes:
        if change.action == "remove":
            paths = [path for path in sorted(observed.sources) if change.anchor.sha256 in observed.sources[path]]
            shipped = observed.selected.get(change.anchor.sha256, ())
            paths = [os.path.join(store.layout.shipped, entry) for entry in shipped] + paths
            removed += [_link_of(store, path) for path in paths if path.endswith(".crt")]
        else:
            added.append(_link_of(store, store.own_file(change.anchor)))
    return tuple(added), tuple(removed)


def _link_of(store, path):
    """The link that the tool makes for a source file; the sed expressions of its add()."""
    name = re.sub(r"[()]", "=", os.path.basename(path)[: -len(".crt")].replace(" ", "_")).replace(",", "_")
    return os.path.join(store.layout.hashed, name + ".pem")


__all__ = ("edits_of", "refresh_of")
