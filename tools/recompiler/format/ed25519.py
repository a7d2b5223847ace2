"""Ed25519 with the acceptance gate of docs/format.md: keys, signatures and messages in, a yes or no out.

libsodium alone accepts some encodings other libraries refuse; the gate (canonical, prime-order A and R, S < L) is what
makes every implementation give one verdict.
"""

from __future__ import annotations

from typing import Final

from nacl import bindings
from nacl.exceptions import BadSignatureError

PUBLIC_SIZE: Final = 32
SEED_SIZE: Final = 32
SIGNATURE_SIZE: Final = 64
ORDER: Final = 2**252 + 27742317777372353535851937790883648493  # L, RFC 8032 section 5.1


def point_ok(encoded: bytes) -> bool:
    """Says whether encoded is the canonical encoding of a prime-order point other than the identity."""
    return len(encoded) == PUBLIC_SIZE and bool(bindings.crypto_core_ed25519_is_valid_point(encoded))


def verify(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Says whether signature is an acceptable PureEd25519 signature of message; never raises on bad input."""
    if len(signature) != SIGNATURE_SIZE:
        return False
    r, s = signature[:32], signature[32:]
    if int.from_bytes(s, "little") >= ORDER or not point_ok(public_key) or not point_ok(r):
        return False
    try:
        bindings.crypto_sign_open(signature + message, public_key)
    except BadSignatureError:
        return False
    return True


def public_of(seed: bytes) -> bytes:
    """The public key of a 32-byte private seed."""
    public, _ = bindings.crypto_sign_seed_keypair(seed)
    return public


def sign(seed: bytes, message: bytes) -> bytes:
    """The 64-byte PureEd25519 signature of message (deterministic, RFC 8032)."""
    _, secret = bindings.crypto_sign_seed_keypair(seed)
    return bindings.crypto_sign(message, secret)[:SIGNATURE_SIZE]
