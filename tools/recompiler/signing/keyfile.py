"""Key files: PKCS 8 and SubjectPublicKeyInfo PEM of Ed25519 keys (RFC 8410) in and out, as openssl makes them.

A .pub file may carry lines such as `label: demo` before its PEM block; RFC 7468 allows them and openssl skips them.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import secrets
from dataclasses import dataclass
from typing import Final

from recompiler.errors import Error
from recompiler.format import ed25519, files
from recompiler.format.keyid import key_id

MAX_SIZE: Final = 4096
# RFC 8410: the DER before the 32 bytes of a private seed and of a public key; neither has any freedom.
_PRIVATE_DER: Final = bytes.fromhex("302e020100300506032b657004220420")
_PUBLIC_DER: Final = bytes.fromhex("302a300506032b6570032100")
_PRIVATE_LABEL: Final = "PRIVATE KEY"
_PUBLIC_LABEL: Final = "PUBLIC KEY"
_PEM = re.compile(r"-----BEGIN ([A-Z ]+)-----\n([A-Za-z0-9+/=\n]+)-----END \1-----\n?")
_HEADER = re.compile(r"^(label|role): ([A-Za-z0-9._-]{1,64})$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key and what its file says of it."""

    public: bytes
    label: str | None = None
    role: str | None = None


def check_label(label: str) -> None:
    """Raises Error E_USAGE for a label that a key store would not take."""
    if re.fullmatch(r"[A-Za-z0-9._-]{1,64}", label) is None:
        raise Error("E_USAGE", "a label is 1 to 64 of A-Z a-z 0-9 . _ -")


def generate() -> bytes:
    """A new private seed from the system's random source."""
    return secrets.token_bytes(ed25519.SEED_SIZE)


def private_pem(seed: bytes) -> bytes:
    """The PKCS 8 PEM of a private seed."""
    return _armour(_PRIVATE_LABEL, _PRIVATE_DER + seed)


def public_pem(public: bytes, label: str | None = None, role: str | None = None) -> bytes:
    """The SubjectPublicKeyInfo PEM of a public key, headed by its label, role and key id."""
    rows = {"label": label, "role": role, "key-id": key_id(public).hex()}
    head = "".join(f"{name}: {value}\n" for name, value in rows.items() if value is not None)
    return head.encode() + _armour(_PUBLIC_LABEL, _PUBLIC_DER + public)


def read_private(path: str | os.PathLike[str]) -> bytes:
    """The seed of a private key file that nobody else can read.

    Raises Error: E_KEY_FILE (not a key, or readable by others), E_OPEN, E_NOT_REGULAR, E_TOO_LARGE.
    """
    fd, _ = files.open_regular(path, MAX_SIZE)
    with os.fdopen(fd, "rb") as file:
        status = os.fstat(fd)
        if status.st_uid not in (0, os.geteuid()) or status.st_mode & 0o077:
            raise Error("E_KEY_FILE", f"{os.fspath(path)} can be read or changed by others (chmod 600)")
        data = file.read(MAX_SIZE)
    label, der = _block(data, path)
    if label == "ENCRYPTED PRIVATE KEY":
        raise Error("E_KEY_FILE", f"{os.fspath(path)} is encrypted; sign with statement and attach instead")
    if label != _PRIVATE_LABEL or len(der) != 48 or not der.startswith(_PRIVATE_DER):
        raise Error("E_KEY_FILE", f"{os.fspath(path)} is not an Ed25519 private key (PKCS 8 PEM)")
    return der[len(_PRIVATE_DER) :]


def read_public(path: str | os.PathLike[str]) -> PublicKey:
    """The public key of a PEM or DER file (openssl, KMS) or of 64 hex digits.

    Raises Error: E_KEY_FILE (not a key, or not an acceptable point), E_OPEN, E_NOT_REGULAR, E_TOO_LARGE.
    """
    data = files.read_file(path, MAX_SIZE)
    label = role = None
    if data.startswith(_PUBLIC_DER):
        der = data
    elif re.fullmatch(rb"[0-9a-f]{64}\n?", data):
        der = _PUBLIC_DER + bytes.fromhex(data.decode().strip())
    else:
        block_label, der = _block(data, path)
        if block_label != _PUBLIC_LABEL:
            raise Error("E_KEY_FILE", f"{os.fspath(path)} is not a public key, but a {block_label}")
        found = dict(_HEADER.findall(data.decode("ascii", "replace").split("-----BEGIN", 1)[0]))
        label, role = found.get("label"), found.get("role")
    if len(der) != 44 or not der.startswith(_PUBLIC_DER):
        raise Error("E_KEY_FILE", f"{os.fspath(path)} is not an Ed25519 public key")
    public = der[len(_PUBLIC_DER) :]
    if not ed25519.point_ok(public):
        raise Error("E_KEY_FILE", f"{os.fspath(path)} is not a point of the prime-order subgroup")
    return PublicKey(public, label, role)


def read_signature(path: str | os.PathLike[str]) -> bytes:
    """The 64 bytes of a signature file: raw, hex, or base64 (also with Vault's `vault:v1:` before it).

    Raises Error: E_KEY_FILE, E_OPEN, E_NOT_REGULAR, E_TOO_LARGE.
    """
    data = files.read_file(path, MAX_SIZE)
    if len(data) == ed25519.SIGNATURE_SIZE:
        return data
    text = data.decode("ascii", "replace").strip()
    if re.fullmatch(r"[0-9a-fA-F]{128}", text):
        return bytes.fromhex(text)
    match = re.fullmatch(r"(?:vault:v[0-9]+:)?([A-Za-z0-9+/]{86}==)", text)
    if match is None:
        raise Error("E_KEY_FILE", f"{os.fspath(path)} is not a signature: 64 bytes, 128 hex digits or base64")
    return base64.b64decode(match[1])


def _armour(label: str, der: bytes) -> bytes:
    text = base64.b64encode(der).decode()
    lines = [text[i : i + 64] for i in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode()


def _block(data: bytes, path: str | os.PathLike[str]) -> tuple[str, bytes]:
    """The label and content of the one PEM block in data."""
    blocks = list(_PEM.finditer(data.decode("ascii", "replace").replace("\r\n", "\n")))
    if len(blocks) == 1 and data.count(b"-----BEGIN") == 1:
        try:
            return blocks[0][1], base64.b64decode(blocks[0][2], validate=False)
        except binascii.Error:
            pass
    raise Error("E_KEY_FILE", f"{os.fspath(path)} does not hold one PEM block")
