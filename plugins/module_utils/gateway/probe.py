# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""One DNS + TCP + TLS attempt on each address of an endpoint, with exactly one given trust.

Every stage has a time-out and the whole handshake one deadline, so no probe can hang a run. The environment
(SSL_CERT_FILE, SSL_CERT_DIR) has no say: contexts are built from explicit paths. The result names the stage that
failed and, when it did not, the anchor that verified.
"""

from __future__ import annotations

import hashlib
import select
import socket
import ssl
import threading
import time

from . import pem
from .errors import ProxyRefused
from .model import Proof, Trust

ADDRESSES_MOST = 16
# Single-family offers only exist up to TLS 1.2, where the cipher suite names the certificate's key.
SUITES = {"rsa": "ECDHE+aRSA", "ecdsa": "ECDHE+aECDSA"}


def probe(endpoint, trust, now, timeouts, offer="default", candidates=()):
    """A list of Proofs, one for each address that the endpoint's name (or its proxy) has; never raises for a failure.

    ``now`` is the control node's clock; ``candidates`` are the Anchors among which the one that verified is looked for
    where Python cannot tell (before 3.10). More addresses than 16 are a failure of their own: none is passed over in silence.
    """
    attempt = _Attempt(endpoint, trust, now, offer, timeouts, candidates)
    where = peer_of(endpoint)
    try:
        addresses = resolve(where[0], where[1], timeouts.dns)
    except OSError as exc:
        detail = "{0} does not resolve on this gateway ({1}); check its DNS and the name".format(where[0], exc)
        return [attempt.proof("proxy" if endpoint.proxy else "dns", detail)]
    proofs = [attempt.on(family, sockaddr) for family, sockaddr in addresses[:ADDRESSES_MOST]]
    if len(addresses) > ADDRESSES_MOST:
        detail = "{0} has {1} addresses, of which {2} were tried; all must verify".format(
            where[0], len(addresses), ADDRESSES_MOST
        )
        proofs.append(attempt.proof("dns", detail))
    return proofs


def probe_address(endpoint, trust, now, timeouts, family, sockaddr):
    """The Proof for this one address, whatever the endpoint's name resolves to."""
    return _Attempt(endpoint, trust, now, "default", timeouts, ()).on(family, sockaddr)


def resolve(host, port, timeout):
    """[(family, sockaddr)] without duplicates, in the resolver's order; raises OSError, also after ``timeout`` seconds.

    getaddrinfo(3) cannot be interrupted, so it runs in a daemon thread, which an ending process does not wait for.
    """
    answer: list = []

    def ask():
        try:
            answer.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as exc:
            answer.append(exc)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(timeout)
    if not answer:
        raise OSError("no answer within {0:.0f} s".format(timeout))
    if isinstance(answer[0], Exception):
        raise OSError(str(answer[0]))
    found = []
    for family, _type, _proto, _name, sockaddr in answer[0]:
        if family in (socket.AF_INET, socket.AF_INET6) and (family, sockaddr) not in found:
            found.append((family, sockaddr))
    return found


class _Attempt:
    """What stays the same over the addresses of one endpoint."""

    def __init__(self, endpoint, trust, now, offer, timeouts, candidates):
        self.endpoint, self.trust, self.now, self.offer = endpoint, trust, now, offer
        self.timeouts, self.candidates = timeouts, candidates

    def proof(self, stage, detail="", address="", **more):
        return Proof(
            host=self.endpoint.host,
            port=self.endpoint.port,
            role=self.endpoint.role,
            trust=self.trust.label,
            offer=self.offer,
            stage=stage,
            detail=detail,
            address=address,
            proxy=self.endpoint.proxy,
            at=int(self.now),
            **more,
        )

    def on(self, family, sockaddr):
        """The Proof for one address."""
        address = sockaddr[0]
        try:
            stream = connect(self.endpoint, family, sockaddr, self.timeouts.tcp)
        except ProxyRefused as exc:
            return self.proof("proxy", str(exc), address)
        except OSError as exc:
            return self.proof(
                "tcp",
                "no TCP connection ({0}); is a firewall between, does the allowlist hold this address?".format(
                    exc.strerror or exc
                ),
                address,
            )
        with stream:
            return self.handshake(stream, family, sockaddr)

    def handshake(self, stream, family, sockaddr):
        address = sockaddr[0]
        try:
            secure = shake_hands(stream, context_for(self.trust, self.offer), self.endpoint.host, self.timeouts.tls)
        except OSError as exc:  # ssl.SSLError is one
            from . import probe_failure  # on a gateway every import is compiled anew

            return self.proof(address=address, **probe_failure.said(self, exc, family, sockaddr))
        with secure:
            anchor = self.anchor_of(secure, family, sockaddr)
            return self.proof(
                "ok",
                "",
                address,
                protocol=secure.version() or "",
                leaf_sha256=hashlib.sha256(secure.getpeercert(True)).hexdigest(),
                anchor=anchor[0],
                anchor_subject=anchor[1],
            )

    def anchor_of(self, secure, family, sockaddr):
        """(SHA-256, subject) of the root that verified; empty texts where it cannot be told."""
        der = _verified_root(secure) or _only_root(secure.context)
        if der:
            return pem.fingerprint(der), pem.subject_of(der)
        for anchor in self.candidates:
            trust = Trust(anchor.name, cadata=anchor.pem)
            try:
                with connect(self.endpoint, family, sockaddr, self.timeouts.tcp) as stream:
                    shake_hands(stream, context_for(trust, self.offer), self.endpoint.host, self.timeouts.tls).close()
                return anchor.sha256, anchor.subject
            except (OSError, ProxyRefused):
                continue
        return "", ""


def connect(endpoint, family, sockaddr, timeout):
    """A connected socket, through the endpoint's proxy if it has one; raises OSError, ProxyRefused."""
    stream = socket.socket(family, socket.SOCK_STREAM)
    try:
        stream.settimeout(timeout)
        stream.connect(sockaddr)
        if endpoint.proxy:
            from .tunnel import connect_through  # on a gateway every import is compiled anew

            connect_through(stream, endpoint.host, endpoint.port, time.monotonic() + timeout)
    except BaseException:
        stream.close()
        raise
    return stream


def context_for(trust, offer="default"):
    """A context that trusts exactly ``trust``. Not create_default_context: its flags differ between Python versions."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cafile=trust.cafile, capath=trust.capath, cadata=trust.cadata)
    if offer != "default":
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(SUITES[offer])
    return context


def served_leaf(stream, server_name, timeout):
    """DER of the certificate that a peer serves, unverified: to look at, never to trust. ``server_name`` may be None."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with shake_hands(stream, context, server_name, timeout) as secure:
        return secure.getpeercert(True) or b""


def shake_hands(stream, context, server_name, timeout):
    """TLS over a connected socket within ``timeout`` seconds in all, however slowly the peer drips its bytes."""
    deadline = time.monotonic() + timeout
    stream.setblocking(False)
    secure = context.wrap_socket(stream, server_hostname=server_name, do_handshake_on_connect=False)
    try:
        while True:
            try:
                secure.do_handshake()
                return secure
            except ssl.SSLWantReadError:
                wants_read = True
            except ssl.SSLWantWriteError:
                wants_read = False
            left = deadline - time.monotonic()
            readers, writers = ([secure], []) if wants_read else ([], [secure])
            if left <= 0 or not any(select.select(readers, writers, [], left)):
                raise socket.timeout("no answer within {0:.0f} s".format(timeout))
    except BaseException:
        secure.close()
        raise


def _verified_root(secure):
    """DER of the last certificate of the verified chain; public from Python 3.13, private since 3.10, else None."""
    chain_of = getattr(secure, "get_verified_chain", None) or getattr(
        getattr(secure, "_sslobj", None), "get_verified_chain", None
    )
    chain = chain_of() if chain_of else None
    if not chain:
        return None
    last = chain[-1]
    return last if isinstance(last, bytes) else last.public_bytes(2)  # 2: _ssl.ENCODING_DER


def _only_root(context):
    """DER of the one CA certificate that a context has read, by which alone a verified chain can have ended; None for more.

    Of a hashed directory it has read only what chains asked for:
    https://docs.python.org/3/library/ssl.html#ssl.SSLContext.get_ca_certs
    """
    known = context.get_ca_certs(binary_form=True)
    return known[0] if len(known) == 1 else None


def peer_of(endpoint):
    """(host, port) to connect to: the endpoint itself, or its proxy ``http://host:port``, whose form desired.py has checked."""
    if not endpoint.proxy:
        return endpoint.host, endpoint.port
    host, _colon, port = endpoint.proxy[len("http://") :].rstrip("/").rpartition(":")
    return host.strip("[]"), int(port)


__all__ = ("connect", "context_for", "peer_of", "probe", "probe_address", "resolve", "served_leaf", "shake_hands")
