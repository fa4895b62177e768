# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. The certificates that a server sends, as they come: to look at, never to trust."""

from __future__ import annotations

import hashlib
import ssl

from ansible_collections.rootwave.iot.plugins.module_utils.gateway import probe
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.model import Endpoint, Timeouts

from .hub.errors import HubError
from .packages import not_there

ENCODING_DER = 2  # _ssl.ENCODING_DER


def served_chain(endpoint: Endpoint, family: int, sockaddr: tuple, timeouts: Timeouts) -> tuple[str, list[bytes]]:
    """(TLS version, DER of each certificate, leaf first); raises OSError, ProxyRefused."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    stream = probe.connect(endpoint, family, sockaddr, timeouts.tcp)
    with stream, probe.shake_hands(stream, context, endpoint.host, timeouts.tls) as secure:
        # public from Python 3.13, there since 3.10
        chain_of = getattr(secure, "get_unverified_chain", None) or secure._sslobj.get_unverified_chain
        chain = [one if isinstance(one, bytes) else one.public_bytes(ENCODING_DER) for one in chain_of() or []]
        return secure.version() or "", chain


def describe(der: bytes) -> dict:
    """{"subject", "issuer", "not_after", "sha256"}; names as RFC 4514 writes them, the time as ISO 8601 in UTC."""
    try:
        from cryptography import x509
    except ImportError as exc:
        raise HubError(not_there("cryptography", exc), code="NoPackage") from exc
    try:
        certificate = x509.load_der_x509_certificate(der)
        return {
            "subject": certificate.subject.rfc4514_string(),
            "issuer": certificate.issuer.rfc4514_string(),
            "not_after": certificate.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "sha256": hashlib.sha256(der).hexdigest(),
        }
    except ValueError:
        return {"subject": "not a certificate", "issuer": "", "not_after": "", "sha256": hashlib.sha256(der).hexdigest()}


__all__ = ("describe", "served_chain")
