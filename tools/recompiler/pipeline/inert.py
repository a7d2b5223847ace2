"""In: the BLAKE3 of a wasm program. Out: its inert original, the module without code in its place.

\\0asm 1 | custom section `recompiler.inert`: the 32 bytes of the program's BLAKE3
"""

from __future__ import annotations

from typing import Final

from blake3 import blake3

from recompiler.format.wasm import PREAMBLE

NAME: Final = b"recompiler.inert"
DIGEST: Final = 32
_HEAD: Final = PREAMBLE + bytes((0, 1 + len(NAME) + DIGEST, len(NAME))) + NAME
SIZE: Final = len(_HEAD) + DIGEST


def make(original: str) -> bytes:
    """The bytes of the inert original of the program with this BLAKE3 (64 hex digits)."""
    return _HEAD + bytes.fromhex(original)


def digest(original: str) -> str:
    """The BLAKE3 of these bytes, as 64 hex digits: the key of the program's entry."""
    return blake3(make(original)).hexdigest()


def is_inert(data: bytes) -> bool:
    """Whether these are the bytes of an inert original."""
    return len(data) == SIZE and data.startswith(_HEAD)
