"""In: the body of a function, and where the program is put. Out: its piece of the object, with the addresses."""

from __future__ import annotations

from collections.abc import Sequence

from recompiler.lift.asm.assembler import PLACE
from recompiler.lift.emit.body import Body
from recompiler.lift.emit.objectwriter import Piece, gaps
from recompiler.wasm import leb


def placed(body: Body, entries: Sequence[int], base: int | None) -> Piece:
    """Addresses go to their places; without a base they stay for ever, and take as little room as they can."""
    code = bytearray()
    at = 0
    for offset, address in body.places:
        code += body.code[at:offset]
        code += leb.s64(address) if base is None else place(address + base)
        at = offset + len(PLACE)
    code += body.code[at:]
    moved = tuple(address + (base or 0) for address in entries)
    offsets = [] if base is None else [offset for offset, _ in body.places]
    return Piece(moved, bytes(code), gaps(offsets))


def place(address: int) -> bytes:
    """Signed LEB128 of an address below 2**31, in five bytes: good for i32.const and i64.const."""
    low = address & 0x7F | address << 1 & 0x7F00 | address << 2 & 0x7F0000 | address << 3 & 0x7F000000
    return (low | 0x80808080 | (address >> 28 & 0x7F) << 32).to_bytes(5, "little")
