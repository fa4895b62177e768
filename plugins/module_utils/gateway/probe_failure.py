# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""What a TLS handshake that failed says: the stage where it ended, and words for a human."""

from __future__ import annotations

import hashlib
import ssl
import time

from .errors import ProxyRefused
from .probe import connect, served_leaf

# OpenSSL's verify codes, x509_vfy.h
NOT_YET_VALID, EXPIRED = 9, 10
NAME_MISMATCHES = (62, 64)  # host name, IP address
ADVICE = {
    "tls-untrusted": "the served chain ends at no anchor of this store",
    "tls-name": "the served certificate is for another name; is this the right address, or is TLS intercepted?",
    "tls-expired": "a certificate in the chain is expired or not valid yet",
    "clock": "a certificate is not valid yet by this gateway's clock, which is behind; set the time",
}


def said(attempt, error, family, sockaddr):
    """{"stage", "detail"} of an OSError of a probe's attempt, with "leaf_sha256" where a certificate did not verify."""
    if isinstance(error, ssl.SSLCertVerificationError):
        stage = _stage_of(error, attempt.now)
        detail = "{0} ({1})".format(ADVICE[stage], error.verify_message)
        return {"stage": stage, "detail": detail, "leaf_sha256": _leaf_of(attempt, family, sockaddr)}
    if attempt.offer != "default" and _says_no_such_certificate(error):
        return {"stage": "not-offered", "detail": "no certificate for this offer"}
    words = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error) or type(error).__name__
    return {"stage": "tls-protocol", "detail": "TLS failed ({0})".format(words)}


def _stage_of(error, now):
    code = error.verify_code
    if code in (NOT_YET_VALID, EXPIRED):
        return "clock" if code == NOT_YET_VALID and time.time() < now else "tls-expired"
    return "tls-name" if code in NAME_MISMATCHES else "tls-untrusted"


def _leaf_of(attempt, family, sockaddr):
    """The served leaf's SHA-256, for the report: a handshake that trusts nobody and sends nothing afterwards."""
    try:
        with connect(attempt.endpoint, family, sockaddr, attempt.timeouts.tcp) as stream:
            return hashlib.sha256(served_leaf(stream, attempt.endpoint.host, attempt.timeouts.tls)).hexdigest()
    except (OSError, ProxyRefused):
        return ""


def _says_no_such_certificate(error):
    """No common cipher suite: the alert handshake_failure (RFC 5246, 7.2.2), a local finding of the same, a server that
    speaks TLS 1.3 only, or one that hangs up without any answer, as Schannel and asyncio do. None of them shows a
    certificate, so none says anything about trust; the default offer on the same address still has to verify."""
    if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionResetError)):
        return True
    reason = getattr(error, "reason", "") or ""
    return any(words in reason for words in ("HANDSHAKE_FAILURE", "NO_CIPHERS_AVAILABLE", "ALERT_PROTOCOL_VERSION"))


__all__ = ("said",)
