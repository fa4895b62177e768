# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""The nouns: frozen values that every other file of the core passes around.

Foreign JSON becomes typed in one place, desired.py. Nothing in here touches a file, a socket or a clock. A dataclass costs a
gateway ten times the start-up of a NamedTuple.
"""

from __future__ import annotations

from typing import Any, NamedTuple

PHASES = ("assess", "stage", "retire", "revert")
ROLES = ("hub", "dps", "edge-parent", "other")
OFFERS = ("default", "rsa", "ecdsa")

# Where a probe ended. "ok" and "not-offered" are no failures: a server with an RSA certificate only
# cannot answer an ECDSA-only offer, and that says nothing about trust.
STAGES = (
    "ok",
    "not-offered",
    "dns",
    "tcp",
    "proxy",
    "tls-untrusted",
    "tls-name",
    "tls-expired",
    "tls-protocol",
    "clock",
)


class Anchor(NamedTuple):
    """One root CA certificate; its identity is ``sha256``, of its DER, never a file name or an alias."""

    sha256: str
    name: str
    subject: str
    pem: str


class Endpoint(NamedTuple):
    """What a gateway must reach. ``proxy`` is None or ``http://host:port`` (HTTP CONNECT)."""

    host: str
    port: int
    role: str = "hub"
    proxy: str | None = None


class Timeouts(NamedTuple):
    """Seconds per stage of a probe; their sum bounds one handshake."""

    dns: float = 5.0
    tcp: float = 5.0
    tls: float = 10.0


class Trust(NamedTuple):
    """What a probe trusts: exactly one of a PEM file, a hashed directory or PEM text."""

    label: str
    cafile: str | None = None
    capath: str | None = None
    cadata: str | None = None


class Proof(NamedTuple):
    """The dated record of one DNS + TCP + TLS attempt on one address.

    ``stage`` is one of STAGES; ``trust`` is the label of the Trust used; ``anchor`` is the SHA-256 of the
    root that verified the chain and ``anchor_subject`` its subject, both empty when nothing verified.
    """

    host: str
    port: int
    role: str
    trust: str
    offer: str
    stage: str
    detail: str = ""
    address: str = ""
    proxy: str | None = None
    protocol: str = ""
    leaf_sha256: str = ""
    anchor: str = ""
    anchor_subject: str = ""
    at: int = 0

    @property
    def ok(self):
        return self.stage == "ok"

    def as_dict(self):
        return self._asdict()


class Finding(NamedTuple):
    """What assess noticed. ``id`` is ``kind:where`` and is the same on every gateway with the same defect."""

    id: str
    severity: str  # blocker, warning or info
    detail: str

    def as_dict(self):
        return self._asdict()


class Blocker(NamedTuple):
    """Why a phase was refused: a stable id (``clock``, ``unlisted-endpoint``, ...) and a sentence."""

    id: str
    detail: str

    def as_dict(self):
        return self._asdict()


class Change(NamedTuple):
    """One step of a plan: what happens to the trust in one anchor in one store."""

    store: str
    action: str  # add, hold (already trusted, but not by our own file) or remove
    anchor: Anchor

    def as_dict(self):
        return {
            "store": self.store,
            "action": self.action,
            "anchor": self.anchor.name,
            "subject": self.anchor.subject,
            "sha256": self.anchor.sha256,
        }


class PlaceChange(NamedTuple):
    """One step of a plan: what one place of the gateway's ruleset lets through. ``place`` is its label.

    action is admit, take-out (``packets`` seen by each prefix, None: nothing counts there), repair (our chain) or keep (only
    what boot loads).
    """

    place: str
    action: str
    prefixes: tuple = ()
    packets: tuple = ()
    sources: tuple = ()

    def as_dict(self):
        counted = {"packets": list(self.packets)} if self.packets else {}
        lists = {"prefixes": list(self.prefixes), "sources": list(self.sources)}
        return dict(counted, store="allowlist", place=self.place, action=self.action, **lists)


class Plan(NamedTuple):
    """All steps of one phase on one gateway, anchors and addresses; empty when the gateway already is as desired."""

    changes: tuple = ()
    places: tuple = ()

    def __bool__(self):
        return bool(self.changes or self.places)

    def as_list(self):
        return [change.as_dict() for change in self.changes + self.places]


class Desired(NamedTuple):
    """What a campaign asks of one gateway in one phase. Times are epoch seconds, durations seconds."""

    campaign: str
    digest: str
    phase: str
    present: tuple = ()
    absent: tuple = ()
    endpoints: tuple = ()
    clouds: tuple = ("public",)
    safe_after: int | None = None
    safe_after_source: str = ""
    accept: tuple = ()  # finding ids
    ca_files: tuple = ()
    timeouts: Timeouts = Timeouts()
    confirm: str = "auto"  # auto: trust-only changes commit at once; required: wait for a commit
    confirm_within: int = 300
    allowlist: Any = None  # allowlists.document.Allowlist; not even imported where a campaign has none
    undo: str | None = None  # the phase that phase revert takes back: stage or retire

    def name_of(self, sha256):
        """The campaign's name for a fingerprint, or an empty string."""
        for anchor in self.present + self.absent:
            if anchor.sha256 == sha256:
                return anchor.name
        return ""


__all__ = (
    "OFFERS",
    "PHASES",
    "ROLES",
    "STAGES",
    "Anchor",
    "Blocker",
    "Change",
    "Desired",
    "Endpoint",
    "Finding",
    "PlaceChange",
    "Plan",
    "Proof",
    "Timeouts",
    "Trust",
)
