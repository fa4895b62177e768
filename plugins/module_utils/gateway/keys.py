# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""Whom a device believes: ``keys.json``. Who installs the agent writes it; only an order that its keys signed replaces it."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import stat
from typing import NamedTuple

from . import strict_json
from .desired import NAME
from .errors import Refused

KEYS_FILE = "keys.json"
FILE_MOST = 24 * 1024  # an order with new keys has them as its payload
KEYS_MOST = 16
MEMBERS = {"schema", "version", "fleet", "threshold", "keys"}
PEM = re.compile(r"\s*-----BEGIN PUBLIC KEY-----([A-Za-z0-9+/=\s]*)-----END PUBLIC KEY-----\s*")
# A SubjectPublicKeyInfo of id-ecPublicKey and prime256v1 with an uncompressed point (RFC 5480), up to the point's two numbers.
# No other form of the same key gets in: its SHA-256 would be another, and it would count twice.
P256 = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
# The curve, from NIST SP 800-186 section 3.2.1.3: y^2 = x^3 - 3 x + B modulo P
P = 2**256 - 2**224 + 2**192 + 2**96 - 1
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B


class Key(NamedTuple):
    """``id`` is the SHA-256 of the DER SubjectPublicKeyInfo, ``pem`` that DER written anew."""

    id: str
    pem: str


class Keys(NamedTuple):
    """Of these keys of a fleet, ``threshold`` different ones must have signed."""

    version: int
    fleet: str
    threshold: int
    keys: tuple

    def as_document(self):
        """What ``keys.json`` holds."""
        return {
            "schema": 1,
            "version": self.version,
            "fleet": self.fleet,
            "threshold": self.threshold,
            "keys": [key.pem for key in self.keys],
        }


def read_keys(path):
    """Keys from ``keys.json``. Refused('keys') when somebody else could have written it, or when it is not as it must be.

    It must be a plain file of root (or, where this does not run as root, of this user) that nobody else may write.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as exc:
        raise Refused("keys", "{0}: {1}; install the agent's keys again".format(path, exc.strerror)) from exc
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_mode & 0o022 or status.st_uid not in (0, os.geteuid()):
            raise Refused("keys", "{0} must be a plain file of root that only root may write (0644 or 0600)".format(path))
        data = os.read(descriptor, FILE_MOST + 1)  # whole: a regular file, and far below what one read gives
    finally:
        os.close(descriptor)
    return from_bytes(data, path)


def from_bytes(data, where="keys.json"):
    """Keys from the bytes of their JSON document; Refused('keys') names what is wrong."""
    try:
        document = strict_json.loads(data, FILE_MOST, where)
    except Refused as exc:
        raise Refused("keys", str(exc)) from exc
    if set(document) != MEMBERS or document["schema"] != 1:
        raise Refused("keys", "{0} must have schema 1 and version, fleet, threshold and keys, nothing else".format(where))
    version, fleet, threshold, listed = (document[name] for name in ("version", "fleet", "threshold", "keys"))
    if not isinstance(fleet, str) or not NAME.fullmatch(fleet):
        raise Refused("keys", "{0}: fleet {1!r} is not a name (a-z, 0-9, -)".format(where, fleet))
    if not strict_json.is_whole(version, 1):
        raise Refused("keys", "{0}: version must be 1 or more".format(where))
    if not isinstance(listed, list) or not 1 <= len(listed) <= KEYS_MOST:
        raise Refused("keys", "{0}: from 1 to {1} keys are needed".format(where, KEYS_MOST))
    found = tuple(key_of(item, where) for item in listed)
    if len({key.id for key in found}) != len(found):
        raise Refused("keys", "{0}: one key stands twice; its signature would count twice".format(where))
    if not strict_json.is_whole(threshold, 1) or threshold > len(found):
        raise Refused("keys", "{0}: threshold must be from 1 to {1}, the number of keys".format(where, len(found)))
    return Keys(version, fleet, threshold, found)


def key_of(text, where):
    """A Key from PEM text; Refused when it is no P-256 public key in its usual form."""
    match = PEM.fullmatch(text) if isinstance(text, str) else None
    if not match:
        raise Refused("keys", "{0}: a key is one PEM block, -----BEGIN PUBLIC KEY-----".format(where))
    try:
        der = base64.b64decode("".join(match.group(1).split()), validate=True)
    except ValueError as exc:
        raise Refused("keys", "{0}: a key's PEM is damaged".format(where)) from exc
    if len(der) != len(P256) + 64 or not der.startswith(P256) or not _on_curve(der[-64:-32], der[-32:]):
        raise Refused("keys", "{0}: a key is not EC P-256 with an uncompressed point".format(where))
    body = base64.b64encode(der).decode("ascii")
    lines = "\n".join(body[start : start + 64] for start in range(0, len(body), 64))
    return Key(hashlib.sha256(der).hexdigest(), "-----BEGIN PUBLIC KEY-----\n{0}\n-----END PUBLIC KEY-----\n".format(lines))


def _on_curve(left, right):
    x, y = int.from_bytes(left, "big"), int.from_bytes(right, "big")
    return x < P and y < P and (y * y - (x * x * x - 3 * x + B)) % P == 0


__all__ = ("KEYS_FILE", "Key", "Keys", "from_bytes", "key_of", "read_keys")
