# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""What a device has carried out cannot be sent to it again: the highest serial, on disk, across reboots."""

from __future__ import annotations

import os
import re

from . import files, strict_json
from .errors import Refused

RATCHET_FILE = "ratchet.json"
FILE_MOST = 4096
SHA256 = re.compile(r"[0-9a-f]{64}")


class Ratchet:
    """``ratchet.json`` in the state directory; all methods need the gateway's lock.

    Where there is no file, nothing was carried out yet. A damaged one is refused, never taken for none: what it held must not be
    forgotten, so a human looks (docs/signing.md).
    """

    def __init__(self, state_dir):
        self.path = os.path.join(state_dir, RATCHET_FILE)

    @property
    def floor(self):
        """The latest ``issued`` that was carried out, epoch seconds; it is later than that now, whatever the clock says."""
        return self._read()["issued"]

    def check(self, phase):
        """Refused('serial') when this phase is behind what was carried out. The same phase again is a repeat, and allowed."""
        known = self._read()
        if phase.serial < known["serial"]:
            raise Refused("serial", "serial {0} is older than {1}, which was begun here".format(phase.serial, known["serial"]))
        if phase.serial == known["serial"] and phase.payload_sha256 != known["payload"]:
            raise Refused("serial", "serial {0} was begun here with another content; sign with a higher one".format(phase.serial))

    def advance(self, phase):
        """Note that this phase begins; durable on return, so call it before the first change on the device."""
        self.check(phase)
        issued = max(phase.issued, self.floor)
        files.write_json(self.path, {"serial": phase.serial, "payload": phase.payload_sha256, "issued": issued})

    def _read(self):
        data = files.read(self.path, FILE_MOST + 1)
        if data is None:
            return {"serial": 0, "payload": "", "issued": 0}
        try:
            known = strict_json.loads(data, FILE_MOST, self.path)
        except Refused as exc:
            raise self._damaged(str(exc)) from exc
        numbers = [known.get("serial"), known.get("issued")]
        if set(known) != {"serial", "payload", "issued"} or not all(strict_json.is_whole(one, 0) for one in numbers):
            raise self._damaged("it must have serial, payload and issued")
        if not isinstance(known["payload"], str) or not SHA256.fullmatch(known["payload"]):
            raise self._damaged("payload is not a SHA-256")
        return known

    def _damaged(self, why):
        return Refused("ratchet", "{0} is damaged ({1}); see what was carried out here, then remove it".format(self.path, why))


__all__ = ("RATCHET_FILE", "Ratchet")
