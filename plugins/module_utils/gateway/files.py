# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""Small files, whole or not at all: every write is a temporary file beside its target, fsync, rename.

The temporary name follows from the target's name, so that what a killed run left behind is found and
removed by the next one.
"""

from __future__ import annotations

import json
import os

JSON_LIMIT = 4 * 1024 * 1024


def temporary_beside(path):
    """Where a write to path is prepared; hidden and without a suffix that a store tool would read."""
    folder, name = os.path.split(path)
    return os.path.join(folder, ".{0}.rootwave".format(name))


def read(path, limit=None):
    """The bytes of a file, or None where there is none; at most ``limit`` bytes if given."""
    try:
        with open(path, "rb") as stream:
            return stream.read() if limit is None else stream.read(limit)
    except (FileNotFoundError, NotADirectoryError):
        return None


def names_in(folder):
    """The sorted names in a folder, none where there is no such folder."""
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


def write(path, data, mode=0o644, uid=-1, gid=-1):
    """Replace or create a file; readers see the old bytes or the new ones, also after a power cut."""
    temporary = temporary_beside(path)
    remove(temporary)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fchown(stream.fileno(), uid, gid)
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        remove(temporary)
        raise
    sync_folder(os.path.dirname(path))


def install(source, target):
    """Move a finished file over another one, atomically and durably; both on one file system."""
    descriptor = os.open(source, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.replace(source, target)
    sync_folder(os.path.dirname(target))


def remove(path):
    """Remove a file or a link; absent already is success. Returns whether something was removed."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True


def sync_folder(path):
    """Make the names in a folder durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_json(path):
    """A JSON document of ours, or None where there is no file or only a damaged one."""
    data = read(path, JSON_LIMIT)
    if data is None:
        return None
    try:
        return json.loads(data.decode("utf-8"))
    except ValueError:
        return None


def json_bytes(document):
    return (json.dumps(document, indent=1, sort_keys=True) + "\n").encode("utf-8")


def write_json(path, document, mode=0o600):
    write(path, json_bytes(document), mode=mode)


__all__ = (
    "install",
    "json_bytes",
    "names_in",
    "read",
    "read_json",
    "remove",
    "sync_folder",
    "temporary_beside",
    "write",
    "write_json",
)
