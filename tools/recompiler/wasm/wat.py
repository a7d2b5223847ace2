"""In: an immediate of an instruction (its letter in opcodes.py). Out: its text as WAT has it, or the index space that
its name is in."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from recompiler.wasm import model
from recompiler.wasm.leb import Cursor
from recompiler.wasm.model import FUNC, TABLE, ValueType

TYPE_NAMES: Final[dict[ValueType, str]] = {
    model.I32: "i32",
    model.I64: "i64",
    model.F32: "f32",
    model.F64: "f64",
    model.V128: "v128",
    0x70: "funcref",
    0x6F: "externref",
    0x69: "exnref",
}
# Letter -> index space of what is printed by name.
NAMED: Final = {
    "f": FUNC,
    "r": FUNC,
    "t": model.TYPE,
    "T": TABLE,
    "S": TABLE,
    "g": model.GLOBAL,
    "M": model.MEMORY,
    "d": model.DATA,
    "e": model.ELEMENT,
}
PLAIN: Final[dict[str, Callable[[Cursor], str]]] = {
    "x": lambda cursor: str(cursor.u32()),
    "i": lambda cursor: str(cursor.s32()),
    "I": lambda cursor: str(cursor.s64()),
    "4": lambda cursor: struct.unpack("<f", cursor.take(4))[0].hex(),
    "8": lambda cursor: struct.unpack("<d", cursor.take(8))[0].hex(),
    "v": lambda cursor: "i8x16 " + " ".join(map(str, cursor.take(16))),
    "h": lambda cursor: {-16: "func", -17: "extern", -23: "exn"}.get(value := cursor.s33(), str(value)),
    "b": lambda cursor: "" if cursor.byte() == model.VOID else "...",
}
# Immediates that the text has in the other order than the bytes.
REVERSED: Final = ("tT", "dM", "eS")
