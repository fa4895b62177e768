# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""What checking a certificate needs beside the hub: issuers (AIA), revocation lists (CRL) and OCSP answers, by HTTP on port 80.

Rootwave's allowlist is about the hub alone, so a filter that shuts these is only told. Asked by assess, and by a stage that
changes a place: a pass without a change makes no connection.
"""

from __future__ import annotations

import socket
import threading
import time

from .. import probe
from ..interlock import SOVEREIGN
from ..model import Finding

PORT = 80
CONNECT_MOST = 2.0  # seconds
NAMELESS = "no name"
ALL_MOST = 5.0  # seconds, for all hosts side by side
DIGICERT = ("cacerts.digicert.com", "crl3.digicert.com", "crl4.digicert.com", "ocsp.digicert.com")
MICROSOFT = ("caissuers.microsoft.com", "www.microsoft.com", "oneocsp.microsoft.com")
# By a root's SHA-256; the public cloud's part of "Certificate downloads and revocation lists", azure-docs
# articles/security/fundamentals/azure-certificate-authority-details.md. Issuing CAs under DigiCert's roots are Microsoft's.
HOSTS = {
    "cb3ccbb76031e5e0138f8dd39a23f9de47ffc35e43c1144cea27d46a5ab1cb5f": DIGICERT + MICROSOFT,  # DigiCert Global Root G2
    "31ad6648f8104138c738f39ea4320133393e3a18cc02296ef97c2ac9ef6731d0": DIGICERT + MICROSOFT,  # DigiCert Global Root G3
    "c741f70f4b2a8d88bf2e71c14122ef53ef10eba0cfa5e64cfa20f418853073e0": MICROSOFT,  # Microsoft RSA Root CA 2017
    "358df39d764af9e1b766e9c972df352ee15cfac227af6ad1d70e8e4a6edcba02": MICROSOFT,  # Microsoft ECC Root CA 2017
    "6a170583db584151e1c454eeca2a64cc5d8e484a5bd1156e720b4458654ee9e5": MICROSOFT,  # Microsoft TLS RSA Root G2
}


def findings(desired, proofs):
    """A Finding for each host that is shut, of the roots that the campaign wants and those that verified an endpoint."""
    roots = {anchor.sha256 for anchor in desired.present} | {proof.anchor for proof in proofs if proof.ok}
    hosts = sorted({host for root in roots for host in HOSTS.get(root, ())})
    if not hosts or any(endpoint.host.endswith(suffix) for endpoint in desired.endpoints for suffix in SOVEREIGN):
        return []
    proxies = sorted({endpoint.proxy for endpoint in desired.endpoints if endpoint.proxy})
    if proxies:
        detail = "endpoints go through {0}, so no direct connection to {1} (port 80) was tried; the proxy has to let them through"
        return [Finding("checking-not-tried", "info", detail.format(proxies[0], ", ".join(hosts)))]
    answers = _asked(hosts)
    nameless = [host for host in hosts if answers.get(host) == NAMELESS]
    detail = (
        "{0} cannot be reached on port {1} ({2}); programs that fetch issuers (AIA), revocation lists or OCSP answers need it: "
        "let it through, Rootwave does not"
    )
    found = [
        Finding("checking-blocked:" + host, "warning", detail.format(host, PORT, answers.get(host, "no answer in time")))
        for host in hosts
        if answers.get(host, "late") not in ("", NAMELESS)
    ]
    if nameless:
        detail = "{0} do not resolve on this gateway; programs that fetch issuers, revocation lists or OCSP answers cannot"
        found.append(Finding("checking-unresolved", "info", detail.format(", ".join(nameless))))
    return found


def _asked(hosts):
    """{host: why it cannot be reached, or an empty text}; side by side, in daemon threads that an end does not wait for."""
    answers: dict = {}
    threads = [threading.Thread(target=_ask, args=(host, answers), daemon=True) for host in hosts]
    deadline = time.monotonic() + ALL_MOST
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return dict(answers)


def _ask(host, answers):
    """The first address that answers will do."""
    why = NAMELESS
    try:
        addresses = probe.resolve(host, PORT, CONNECT_MOST)[:2]
    except OSError:
        addresses = []
    for family, sockaddr in addresses:
        try:
            with socket.socket(family, socket.SOCK_STREAM) as stream:
                stream.settimeout(CONNECT_MOST)
                stream.connect(sockaddr)
            why = ""
            break
        except OSError as exc:
            why = str(exc)
    answers[host] = why


__all__ = ("HOSTS", "findings")
