# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where signatures come from: PEM files, a PKCS#11 token (SoftHSM), signatures made elsewhere; and what goes wrong with each."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from ansible_collections.rootwave.iot.plugins.module_utils.gateway import keys as key_files
from ansible_collections.rootwave.iot.plugins.module_utils.gateway import order
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.envelope import PHASE_TYPE, Envelope
from ansible_collections.rootwave.iot.plugins.plugin_utils import signing
from ansible_collections.rootwave.iot.plugins.plugin_utils.signers import signer_of
from ansible_collections.rootwave.iot.plugins.plugin_utils.signing import SigningError

from .signing_people import ALICE, BOB, TIMES, campaign, keys_document, openssl

# of softhsm2, which `make test` installs (lab/tools.py)
SOFTHSM = next((path for path in ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/libsofthsm2.so") if Path(path).exists()), "")
UNSIGNED = Envelope(PHASE_TYPE, signing.phase_payload(campaign(), "plant", "stage", None, 1, TIMES), ())
PASSPHRASE = "correct horse battery staple"


def signed(*items):
    envelope = UNSIGNED
    for item in items:
        envelope = signing.add_signature(envelope, signer_of(item))
    return envelope


def believed(envelope, *pems):
    """The ids of the signers, by the device's code and the openssl command."""
    document = dict(keys_document(), threshold=len(pems), keys=list(pems))
    keys = key_files.from_bytes(json.dumps(document).encode())
    return order.verify_phase(signing.text_of(envelope).encode(), keys).signers


@pytest.fixture
def encrypted(tmp_path):
    path = tmp_path / "encrypted.pem"
    openssl("pkey", "-in", ALICE.private, "-aes256", "-passout", f"pass:{PASSPHRASE}", "-out", str(path))
    assert b"ENCRYPTED" in path.read_bytes()
    return str(path)


def test_an_encrypted_key_with_its_passphrase_in_a_file_or_the_environment(encrypted, tmp_path, monkeypatch):
    (tmp_path / "passphrase").write_text(f"{PASSPHRASE}\n")
    monkeypatch.setenv("ALICE", PASSPHRASE)
    for how in ({"passphrase_file": str(tmp_path / "passphrase")}, {"passphrase_env": "ALICE"}):
        assert believed(signed({"private_key": encrypted, **how}), ALICE.pem) == (ALICE.id,)


def test_a_signature_made_elsewhere(tmp_path):
    (tmp_path / "sig").write_bytes(openssl("dgst", "-sha256", "-sign", BOB.private, stdin=signing.to_sign(UNSIGNED)))
    assert believed(signed({"signature": str(tmp_path / "sig"), "public_key": BOB.public}), BOB.pem) == (BOB.id,)


def test_a_pem_file_by_uri():
    assert believed(signed({"uri": f"file2:{ALICE.private}", "public_key": ALICE.public}), ALICE.pem) == (ALICE.id,)


def foreign(tmp_path, *algorithm):
    openssl("genpkey", *algorithm, "-out", str(tmp_path / "foreign"))
    return str(tmp_path / "foreign")


@pytest.mark.parametrize(
    ("item", "words"),
    [
        pytest.param(lambda at, enc: {"private_key": enc}, "passphrase_file or passphrase_env", id="no passphrase"),
        pytest.param(
            lambda at, enc: {"private_key": enc, "passphrase_env": "WRONG"}, "not its passphrase", id="wrong passphrase"
        ),
        pytest.param(
            lambda at, enc: {"private_key": enc, "passphrase_env": "ABSENT"}, "ABSENT is not set", id="no such variable"
        ),
        pytest.param(
            lambda at, enc: {"private_key": ALICE.private, "passphrase_env": "WRONG"}, "else neither", id="not encrypted"
        ),
        pytest.param(lambda at, enc: {"private_key": "/nonexistent"}, "No such file", id="no such file"),
        pytest.param(lambda at, enc: {"private_key": ALICE.public}, "not a private key", id="a public key"),
        pytest.param(lambda at, enc: {"private_key": foreign(at, "-algorithm", "RSA")}, "not EC P-256", id="an RSA key"),
        pytest.param(
            lambda at, enc: {"private_key": foreign(at, "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384")},
            "not EC P-256",
            id="another curve",
        ),
        pytest.param(lambda at, enc: {"uri": "file2:/x"}, "needs its public_key", id="URI without its public key"),
        pytest.param(lambda at, enc: {"uri": "gnupg:x", "public_key": ALICE.public}, "starts with file2:", id="unknown scheme"),
        pytest.param(lambda at, enc: {"uri": "hsm:two", "public_key": ALICE.public}, "hsm:two: ", id="HSM key that is no number"),
        pytest.param(
            lambda at, enc: {"uri": f"file2:{BOB.private}", "public_key": ALICE.public}, "does not match", id="not a pair"
        ),
        pytest.param(
            lambda at, enc: {"signature": enc, "public_key": ALICE.public}, "not a pair", id="file that is no signature"
        ),
        pytest.param(
            lambda at, enc: {"signature": enc, "public_key": ALICE.private}, "PUBLIC KEY", id="private key given as public"
        ),
    ],
)
def test_what_goes_wrong_is_said_and_no_secret_is(item, words, encrypted, tmp_path, monkeypatch):
    monkeypatch.setenv("WRONG", "not the passphrase at all")
    with pytest.raises(SigningError, match=words) as caught:
        signed(item(tmp_path, encrypted))
    assert "not the passphrase at all" not in str(caught.value) and "PRIVATE KEY" not in str(caught.value)


def test_azure_key_vault_without_its_packages():
    """requirements-dev.txt leaves them out, so this is what most people see."""
    uri = "azurekms://vault.vault.azure.net/keys/alice/0123456789abcdef"
    with pytest.raises(SigningError, match=r"pip install 'securesystemslib\[azurekms\]'"):
        signed({"uri": uri, "public_key": ALICE.public})


def test_azure_key_vault_is_asked_for_the_right_key_and_its_answer_is_checked(monkeypatch):
    """The vault is a stand-in for azure.keyvault.keys.crypto: r and s in 32 bytes each, over the digest, as Azure answers."""
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, utils
    from securesystemslib.signer import _azure_signer

    asked = []

    class Vault:
        def __init__(self, key, credential):
            asked.append(key)

        def sign(self, algorithm, digest):
            private = serialization.load_pem_private_key(Path(ALICE.private).read_bytes(), None)
            r, s = utils.decode_dss_signature(private.sign(digest, ec.ECDSA(utils.Prehashed(hashes.SHA256()))))
            return type("Answer", (), {"signature": r.to_bytes(32, "big") + s.to_bytes(32, "big")})

    monkeypatch.setattr(_azure_signer, "AZURE_IMPORT_ERROR", None)
    scheme = "ecdsa-sha2-nistp256"
    for name, stand_in in (
        ("CryptographyClient", Vault),
        ("DefaultAzureCredential", lambda: None),
        ("KEYTYPES_AND_SCHEMES", {"P-256": ("ecdsa", scheme)}),
        ("SIGNATURE_ALGORITHMS", {scheme: "ES256"}),
        ("encode_dss_signature", utils.encode_dss_signature),
    ):
        monkeypatch.setattr(_azure_signer, name, stand_in, raising=False)
    uri = "azurekms://vault.vault.azure.net/keys/alice/0123456789abcdef"
    assert believed(signed({"uri": uri, "public_key": ALICE.public}), ALICE.pem) == (ALICE.id,)
    assert asked == ["https://vault.vault.azure.net/keys/alice/0123456789abcdef"]
    with pytest.raises(SigningError, match="not a pair"):
        signed({"uri": uri, "public_key": BOB.public})


@pytest.fixture
def token(tmp_path, monkeypatch):
    """A SoftHSM token with Alice's key as number 2."""
    (tmp_path / "tokens").mkdir()
    (tmp_path / "softhsm2.conf").write_text(f"directories.tokendir = {tmp_path / 'tokens'}\nobjectstore.backend = file\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(tmp_path / "softhsm2.conf"))
    monkeypatch.setenv("PYKCS11LIB", SOFTHSM)
    monkeypatch.setenv("PIN", "123456")
    monkeypatch.setenv("WRONG_PIN", "654321")
    tool = ["softhsm2-util", "--token", "alice", "--pin", "123456"]
    subprocess.run([*tool, "--init-token", "--free", "--label", "alice", "--so-pin", "1234"], check=True, capture_output=True)
    openssl("pkcs8", "-topk8", "-nocrypt", "-in", ALICE.private, "-out", str(tmp_path / "p8"))
    how = ["--import", str(tmp_path / "p8"), "--label", "alice", "--id", "02"]
    subprocess.run([*tool, *how], check=True, capture_output=True)
    return {"uri": "hsm:2?label=alice", "public_key": ALICE.public}


def test_a_key_in_a_pkcs11_token(token):
    """One test, because a process loads a PKCS#11 library once."""
    assert believed(signed({**token, "passphrase_env": "PIN"}), ALICE.pem) == (ALICE.id,)
    with pytest.raises(SigningError, match="PinIncorrect") as caught:
        signed({**token, "passphrase_env": "WRONG_PIN"})
    assert "654321" not in str(caught.value)
    with pytest.raises(SigningError, match="give the pin by passphrase_file"):
        signed(token)
    with pytest.raises(SigningError, match="could not find ECDSA private key"):
        signed({**token, "uri": "hsm:9?label=alice", "passphrase_env": "PIN"})
    with pytest.raises(SigningError, match="No PKCS#11 token found"):
        signed({**token, "uri": "hsm:2?label=bob", "passphrase_env": "PIN"})
    with pytest.raises(SigningError, match="not a pair"):
        signed({**token, "public_key": BOB.public, "passphrase_env": "PIN"})
