"""In: integers and byte strings. Out: points of edwards25519 and signatures that no honest signer would make.

Affine twisted Edwards arithmetic (RFC 8032, section 5.1), slow and plain: for tests alone, never for secrets.
"""

from __future__ import annotations

import hashlib
from functools import cache

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)

Point = tuple[int, int]
IDENTITY: Point = (0, 1)


def recover_x(y: int, sign: int) -> int | None:
    """The x of this parity with (x, y) on the curve, or None; x = 0 is given for either sign."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * SQRT_M1 % P
    if (x * x - square) % P:
        return None
    return x if x & 1 == sign or x == 0 else P - x


def add(a: Point, b: Point) -> Point:
    product = D * a[0] * b[0] * a[1] * b[1] % P
    x = (a[0] * b[1] + b[0] * a[1]) * pow(1 + product, -1, P)
    y = (a[1] * b[1] + a[0] * b[0]) * pow(1 - product, -1, P)
    return x % P, y % P


def multiply(n: int, point: Point) -> Point:
    total = IDENTITY
    while n:
        if n & 1:
            total = add(total, point)
        point, n = add(point, point), n >> 1
    return total


def encode(point: Point) -> bytes:
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def encode_raw(y: int, sign: int) -> bytes:
    """An encoding that need not be canonical: y may be P or more."""
    return (y | sign << 255).to_bytes(32, "little")


def decode(encoding: bytes) -> Point | None:
    number = int.from_bytes(encoding, "little")
    y, sign = number & ((1 << 255) - 1), number >> 255
    x = recover_x(y % P, sign)
    return None if x is None else (x, y % P)


BASE_Y = 4 * pow(5, -1, P) % P
_base_x = recover_x(BASE_Y, 0)
assert _base_x is not None
BASE: Point = (_base_x, BASE_Y)


@cache
def torsion() -> tuple[Point, ...]:
    """The eight points whose order divides 8: k * T for a T of order 8, k = 0..7."""
    for y in range(2, 1000):
        x = recover_x(y, 0)
        if x is not None and (t := multiply(L, (x, y))) and multiply(4, t) != IDENTITY:
            return tuple(multiply(k, t) for k in range(8))
    raise AssertionError("a quarter of all points give a T of order 8")


def low_order_encodings() -> dict[str, bytes]:
    """Every 32-byte string that decodes, laxly, to a point of order 1, 2, 4 or 8."""
    found = {f"order divides 8: {k}T": encode(t) for k, t in enumerate(torsion())}
    for k, (x, y) in enumerate(torsion()):
        for name, raw in (
            (f"{k}T with y + p", encode_raw(y + P, x & 1) if y + P < 1 << 255 else b""),
            (f"{k}T with x = -0", encode_raw(y, 1) if x == 0 else b""),
            (f"{k}T with y + p and x = -0", encode_raw(y + P, 1) if x == 0 and y + P < 1 << 255 else b""),
        ):
            if raw:
                found[name] = raw
    return found


def noncanonical() -> dict[str, bytes]:
    """Encodings y + p of curve points of high order (none of them is in the prime-order subgroup)."""
    found = {}
    for y in range(2, 19):
        for sign in (0, 1):
            if recover_x(y, sign) is not None:
                found[f"y = p + {y}, sign {sign}"] = encode_raw(y + P, sign)
    return found


def not_on_curve() -> bytes:
    return next(encode_raw(y, 0) for y in range(2, 100) if recover_x(y, 0) is None)


def secret_scalar(seed: bytes) -> int:
    number = int.from_bytes(hashlib.sha512(seed).digest()[:32], "little")
    return number & (2**254 - 8) | 2**254


def challenge(r: bytes, a: bytes, message: bytes, prefix: bytes = b"") -> int:
    return int.from_bytes(hashlib.sha512(prefix + r + a + message).digest(), "little") % L


def sign(secret: int, a: bytes, message: bytes, r: int, r_encoding: bytes | None = None, prefix: bytes = b"") -> bytes:
    """S = r + H(prefix, R, A, M) * secret with a chosen nonce and chosen encodings of R and A."""
    r_bytes = encode(multiply(r, BASE)) if r_encoding is None else r_encoding
    k = challenge(r_bytes, a, message, prefix)
    return r_bytes + ((r + k * secret) % L).to_bytes(32, "little")


def holds_without_cofactor(a: bytes, signature: bytes, message: bytes) -> bool:
    """The bare equation S B = R + k A, with no gate at all: what a lax verifier accepts."""
    point_r, point_a = decode(signature[:32]), decode(a)
    if point_r is None or point_a is None:
        return False
    s = int.from_bytes(signature[32:], "little")
    k = challenge(signature[:32], a, message)
    return multiply(s, BASE) == add(point_r, multiply(k, point_a))


def dom2(phflag: int, context: bytes) -> bytes:
    """RFC 8032, section 2: the prefix of Ed25519ctx (0) and Ed25519ph (1)."""
    return b"SigEd25519 no Ed25519 collisions" + bytes([phflag, len(context)]) + context
