# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""What nftables.service loads at boot, and our own files in it: one for each place.

The administrator's configuration is never edited. It must include a folder, and a file of ours there holds what is ours in the
kernel. Whether the whole still loads is rehearsed with ``nft --check`` before anything is touched, into an empty ruleset as boot
finds it: a table that only the kernel has now would let a file pass with which nothing at all is loaded then.
"""

from __future__ import annotations

import fnmatch
import glob
import os
import re
import tempfile

from .. import edits, files
from ..errors import CommandFailed
from ..model import Blocker
from ..processes import run
from . import nft
from .backends import Lasting

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


def configuration():
    """(Configuration or None, Blockers): None where what we add would be lost at the next boot."""
    try:
        shown = run(["systemctl", "show", UNIT, "--property=UnitFileState", "--property=ExecStart"]).decode("utf-8", "replace")
    except CommandFailed as exc:
        return None, [_blocker("the services of this gateway cannot be asked ({0})".format(exc))]
    loads = re.search(r"argv\[\]=\S*nft (?:.* )?(?:-f|--file) (\S+)", shown)
    if not loads:
        return None, [_blocker("{0} is not installed, so nothing loads the ruleset at boot; install nftables".format(UNIT))]
    if "UnitFileState=enabled" not in shown.split("\n"):
        return None, [_blocker("{0} is not enabled; systemctl enable {0}".format(UNIT))]
    found = Configuration(loads.group(1))
    if found.number < 0:
        line = 'include "/etc/nftables.d/*.nft"'
        return None, [
            _blocker("{0} includes no folder; make /etc/nftables.d and add this as its last line: {1}".format(found.path, line))
        ]
    return found, []


def _blocker(why):
    return Blocker("allowlist-not-persistent", "what is admitted would be lost at the next boot: " + why)


def text_of(place, value):
    """What the file of a place holds for a switch's value; None for no file."""
    if value is None or not (value["prefixes"] or place.way == "managed_chain"):
        return None
    lines = nft.frame(place, value["ports"]) if place.way == "managed_chain" else []
    lines += nft.elements(place, "add", value["prefixes"])
    return HEADER.format(place.label) + "".join(line + "\n" for line in lines)


def edit_of(found, place, value):
    """The Edit that makes the place's file hold this value, or None where it does already."""
    path, text = found.file_of(place), text_of(place, value)
    after = None if text is None else text.encode("ascii")
    if files.read(path) == after:
        return None
    return edits.Edit("file", path, edits.file_as_it_is(path), None if after is None else edits.content(after))


def holds(values):
    """Whether boot brings exactly these (Place, value) back, told without asking systemd, for the usual file of the service."""
    if not values:
        return True
    path = next((path for path in USUAL if os.path.exists(path)), "")
    found = Configuration(path) if path and glob.glob(ENABLED) else None
    return found is not None and found.number >= 0 and not any(edit_of(found, place, value) for place, value in values)


def lasting(values):
    """What boot must find for these (Place, value) to come back: a Lasting."""
    found, blockers = configuration()
    if not found:
        return Lasting(blockers=tuple(blockers))
    edits_of_places = [(place, edit_of(found, place, value)) for place, value in values]
    steps = tuple((place, edit) for place, edit in edits_of_places if edit)
    against = rehearse(found, [edit for _place, edit in steps]) if steps else []
    return Lasting(steps, found.path if steps else "", tuple(against))


def loads(path):
    """Why nft would not take a file at boot, or an empty text."""
    text = 'flush ruleset\ninclude "{0}"\n'.format(path)
    try:
        run([*nft.NFT, "--check", "-f", "-"], stdin=text.encode("utf-8", "surrogateescape"), timeout=nft.TIMEOUT)
    except CommandFailed as exc:
        return str(exc)
    return ""


def rehearse(found, steps):
    """Blockers: the configuration loads as it is, and would load with these Edits taken."""
    why = loads(found.path)
    if why:
        return [Blocker("allowlist-ruleset", "{0} does not load as it is, so it is not touched: {1}".format(found.path, why))]
    with tempfile.TemporaryDirectory(prefix="rootwave-nft-") as folder:
        future: dict[str, str | None] = {}
        for number, edit in enumerate(steps):
            future[edit.path] = None
            if edit.after is not None:
                future[edit.path] = os.path.join(folder, "{0}.nft".format(number))
                files.write(future[edit.path], edits.data_of(edit.after))
        whole = os.path.join(folder, "whole")
        files.write(whole, found.with_files(future).encode("utf-8", "surrogateescape"))
        why = loads(whole)
    return [_blocker("{0} would not load with our file in it: {1}".format(found.path, why))] if why else []


__all__ = ("Configuration", "configuration", "edit_of", "holds", "lasting", "loads", "rehearse", "text_of")
