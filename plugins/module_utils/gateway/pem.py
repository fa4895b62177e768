# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""Certificates as text: PEM and DER, fingerprints, and the few facts that the ssl module can tell.

There is no ASN.1 parser in here. A context of one's own tells CA certificates from others and gives their subject, issuer and
validity; see https://docs.python.org/3/library/ssl.html#ssl.SSLContext.get_ca_certs.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import ssl
from typing import NamedTuple

from .errors import BadInput

BLOCK = re.compile(
    rb"-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----([A-Za-z0-9+/=\s]*)-----END (?:TRUSTED |X509 )?CERTIFICATE-----"
)
SHORT_NAMES = {
    "commonName": "CN",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "countryName": "C",
    "localityName": "L",
    "stateOrProvinceName": "ST",
}


class Facts(NamedTuple):
    """What a certificate says of itself; times are epoch seconds. Only for CA certificates."""

    subject: str
    issuer: str
    not_before: int
    not_after: int

    @property
    def self_signed(self):
        return self.subject == self.issuer


def split(data):
    """The DER of every certificate in PEM bytes, in order; damaged blocks are left out."""
    found = []
    for match in BLOCK.finditer(data):
        try:
            found.append(base64.b64decode(match.group(1), validate=False))
        except binascii.Error:
            continue
    return found


def readable(path):
    """Whether OpenSSL reads a file of certificates to its end, as its users will: it refuses them all for one damaged block."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except OSError:  # ssl.SSLError is one
        return False
    return True


def fingerprint(der):
    """SHA-256 of the DER, lower-case hex: the identity of an anchor."""
    return hashlib.sha256(der).hexdigest()


def fingerprints(data):
    """The fingerprints of all certificates in PEM bytes, as a set: bundles are compared as sets."""
    return {fingerprint(der) for der in split(data)}


def encode(der):
    """One certificate as PEM text."""
    body = base64.b64encode(der).decode("ascii")
    lines = "\n".join(body[start : start + 64] for start in range(0, len(body), 64))
    return "-----BEGIN CERTIFICATE-----\n{0}\n-----END CERTIFICATE-----\n".format(lines)


def subject_text(name):
    """A name as the ssl module gives it, as ``CN=..., O=..., C=...`` (most specific part first, RFC 4514)."""
    parts = [pair for relative in name for pair in relative]
    return ", ".join("{0}={1}".format(SHORT_NAMES.get(key, key), value) for key, value in reversed(parts))


def subject_of(der):
    """The subject of a CA certificate; an empty text for another one. Raises BadInput for bytes that are no certificate."""
    known = _read(der)
    return subject_text(known["subject"]) if known else ""


def _read(der):
    """What the ssl module says of a CA certificate, or None for another one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=der)
        return next(iter(context.get_ca_certs()), None)  # it decodes what OpenSSL loaded unread, and may fail there
    except (ssl.SSLError, ValueError) as exc:
        raise BadInput("not a certificate: {0}".format(exc)) from exc


def facts(der):
    """Facts of a CA certificate, or None for a certificate that is none (a leaf).

    Raises BadInput for bytes that are no certificate.
    """
    known = _read(der)
    if known is None:
        return None
    try:
        dates = [int(ssl.cert_time_to_seconds(str(known[name]))) for name in ("notBefore", "notAfter")]
    except ValueError as exc:  # OpenSSL reads a month 99
        raise BadInput("not a certificate: {0}".format(exc)) from exc
    return Facts(subject_text(known["subject"]), subject_text(known["issuer"]), *dates)


def roots(texts):
    """[(DER, subject)] of [(where, PEM text)], each of which must hold one self-signed CA certificate; BadInput names where.

    One context takes them all: on a gateway making one takes longer than reading a certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ders = [_load_one(context, split(text.encode("utf-8")), where) for where, text in texts]
    try:
        known = dict(zip(context.get_ca_certs(binary_form=True), context.get_ca_certs()))
    except (ssl.SSLError, ValueError):  # one of them cannot be decoded; alone, each says whether it is the one
        known = {der: _read_named(der, where) for der, (where, _text) in zip(ders, texts)}
    return [(der, _subject_of_root(known.get(der), where)) for der, (where, _text) in zip(ders, texts)]


def _read_named(der, where):
    try:
        return _read(der)
    except BadInput as exc:
        raise BadInput("{0}: {1}".format(where, exc)) from exc


def _subject_of_root(known, where):
    if known is None:
        raise BadInput("{0}: a leaf certificate, not a root; never install one as an anchor".format(where))
    subject, issuer = subject_text(known["subject"]), subject_text(known["issuer"])
    if subject != issuer:
        message = "{0}: an intermediate ({1}, issued by {2}), not a root; anchors must be self-signed"
        raise BadInput(message.format(where, subject, issuer))
    # OpenSSL's words for a month 99 do not end so; to read dates is left to those who need them, for strptime is slow to import
    if not all(str(known[name]).endswith(" GMT") for name in ("notBefore", "notAfter")):
        raise BadInput("{0}: not a certificate: it has a date that is none".format(where))
    return subject


def _load_one(context, ders, where):
    if len(ders) != 1:
        raise BadInput("{0}: expected one PEM certificate, found {1}".format(where, len(ders)))
    try:
        context.load_verify_locations(cadata=ders[0])
    except (ssl.SSLError, ValueError) as exc:
        raise BadInput("{0}: not a certificate: {1}".format(where, exc)) from exc
    return ders[0]


__all__ = ("Facts", "encode", "facts", "fingerprint", "fingerprints", "readable", "roots", "split", "subject_of", "subject_text")
