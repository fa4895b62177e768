# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. Where a signature comes from: a PEM file, a signer's URI, or a signature that was made elsewhere.

Passphrases and PINs come from a file or an environment variable, never from an option: options end in logs and in argv.
"""

from __future__ import annotations

import os
from pathlib import Path

from ansible_collections.rootwave.iot.plugins.module_utils.gateway.errors import Refused
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.keys import key_of

from .packages import missing
from .signing import SigningError, library_key

# Azure Key Vault and PKCS#11 tokens; file2 is a PEM file without passphrase. The extras are securesystemslib's.
EXTRAS = {"file2": "crypto", "azurekms": "azurekms", "hsm": "hsm"}


def signer_of(item: dict):
    """A securesystemslib Signer for one of the option ``keys``; SigningError when it cannot be had."""
    try:
        if item.get("private_key"):
            return _from_pem(item["private_key"], _secret(item))
        if not item.get("public_key"):
            raise SigningError("a key by uri or signature needs its public_key, a PEM file, to check what it signed")
        public = library_key(key_of(Path(item["public_key"]).read_text(), item["public_key"]))
        if item.get("uri"):
            return _from_uri(item["uri"], public, _secret(item))
        return _made_elsewhere(public, Path(item["signature"]).read_bytes())
    except OSError as exc:
        raise SigningError(f"{exc.filename}: {exc.strerror}") from exc
    except (Refused, UnicodeDecodeError) as exc:
        raise SigningError(str(exc)) from exc
    except ImportError as exc:
        raise SigningError(missing("securesystemslib[crypto]", exc)) from exc


def _from_pem(path: str, passphrase: str | None):
    from cryptography.hazmat.primitives import serialization
    from securesystemslib.signer import CryptoSigner

    try:
        private = serialization.load_pem_private_key(Path(path).read_bytes(), passphrase.encode() if passphrase else None)
    except TypeError as exc:  # encrypted and no passphrase, or the other way round
        raise SigningError(f"{path}: {exc}; give passphrase_file or passphrase_env when it is encrypted, else neither") from exc
    except ValueError as exc:
        raise SigningError(f"{path}: not a private key in PEM, or not its passphrase") from exc
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    text = private.public_key().public_bytes(serialization.Encoding.PEM, form).decode()
    return CryptoSigner(private, library_key(key_of(text, path)))


def _from_uri(uri: str, public, secret: str | None):
    from securesystemslib.exceptions import UnsupportedLibraryError
    from securesystemslib.signer import Signer

    scheme = uri.partition(":")[0]
    if scheme not in EXTRAS:
        raise SigningError(f"uri {uri}: a signer's URI starts with {', '.join(f'{name}:' for name in EXTRAS)}")

    def secrets_handler(name: str) -> str:
        if secret is None:
            raise SigningError(f"uri {uri}: give the {name} by passphrase_file or passphrase_env")
        return secret

    try:
        return Signer.from_priv_key_uri(uri, public, secrets_handler)
    except UnsupportedLibraryError as exc:
        raise SigningError(f"uri {uri}: pip install 'securesystemslib[{EXTRAS[scheme]}]' ({exc})") from exc
    except OSError:
        raise
    except Exception as exc:  # the library's documentation of Signer asks for this: signers raise what their back ends raise
        raise SigningError(f"uri {uri}: {exc}") from exc


def _made_elsewhere(public, sig: bytes):
    """A Signer that has only this one signature to give; who adds it checks it against the payload."""
    from securesystemslib.signer import Signature, Signer

    class Detached(Signer):
        public_key = public

        def sign(self, payload):
            return Signature(public.keyid, sig.hex())

        @classmethod
        def from_priv_key_uri(cls, priv_key_uri, public_key, secrets_handler=None):
            raise NotImplementedError

    return Detached()


def _secret(item: dict) -> str | None:
    if item.get("passphrase_file"):
        return Path(item["passphrase_file"]).read_text().rstrip("\r\n")
    if item.get("passphrase_env"):
        if item["passphrase_env"] not in os.environ:
            raise SigningError(f"the environment variable {item['passphrase_env']} is not set")
        return os.environ[item["passphrase_env"]]
    return None


__all__ = ("EXTRAS", "signer_of")
