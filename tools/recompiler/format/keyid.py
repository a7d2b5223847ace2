"""Key ids: a 32-byte public key in, its 32-byte name out (see docs/format.md, signature record)."""

from __future__ import annotations

from typing import Final

from blake3 import blake3

DOMAIN: Final = b"recompiler/keyid/ed25519/v1".ljust(32, b"\0")


def key_id(public_key: bytes) -> bytes:
    """The id under which trailers and key stores name an Ed25519 public key."""
    return blake3(DOMAIN + public_key).digest()
