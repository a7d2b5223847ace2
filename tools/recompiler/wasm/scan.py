"""Instructions in, the places where they name an index out.

Most instructions name none; a regular expression made from the table of opcodes steps over runs of those at C speed.
It matches only what is well formed, so whatever it stops at is read by hand, and refused there if it must be.
Blocks are not matched up: the validator of the finished module does that.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from recompiler.wasm import opcodes
from recompiler.wasm.leb import Cursor
from recompiler.wasm.model import (
    DATA,
    ELEMENT,
    FUNC,
    FUNC_REF,
    GLOBAL,
    MEMARG,
    MEMORY,
    REF,
    REF_NULL,
    TABLE,
    TABLE_BOUNDS,
    TAG,
    TYPE,
    TYPE_S33,
    VALUE_TYPES,
    Code,
    Site,
    ValueType,
)
from recompiler.wasm.opcodes import Opcode

MEMARG_HAS_MEMORY: Final = 0x40  # bit 6 of the alignment (multi-memory)
_EMPTY_BLOCK: Final = 0x40
# Instructions of a constant expression, extended ones included.
_CONSTANT_NAMES: Final = """
i32.const i64.const f32.const f64.const v128.const global.get ref.null ref.func
i32.add i32.sub i32.mul i64.add i64.sub i64.mul
"""
_CONSTANT: Final = frozenset(_CONSTANT_NAMES.split())


def value_type(cursor: Cursor, sites: list[Site]) -> ValueType:
    """Reads a value type; a type it names by index becomes a site. Raises Error E_WASM_INVALID."""
    start = cursor.at
    byte = cursor.byte()
    if byte in VALUE_TYPES:
        return byte
    if byte not in (REF, REF_NULL):
        raise cursor.fail(f"0x{byte:02x} is no value type that can be merged", start)
    return byte, heap_type(cursor, sites)


def heap_type(cursor: Cursor, sites: list[Site]) -> int:
    """Reads a heap type, as value_type."""
    start = cursor.at
    value = cursor.s33()
    if value >= 0:
        sites.append((start, cursor.at, TYPE_S33, value))
    elif value & 0x7F not in VALUE_TYPES or value < -0x40:
        raise cursor.fail("a heap type that cannot be merged", start)
    return value


def _index(space: int) -> Callable[[Cursor, list[Site]], None]:
    def read(cursor: Cursor, sites: list[Site]) -> None:
        start = cursor.at
        value = cursor.u32()
        sites.append((start, cursor.at, space, value))

    return read


def _memarg(cursor: Cursor, sites: list[Site]) -> None:
    start = cursor.at
    memory = cursor.u32() if cursor.u32() & MEMARG_HAS_MEMORY else 0
    sites.append((start, cursor.at, MEMARG, memory))
    cursor.u64()


def _block_type(cursor: Cursor, sites: list[Site]) -> None:
    start = cursor.at
    byte = cursor.byte()
    if byte == _EMPTY_BLOCK or byte in VALUE_TYPES:
        return
    if byte in (REF, REF_NULL):
        heap_type(cursor, sites)
        return
    cursor.at = start
    value = cursor.s33()
    if value < 0:
        raise cursor.fail("a block type that cannot be merged", start)
    sites.append((start, cursor.at, TYPE_S33, value))


def _labels(cursor: Cursor, sites: list[Site]) -> None:
    for _ in range(cursor.u32() + 1):
        cursor.u32()


def _value_types(cursor: Cursor, sites: list[Site]) -> None:
    for _ in range(cursor.u32()):
        value_type(cursor, sites)


def _catches(cursor: Cursor, sites: list[Site]) -> None:
    for _ in range(cursor.u32()):
        form = cursor.byte()
        if form > 3:
            raise cursor.fail(f"unknown catch clause {form}", cursor.at - 1)
        if form < 2:  # catch, catch_ref; the others catch all
            _index(TAG)(cursor, sites)
        cursor.u32()


# Letter of opcodes.py -> what reads that immediate.
_READ: Final[dict[str, Callable[[Cursor, list[Site]], object]]] = {
    "b": _block_type,
    "h": heap_type,
    "V": _value_types,
    "C": _catches,
    "f": _index(FUNC),
    "r": _index(FUNC_REF),
    "t": _index(TYPE),
    "T": _index(TABLE),
    "S": _index(TABLE_BOUNDS),
    "g": _index(GLOBAL),
    "k": _index(TAG),
    "d": _index(DATA),
    "e": _index(ELEMENT),
    "M": _index(MEMORY),
    "m": _memarg,
    "L": _labels,
    "l": lambda cursor, sites: cursor.u32(),
    "x": lambda cursor, sites: cursor.u32(),
    "n": lambda cursor, sites: cursor.byte(),
    "i": lambda cursor, sites: cursor.s32(),
    "I": lambda cursor, sites: cursor.s64(),
    "4": lambda cursor, sites: cursor.take(4),
    "8": lambda cursor, sites: cursor.take(8),
    "v": lambda cursor, sites: cursor.take(16),
}

_U32 = rb"(?:[\x80-\xff]{0,3}+[\x00-\x7f]|[\x80-\xff]{4}[\x00-\x0f])"
_U64 = rb"(?:[\x80-\xff]{0,8}+[\x00-\x7f]|[\x80-\xff]{9}[\x00\x01])"
# Letter -> a pattern of that immediate where it names no index.
_PLAIN: Final = {
    "b": rb"[\x40\x7b-\x7f\x6f\x70\x69]",
    "l": _U32,
    "x": _U32,
    "n": rb"[\x00-\xff]",
    "i": rb"(?:[\x80-\xff]{0,3}+[\x00-\x7f]|[\x80-\xff]{4}[\x00-\x07\x78-\x7f])",
    "I": rb"(?:[\x80-\xff]{0,8}+[\x00-\x7f]|[\x80-\xff]{9}[\x00\x7f])",
    "4": rb"[\x00-\xff]{4}",
    "8": rb"[\x00-\xff]{8}",
    "v": rb"[\x00-\xff]{16}",
    "m": rb"[\x00-\x3f]" + _U64,
}


def _run(without: str) -> re.Pattern[bytes]:
    """Matches a run of instructions whose immediates name nothing; those with a letter of without end it."""
    rows: dict[tuple[bytes, str], bytes] = {}
    for each in opcodes.EVERY:
        if all(letter in _PLAIN and letter not in without for letter in each.immediates):
            key = each.code[:-1], each.immediates
            rows[key] = rows.get(key, b"") + each.code[-1:]
    # A prefixed opcode of two LEB128 bytes differs in its first as well: all of them are alternatives.
    alternatives = [
        re.escape(head)
        + b"["
        + b"".join(b"\\x%02x" % last for last in sorted(lasts))
        + b"]"
        + b"".join(_PLAIN[letter] for letter in immediates)
        for (head, immediates), lasts in sorted(rows.items(), key=lambda row: (len(row[0][0]), row[0]))
    ]
    return re.compile(b"(?:" + b"|".join(alternatives) + b")*+", re.DOTALL)


_RUN: Final = {False: _run(""), True: _run("m")}


def opcode(cursor: Cursor) -> Opcode:
    """Reads an opcode, without its immediates. Raises Error E_WASM_INVALID."""
    start = cursor.at
    byte = cursor.byte()
    if byte in opcodes.PREFIXED:
        number = cursor.u32()
        found = opcodes.PREFIXED[byte].get(number)
        text = f"0x{byte:02x} {number}"
    else:
        found = opcodes.PLAIN.get(byte)
        text = f"0x{byte:02x}"
    if found is None:
        raise cursor.fail(f"opcode {text} is unknown", start)
    return found


def instruction(cursor: Cursor, sites: list[Site]) -> Opcode:
    """Reads one instruction. Raises Error E_WASM_INVALID."""
    found = opcode(cursor)
    for letter in found.immediates:
        _READ[letter](cursor, sites)
    return found


def body(cursor: Cursor, *, memargs: bool = False) -> Code:
    """A function's body, locals included, which is the whole of the cursor.

    A memarg that names no memory means memory 0; it becomes a site only with memargs. Raises Error E_WASM_INVALID.
    """
    start, end = cursor.at, cursor.end
    sites: list[Site] = []
    for _ in range(cursor.u32()):
        cursor.u32()
        value_type(cursor, sites)
    if start == end or cursor.data[end - 1] != opcodes.END:
        raise cursor.fail("a function does not end with `end`", end)
    run = _RUN[memargs].match
    while True:
        found = run(cursor.data, cursor.at, end)
        assert found is not None  # an empty run matches
        cursor.at = found.end()
        if cursor.at == end:
            return Code(start, end, tuple(sites))
        instruction(cursor, sites)


def expression(cursor: Cursor) -> Code:
    """A constant expression up to its `end`. Raises Error E_WASM_INVALID."""
    start = cursor.at
    sites: list[Site] = []
    while True:
        at = cursor.at
        found = instruction(cursor, sites)
        if found.code[0] == opcodes.END:
            return Code(start, cursor.at, tuple(sites))
        if found.name not in _CONSTANT:
            raise cursor.fail(f"{found.name} in a constant expression", at)
