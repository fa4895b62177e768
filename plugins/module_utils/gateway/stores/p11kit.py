# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""RHEL, Fedora and Amazon Linux: p11-kit's trust module and update-ca-trust(8).

A root that the distribution ships cannot be deleted; it is put on the blocklist, which wins over every other
source, so it also holds when a package update or an administrator brings the root back. trust(1) writes each
file beside its target and renames it.
"""

from __future__ import annotations

import os

from .. import edits
from .system import Observed, Reader, SystemStore


class P11KitStore(SystemStore):
    def observe(self):
        reader = Reader()
        return Observed(
            layout=self.layout.name,
            bundle=self.read_bundle(),
            hashed=self.read_hashed(reader),
            sources=self.read_folder(reader, self.layout.anchors),
        )

    def edits_of(self, change, observed):
        if change.action != "remove":
            return [edits.writing(self.own_file(change.anchor), change.anchor.pem.encode("ascii"))]
        path = os.path.join(self.layout.blocklist, "rootwave-{0}.pem".format(change.anchor.name))
        steps = [edits.writing(path, change.anchor.pem.encode("ascii"))]
        from .copies import copies_of

        return steps + [edits.removal_of(path) for path in copies_of(change.anchor, observed, self.layout.tool[0])]

    def refresh_of(self, changes, observed, future):
        return edits.Refresh(
            argv=self.layout.tool,
            temporary=os.path.join(self.state_dir, "tmp"),
            bundle=self.layout.bundle,
        )


__all__ = ("P11KitStore",)
