# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""Which keys signed, judged by the ``openssl`` command: the core has no cryptography of its own.

``openssl dgst -sha256 -verify`` (openssl-dgst(1), the same from 1.1.1 to 3.5) ends with 0 and "Verified OK", or with 1.
"""

from __future__ import annotations

import os
import tempfile

from . import envelope, files, processes
from .errors import CommandFailed, Refused, StorageFailed

SECONDS = 30.0
OK, NOT_VERIFIED = b"Verified OK", 1


def signers_of(signed, keys):
    """The ids of those of ``keys`` (Key values) that signed the Envelope.

    Keys are counted, never signatures: of an ECDSA signature (r, s) anybody can make a second valid one, (r, n - s).
    """
    try:
        with tempfile.TemporaryDirectory(prefix="rootwave-") as folder:  # mode 0700
            files.write(os.path.join(folder, "signed"), envelope.pae(signed.payload_type, signed.payload), mode=0o600)
            return tuple(key.id for key in keys if _signed(folder, key, signed.signatures))
    except OSError as exc:
        raise StorageFailed.of(exc) from exc


def _signed(folder, key, signatures):
    """Whether any signature is of this key. Those that say so come first, which saves runs and decides nothing."""
    files.write(os.path.join(folder, "key"), key.pem.encode("ascii"), mode=0o600)
    likely_first = sorted(set(signatures), key=lambda signature: (signature.keyid != key.id, signature))
    return any(_verifies(folder, signature) for signature in likely_first)


def _verifies(folder, signature):
    files.write(os.path.join(folder, "signature"), signature.sig, mode=0o600)
    key, sig, signed = (os.path.join(folder, name) for name in ("key", "signature", "signed"))
    try:
        said = processes.run(["openssl", "dgst", "-sha256", "-verify", key, "-signature", sig, signed], timeout=SECONDS)
    except CommandFailed as exc:
        if exc.details.get("code") == NOT_VERIFIED:
            return False
        raise Refused("openssl", "{0}; without the openssl command nothing can be verified, install it".format(exc)) from exc
    return said.strip() == OK


__all__ = ("signers_of",)
