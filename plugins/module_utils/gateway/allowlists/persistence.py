# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""How our own files get into what nftables.service loads at boot: the edits, and what stands against them.

Whether the whole still loads is rehearsed with ``nft --check`` before anything is touched, into an empty ruleset as boot
finds it: a table that only the kernel has now would let a file pass with which nothing at all is loaded then.
"""

from __future__ import annotations

import os
import re
import tempfile

from .. import edits, files
from ..errors import CommandFailed
from ..model import Blocker
from ..processes import run
from . import nft
from .backends import Lasting
from .boot_files import UNIT, Configuration, text_of


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


def edit_of(found, place, value):
    """The Edit that makes the place's file hold this value, or None where it does already."""
    path, after = found.file_of(place), text_of(place, value)
    if files.read(path) == after:
        return None
    return edits.Edit("file", path, edits.file_as_it_is(path), None if after is None else edits.content(after))


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


__all__ = ("configuration", "edit_of", "lasting", "loads", "rehearse")
