"""In: key and signature files of this project, openssl and KMS. Out: the same keys, or E_KEY_FILE."""

from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path

import pytest

from recompiler.errors import Error
from recompiler.format import ed25519
from recompiler.signing import keyfile

SEED = bytes(range(32))
PUBLIC = ed25519.public_of(SEED)
openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")


def write(path: Path, data: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(data)
    path.chmod(mode)
    return path


def run(*command: str | Path) -> bytes:
    return subprocess.run([str(c) for c in command], check=True, capture_output=True, timeout=30).stdout


def test_keys_read_back(tmp_path: Path) -> None:
    assert keyfile.read_private(write(tmp_path / "k", keyfile.private_pem(SEED))) == SEED
    public = keyfile.read_public(write(tmp_path / "p", keyfile.public_pem(PUBLIC, "demo", "dev")))
    assert public == keyfile.PublicKey(PUBLIC, "demo", "dev")


@openssl
def test_openssl_reads_our_keys_and_makes_our_signature(tmp_path: Path) -> None:
    key = write(tmp_path / "k", keyfile.private_pem(SEED))
    pub = write(tmp_path / "p", keyfile.public_pem(PUBLIC, "demo"))
    message = write(tmp_path / "m", bytes(384))
    run("openssl", "pkeyutl", "-sign", "-rawin", "-inkey", key, "-in", message, "-out", tmp_path / "s")
    assert keyfile.read_signature(tmp_path / "s") == ed25519.sign(SEED, bytes(384))
    verify = ["-verify", "-rawin", "-pubin", "-inkey", pub, "-in", message, "-sigfile", tmp_path / "s"]
    assert b"Success" in run("openssl", "pkeyutl", *verify)


@openssl
def test_we_read_the_keys_of_openssl(tmp_path: Path) -> None:
    run("openssl", "genpkey", "-algorithm", "ed25519", "-out", write(tmp_path / "k", b""))
    run("openssl", "pkey", "-in", tmp_path / "k", "-pubout", "-out", tmp_path / "pem")
    run("openssl", "pkey", "-in", tmp_path / "k", "-pubout", "-outform", "DER", "-out", tmp_path / "der")
    public = ed25519.public_of(keyfile.read_private(tmp_path / "k"))
    assert keyfile.read_public(tmp_path / "pem").public == public
    assert keyfile.read_public(tmp_path / "der").public == public


def test_a_public_key_may_be_64_hex_digits(tmp_path: Path) -> None:
    assert keyfile.read_public(write(tmp_path / "p", PUBLIC.hex().encode() + b"\n")).public == PUBLIC


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_a_private_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(Error, match="E_KEY_FILE"):
        keyfile.read_private(write(tmp_path / "k", keyfile.private_pem(SEED), mode))


PEM = keyfile.private_pem(SEED)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        SEED,
        PEM[:-10],
        PEM + PEM,
        PEM.replace(b"PRIVATE", b"ENCRYPTED PRIVATE"),
        PEM.replace(b"PRIVATE", b"RSA PRIVATE"),
        PEM.replace(b"MC4CAQ", b"MC4CAR"),
        keyfile.public_pem(PUBLIC),
        PEM.replace(b"\n-----END", b"AAAA\n-----END"),
    ],
    ids=["nothing", "raw", "cut", "two", "encrypted", "RSA", "other DER", "public", "longer"],
)
def test_what_is_no_private_key_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(Error, match="E_KEY_FILE"):
        keyfile.read_private(write(tmp_path / "k", data))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        PEM,
        keyfile.public_pem(bytes(32)),
        keyfile.public_pem(b"\x01" + bytes(31)),
        keyfile.public_pem(b"\xff" * 32),
    ],
    ids=["nothing", "private", "order 4", "identity", "not canonical"],
)
def test_what_is_no_acceptable_public_key_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(Error, match="E_KEY_FILE"):
        keyfile.read_public(write(tmp_path / "p", data))


def test_a_signature_may_be_raw_hex_base64_or_of_vault(tmp_path: Path) -> None:
    signature = ed25519.sign(SEED, b"")
    text = base64.b64encode(signature)
    for form in (signature, signature.hex().encode() + b"\n", text, b"vault:v1:" + text + b"\n"):
        assert keyfile.read_signature(write(tmp_path / "s", form)) == signature
    for form in (b"", signature[:63], signature + b"\n", text[:-2], b"x" * 128):
        with pytest.raises(Error, match="E_KEY_FILE"):
            keyfile.read_signature(write(tmp_path / "s", form))
