# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""What nftables.service loads at boot, and our own files in it: one for each place.

The administrator's configuration is never edited. It must include a folder, and a file of ours there holds what is ours in the
kernel.
"""

from __future__ import annotations

import fnmatch
import glob
import os
import re

from .. import files
from . import nft

UNIT = "nftables.service"
USUAL = ("/etc/nftables.conf", "/etc/sysconfig/nftables.conf")  # Debian, RHEL
ENABLED = "/etc/systemd/system/*.wants/" + UNIT
INCLUDE = re.compile(r"""^\s*include\s+["']([^"']+)["']\s*;?\s*$""")
NAMES = ("rootwave-output-inet-filter-chain=x.nft", "rootwave-forward-ip-filter-set4=x.nft")  # as our files are called
INCLUDE_FOLDER = "/etc"  # where nft looks for relative names (nft(8), -I)
HEADER = "# Written by Rootwave: what it admits at {0}. Change the campaign, not this file.\n"


class Configuration:
    """The file that the service loads, and the include line that takes files of ours."""

    def __init__(self, path):
        self.path = path
        self.lines = (files.read(path) or b"").decode("utf-8", "surrogateescape").splitlines()
        self.number, self.pattern = self._include()

    def _include(self) -> tuple[int, str]:
        """(line number, pattern) of the first include line that takes a file of ours; (-1, "") for none."""
        for number, line in enumerate(self.lines):
            match = INCLUDE.match(line)
            pattern = os.path.join(INCLUDE_FOLDER, match.group(1)) if match else ""
            folder, name = os.path.split(pattern)
            if os.path.isdir(folder) and all(fnmatch.fnmatchcase(ours, name) for ours in NAMES):
                return number, pattern
        return -1, ""

    def file_of(self, place):
        """A name has no "=", so no two places share a file."""
        parts = ["rootwave", place.path, place.family, place.table]
        parts += ["{0}={1}".format(key, name) for key in ("chain", "set4", "set6") for name in [getattr(place, key)] if name]
        return os.path.join(os.path.dirname(self.pattern), "-".join(parts) + ".nft")

    def with_files(self, future):
        """The text of the configuration as it would be read with ``future`` ({path: path that stands for it, or None})."""
        there = sorted(set(glob.glob(self.pattern)) | set(future))
        read = [future.get(path, path) for path in there]
        lines = list(self.lines)
        lines[self.number] = "\n".join('include "{0}"'.format(path) for path in read if path)
        return "\n".join(lines) + "\n"


def text_of(place, value):
    """What the file of a place holds for a switch's value, as bytes; None for no file."""
    if value is None or not (value["prefixes"] or place.way == "managed_chain"):
        return None
    lines = []
    if place.way == "managed_chain":
        from . import nft_own_chain  # on a gateway every import is compiled anew

        lines += nft_own_chain.frame(place, value["ports"])
    lines += nft.elements(place, "add", value["prefixes"])
    return (HEADER.format(place.label) + "".join(line + "\n" for line in lines)).encode("ascii")


def holds(values):
    """Whether boot brings exactly these (Place, value) back, told without asking systemd, for the usual file of the service."""
    if not values:
        return True
    path = next((path for path in USUAL if os.path.exists(path)), "")
    found = Configuration(path) if path and glob.glob(ENABLED) else None
    if found is None or found.number < 0:
        return False
    return all(files.read(found.file_of(place)) == text_of(place, value) for place, value in values)


__all__ = ("UNIT", "Configuration", "holds", "text_of")
