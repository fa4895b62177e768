# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""Invertible edits: a change is a list of them and the store tool's refresh steps, all of it data. walk.py carries them out."""

from __future__ import annotations

import base64
import os
from typing import NamedTuple

from . import files


class Edit(NamedTuple):
    """One step that can be taken back.

    kind ``file``: before and after are None (absent) or {"data": base64, "mode", "uid", "gid"};
    kind ``line``: before and after are one whole line of a text file, or None (no such line);
    kind ``link``: before and after are a symbolic link's target, or None (no such link).
    """

    kind: str
    path: str
    before: object
    after: object

    def as_dict(self):
        return self._asdict()

    def inverted(self):
        return Edit(self.kind, self.path, self.after, self.before)


class Refresh(NamedTuple):
    """What makes a store's sources effective: the tool's argv and what surrounds it.

    ``argv`` runs with TMPDIR set to ``temporary``. When the tool writes its result to ``made``, that file is checked
    to hold exactly the fingerprints ``expect`` (forward only) and then moved over ``bundle``. ``after`` is a second
    command. Then every hook in the folder ``hooks`` gets lines ``+path`` (``added``) and ``-path`` (``removed``) on
    its standard input, as update-ca-certificates(8) documents.
    """

    argv: tuple
    temporary: str
    made: str = ""
    bundle: str = ""
    expect: tuple = ()
    after: tuple = ()
    hooks: str = ""
    added: tuple = ()
    removed: tuple = ()

    def as_dict(self):
        return self._asdict()

    def inverted(self):
        return self._replace(expect=(), added=self.removed, removed=self.added)


def content(data, mode=0o644, uid=0, gid=0):
    """The value of a file edit's before or after."""
    return {"data": base64.b64encode(data).decode("ascii"), "mode": mode, "uid": uid, "gid": gid}


def writing(path, data):
    """The edit that makes a file ours."""
    return Edit("file", path, file_as_it_is(path), content(data))


def removal_of(path):
    """The edit that removes a file, a link as a link."""
    if os.path.islink(path):
        return Edit("link", path, os.readlink(path), None)
    return Edit("file", path, file_as_it_is(path), None)


def data_of(side):
    """The bytes of a file edit's before or after."""
    return base64.b64decode(side["data"])


def file_as_it_is(path):
    """The value that stands for a file as it is now, or None where there is none."""
    data = files.read(path)
    if data is None:
        return None
    status = os.stat(path)
    return content(data, status.st_mode & 0o7777, status.st_uid, status.st_gid)


__all__ = ("Edit", "Refresh", "content", "data_of", "file_as_it_is", "removal_of", "writing")
