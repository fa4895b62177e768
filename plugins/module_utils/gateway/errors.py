# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""Every error the core raises. Each edge (a module, the agent) translates TrustError exactly once.

A message says what failed, on what, and what to do next. ``details`` is JSON-safe, because it ends in a
module result and in a reported twin property.
"""

from __future__ import annotations


class TrustError(Exception):
    """Base of all errors of the core."""

    def __init__(self, message, **details):
        super().__init__(message)
        self.details = details


class StorageFailed(TrustError):
    """The gateway's own files cannot be read or written: disk full, read-only, something else in the way."""

    @classmethod
    def of(cls, error):
        """From an OSError that nothing closer to its cause has dealt with."""
        where = "{0}: ".format(error.filename) if error.filename else ""
        return cls(
            "{0}{1}; free the cause (disk full, read-only, something else in the way) and start again. What was under way is "
            "finished or reverted first".format(where, error.strerror or error)
        )


class BadInput(TrustError):
    """The desired document, a certificate or a file on the gateway is not what it must be."""


class Refused(TrustError):
    """An order, an envelope or a file of keys is not believed. ``reason`` is a stable id; docs/signing.md lists them all."""

    def __init__(self, reason, message, **details):
        super().__init__(message, reason=reason, **details)
        self.reason = reason


class UnsupportedGateway(TrustError):
    """The gateway is not one on which trust may be changed: not root, no known layout, two layouts."""


class Busy(TrustError):
    """Another run holds the gateway's lock for longer than this one may wait."""


class CommandFailed(TrustError):
    """A tool ended with a non-zero code, did not end in time, or is not installed."""


class ProxyRefused(TrustError):
    """The proxy did not open the tunnel."""


class ApplyFailed(TrustError):
    """A store did not become what the plan says; the change was reverted."""


class ProofFailed(TrustError):
    """The change was applied, but an endpoint did not verify through it; the change was reverted."""


class RevertFailed(TrustError):
    """Undoing a change did not bring the old state back; the armed revert is left in place to try again."""


__all__ = (
    "ApplyFailed",
    "BadInput",
    "Busy",
    "CommandFailed",
    "ProofFailed",
    "ProxyRefused",
    "Refused",
    "RevertFailed",
    "StorageFailed",
    "TrustError",
    "UnsupportedGateway",
)
