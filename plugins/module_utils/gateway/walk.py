# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""Edits and refresh steps carried out.

Apply walks the edits forward, revert walks them backward; both are this one file, in the run that changes the
gateway and in the program that reverts it when that run is gone. Walking is idempotent: an edit that is
already done is passed over, so an interrupted walk is simply walked again. An edit never overwrites what
somebody else has put in its place: forward that is an error, backward it is left alone and told.
"""

from __future__ import annotations

import os
import re

from . import files, pem
from .edits import data_of
from .errors import ApplyFailed, CommandFailed
from .processes import run

TOOL_TIMEOUT = 300.0  # seconds; update-ca-certificates takes 1 to 3 s, a slow SD card multiplies that
HOOK_NAME = re.compile(r"^[A-Za-z0-9_-]+$")  # the names that run-parts(8) runs


def forward(edits):
    """Take every step; raises ApplyFailed at the first place that is neither before nor after."""
    for edit in edits:
        if not _take(edit):
            raise ApplyFailed("{0} changed since it was looked at; start again".format(edit.path), path=edit.path)


def backward(edits):
    """Take every step back, last one first; return the paths that were left alone, for somebody changed them."""
    return [edit.path for edit in reversed(edits) if not _take(edit.inverted())]


def _take(edit):
    """Bring one place from before to after; False when it is neither."""
    files.remove(files.temporary_beside(edit.path))
    return {"file": _take_file, "line": _take_line, "link": _take_link}[edit.kind](edit)


def _take_file(edit):
    now = files.read(edit.path)
    before, after = (None if side is None else data_of(side) for side in (edit.before, edit.after))
    if now == after:
        return True
    if now != before:
        return False
    if after is None:
        files.remove(edit.path)
        files.sync_folder(os.path.dirname(edit.path))
    else:
        files.write(edit.path, after, edit.after["mode"], edit.after["uid"], edit.after["gid"])
    return True


def _take_line(edit):
    data = files.read(edit.path)
    if data is None:
        return edit.after is None
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    if edit.before is None:
        if edit.after not in lines:
            if lines[-1] == "":
                lines.pop()
            lines += [edit.after, ""]
    elif edit.before in lines:
        kept = [edit.after if line == edit.before else line for line in lines]
        lines = [line for line in kept if line is not None]
    else:
        return edit.after is None or edit.after in lines
    changed = "\n".join(lines).encode("utf-8", "surrogateescape")
    if changed != data:
        status = os.stat(edit.path)
        files.write(edit.path, changed, status.st_mode & 0o7777, status.st_uid, status.st_gid)
    return True


def _take_link(edit):
    now = os.readlink(edit.path) if os.path.islink(edit.path) else None
    if now == edit.after:
        return True
    if now != edit.before or (now is None and os.path.lexists(edit.path)):
        return False
    if edit.after is None:
        files.remove(edit.path)
    else:
        os.symlink(edit.after, edit.path)
    files.sync_folder(os.path.dirname(edit.path))
    return True


def refresh(step, lock=None):
    """Run the store's tool and install what it made; returns what the steps after it complained of, a list.

    Raises CommandFailed or ApplyFailed, the old bundle untouched. A complaint is no failure: whether the store is as it
    must be is read back by fingerprint (openssl-rehash(1) ends with 1 for any dangling link of anybody).
    """
    os.makedirs(step.temporary, mode=0o700, exist_ok=True)
    for leftover in os.listdir(step.temporary):
        files.remove(os.path.join(step.temporary, leftover))
    if step.made:
        # update-ca-certificates appends to what a power cut left of its working file, and so damages the bundle
        for leftover in (step.made, step.made + ".new"):
            files.remove(leftover)
    run(step.argv, timeout=TOOL_TIMEOUT, environment={"TMPDIR": step.temporary}, lock=lock)
    if step.made:
        _check_made(step)
        files.install(step.made, step.bundle)
    return _complaints(step.after, b"", lock) + _run_hooks(step, lock)


def _check_made(step):
    """The new bundle can be read, and holds exactly what the plan foretold; backward, certificates at all."""
    if not pem.readable(step.made):
        raise ApplyFailed("{0} made a bundle that OpenSSL cannot read; it was not installed".format(step.argv[0]))
    found = pem.fingerprints(files.read(step.made) or b"")
    if step.expect:
        surplus, missing = sorted(found - set(step.expect)), sorted(set(step.expect) - found)
        if surplus or missing:
            raise ApplyFailed(
                "{0} made another bundle than planned ({1} certificates too many, {2} missing); it was not installed".format(
                    step.argv[0], len(surplus), len(missing)
                ),
                surplus=surplus[:10],
                missing=missing[:10],
            )


def _complaints(argv, stdin, lock):
    """Run a command whose exit code is no evidence; what it said when it failed, a list of at most one text."""
    if not argv:
        return []
    try:
        run(argv, stdin=stdin, timeout=TOOL_TIMEOUT, lock=lock)
    except CommandFailed as exc:
        return [str(exc)]
    return []


def _run_hooks(step, lock):
    """Run the distribution's hooks as run-parts(8) would. A failing hook fails nothing, as in the tool itself."""
    lines = ["+" + path for path in step.added] + ["-" + path for path in step.removed]
    failed: list[str] = []
    if not step.hooks or not lines or not os.path.isdir(step.hooks):
        return failed
    for name in sorted(os.listdir(step.hooks)):
        path = os.path.join(step.hooks, name)
        if HOOK_NAME.match(name) and os.access(path, os.X_OK) and os.path.isfile(path):
            failed += _complaints([path], ("\n".join(lines) + "\n").encode(), lock)
    return failed


__all__ = ("backward", "forward", "refresh")
