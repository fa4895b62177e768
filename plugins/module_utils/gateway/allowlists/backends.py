# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""The backends, and what each of them is made of. Only the one that a place names is imported: on a gateway every import is
compiled anew. The imports stand here by name because Ansible ships to a gateway only what an import names.

A backend plans and judges. Its tool (switch.py, ``tool_of``) reads a place and moves it, and is part of the program that reverts
a change.

A backend has
- ``missing_tool(places)``: Blockers where its command is not there or its service does not run;
- ``look(places)``: ({Place: state}, Blockers), one listing for all; see state.py for what a state has;
- ``before_change(seen, moved)``: Blockers that are looked for only when something is to change at these Places;
- ``rehearse(moves)``: Blockers of what the tool would refuse; moves are (Place, state, wanted value);
- ``holds(values)``: whether the next boot brings exactly these (Place, value) back, told without starting a program;
- ``lasting(values)``: a Lasting of the edits that make it so;
- ``loads(path)``: why what boots would not take this file, or an empty text.

A tool has
- ``read(place)``: its state now, ``found`` False where what the administrator has to provide is missing; raises CommandFailed;
- ``move(place, now, wanted, lock=None)``: to the wanted value, in one transaction as far as the tool has any, and so that one
  that is killed anywhere is taken back by walking again; None removes all that is ours; raises CommandFailed;
- ``shut(place, now, lock=None)``: where removal is refused because others use what is ours: it lets nothing through any more;
- ``NEEDS``: modules that it imports from this folder, beside prefixes and state, for the revert program.
"""

from __future__ import annotations

import shutil
from typing import NamedTuple

from ..model import Blocker
from ..processes import PATH


class Lasting(NamedTuple):
    """The edits of files that boot reads, as (Place, Edit); the file to ask for with ``loads``; what stands against it."""

    edits: tuple = ()
    loads: str = ""
    blockers: tuple = ()


def missing_nft():
    """A list of the Blocker that nft is not there, or empty."""
    if shutil.which("nft", path=PATH):
        return []
    return [Blocker("allowlist-tool", "nft is not installed, so nobody can tell what filters here; install nftables")]


def backend_of(kind):
    """What plans and judges places of a backend."""
    if kind == "nftables":
        from . import nftables

        return nftables
    if kind == "ufw":
        from . import ufw

        return ufw
    if kind == "iptables":
        from . import iptables

        return iptables
    if kind == "firewalld":
        from . import firewalld

        return firewalld
    raise KeyError(kind)


__all__ = ("Lasting", "backend_of", "missing_nft")
