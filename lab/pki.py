# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's certificates: roots that stand for Azure's, and the chains that its hub serves, by name.

The builders (make_root, make_intermediate, cross_sign, make_leaf) serve any test; ``create`` keeps one lab's roots on disk.
Chains follow what Azure IoT served: v1 ended at Baltimore, v2 at DigiCert Global Root G2, v3 goes through a root of
Microsoft's that G2 cross-signed (azure-facts: "ICA Rotation 2026").
"""

from __future__ import annotations

import datetime
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)
HUB_ZONES = ("azure-devices.net", "azure-devices.us")
HUB_NAMES = (
    *(f"*.{part}{zone}" for zone in HUB_ZONES for part in ("", "device.", "service.")),
    "*.azure-devices-provisioning.net",
    "localhost",
)
ROOTS = {
    "lab-baltimore": "Lab Baltimore CyberTrust Root",
    "lab-g2": "Lab DigiCert Global Root G2",
    "lab-ms-rsa-2017": "Lab Microsoft RSA Root Certificate Authority 2017",
    "lab-ms-tls-g2": "Lab Microsoft TLS RSA Root G2",
}
CROSS = "lab-ms-tls-g2-cross"
DEVICES = "lab-devices-authority"


@dataclass(frozen=True)
class Entity:
    """A certificate and its key; ``chain`` are the certificates a server sends after it."""

    certificate: x509.Certificate
    key: object
    chain: tuple = ()

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.der).hexdigest()

    @property
    def key_pem(self) -> str:
        return self.key.private_bytes(  # type: ignore[attr-defined]
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()

    @property
    def served_pem(self) -> str:
        """What a TLS server presents: itself, then its chain."""
        return self.pem + "".join(link.pem for link in self.chain)


def make_root(common_name: str, key: str = "rsa", not_before=None, not_after=None) -> Entity:
    private = _make_key(key)
    name = _name(common_name)
    return Entity(_sign(name, private.public_key(), name, private, 3650, not_before, not_after, ca=True), private)


def make_intermediate(issuer: Entity, common_name: str, key: str = "rsa") -> Entity:
    private = _make_key(key)
    certificate = _sign(
        _name(common_name), private.public_key(), issuer.certificate.subject, issuer.key, 1800, None, None, ca=True
    )
    return Entity(certificate, private)


def cross_sign(root: Entity, by: Entity) -> Entity:
    """The same subject and key as ``root``, issued by another root: the bridge of a cross-signed chain."""
    certificate = _sign(
        root.certificate.subject,
        root.certificate.public_key(),
        by.certificate.subject,
        by.key,
        900,
        None,
        None,
        ca=True,
    )
    return Entity(certificate, root.key)


def make_leaf(issuer: Entity, names, key: str = "rsa", not_before=None, not_after=None, chain=()) -> Entity:
    private = _make_key(key)
    certificate = _sign(
        _name(names[0]),
        private.public_key(),
        issuer.certificate.subject,
        issuer.key,
        300,
        not_before,
        not_after,
        names=tuple(names),
    )
    return Entity(certificate, private, tuple(chain))


def create(state_dir) -> dict[str, Entity]:
    """This lab's roots and the cross-certificate by slug; made once, kept in ``<state_dir>/pki/``, keys mode 0600."""
    folder = Path(state_dir) / "pki"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    roots = {slug: _kept(folder, slug, lambda cn=name: make_root(cn)) for slug, name in ROOTS.items()}
    roots_file(state_dir).write_text("".join(root.pem for root in roots.values()))
    roots[CROSS] = _kept(folder, CROSS, lambda: cross_sign(roots["lab-ms-tls-g2"], roots["lab-g2"]))
    return roots


def roots_file(state_dir) -> Path:
    """All of the lab's roots, for a control node that must follow the hub through every cutover."""
    return Path(state_dir) / "roots.pem"


def client(state_dir, name: str) -> Entity:
    """A device's certificate under the lab's own authority for devices; both are made once."""
    folder = Path(state_dir) / "pki"
    authority = _kept(folder, DEVICES, lambda: make_root("Lab devices' authority", "ec"))
    return _kept(folder, name, lambda: make_client(authority, name))


def devices_authority(state_dir) -> str:
    """What a hub must trust for the devices of ``client``; PEM."""
    return (Path(state_dir) / "pki" / f"{DEVICES}.pem").read_text()


def make_client(issuer: Entity, name: str) -> Entity:
    private = _make_key("ec")
    return Entity(_sign(_name(name), private.public_key(), issuer.certificate.subject, issuer.key, 300, None, None), private)


def chains(roots: dict[str, Entity], names=HUB_NAMES) -> dict[str, tuple[Entity, ...]]:
    """What a hub can serve, by name: one Entity, or an RSA and an ECDSA one."""
    old, new = roots["lab-baltimore"], roots["lab-g2"]
    old_ca = make_intermediate(old, "Lab Microsoft RSA TLS CA 01")
    new_ca = make_intermediate(new, "Lab Microsoft Azure RSA TLS Issuing CA 04")
    deep_ca = make_intermediate(roots["lab-ms-tls-g2"], "Lab Microsoft TLS G2 RSA CA OCSP 02")
    now = datetime.datetime.now(datetime.UTC)
    v1 = make_leaf(old_ca, names, chain=[old_ca])
    v2 = make_leaf(new_ca, names, chain=[new_ca])
    v3 = make_leaf(deep_ca, names, chain=[deep_ca, roots[CROSS]])
    return {
        "v1": (v1,),
        "v2": (v2,),
        "v3": (v3,),
        "incomplete": (Entity(v3.certificate, v3.key, (deep_ca,)),),
        "leaf-only": (Entity(v1.certificate, v1.key),),
        "wrong-name": (make_leaf(new_ca, ("hub.example",), chain=[new_ca]),),
        "expired": (make_leaf(new_ca, names, not_before=now - 30 * DAY, not_after=now - DAY, chain=[new_ca]),),
        "dual": (v2, make_leaf(old_ca, names, key="ec", chain=[old_ca])),
        "dual-good": (v2, make_leaf(new_ca, names, key="ec", chain=[new_ca])),
    }


def _kept(folder: Path, slug: str, make) -> Entity:
    certificate_path, key_path = folder / f"{slug}.pem", folder / f"{slug}.key"
    if certificate_path.exists() and key_path.exists():
        return Entity(
            x509.load_pem_x509_certificate(certificate_path.read_bytes()),
            # our own key: proving anew that its primes are primes takes longer than a gateway's whole phase
            serialization.load_pem_private_key(key_path.read_bytes(), None, unsafe_skip_rsa_key_validation=True),
        )
    entity = make()
    descriptor = os.open(key_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(entity.key_pem)
    certificate_path.write_text(entity.pem)
    return entity


def _make_key(kind: str):
    if kind == "ec":
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "XX"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Rootwave lab"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _sign(subject, public, issuer, signer, days, not_before, not_after, ca=False, names=()) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before or now - DAY)
        .not_valid_after(not_after or now + days * DAY)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .add_extension(_usage(ca), critical=True)
    )
    if names:
        alternative = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        builder = builder.add_extension(alternative, critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    return builder.sign(signer, hashes.SHA256())


def _usage(ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )
