"""In: the bodies of a program's functions. Out: the lifted object, a wasm module; and from a module its parts again.

The module imports `linux` (csrc/engine/lifted), exports memory, pcmap, code, run and the registers, and carries the
custom section `recompiler.lift`: a JSON document, then for each function its entries, then the places of its code that
hold addresses, so that the object can be moved to another base (a static PIE or a library; a static ELF stays).

    u32 size, JSON | per function: start, entries (count, gaps) | per function: places (count, gaps of offsets) | LEB128

`recompiler.unlifted` has the lines of the ledger (ledger.py).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from recompiler import __version__, schema, strictjson
from recompiler.errors import Error
from recompiler.lift import regs, x87
from recompiler.lift.asm import FUNCTION, IMPORTS
from recompiler.lift.regs import I32, I64
from recompiler.lift.runtime import ENTRY_BITS, KNOWN, NUMBER_BITS, routines
from recompiler.merge import leb, writer
from recompiler.merge.model import FUNC, FUNCREF, GLOBAL, MEMORY, TABLE, FuncType, GlobalType, Limits, TableType
from recompiler.merge.opcodes import BY_NAME
from recompiler.wasm import PREAMBLE

SCHEMA: Final = "recompiler/lift/v1"
SECTION: Final = b"recompiler.lift"
UNLIFTED: Final = b"recompiler.unlifted"
PAGE: Final = 1 << 16
GUEST_PAGES: Final = 1 << 16  # 4 GiB
CODE: Final = FuncType((I32,), (I64,))
IMPORT_TYPES: Final = {
    "syscall": FuncType((I64,) * 8, (I64, I64)),
    "fault": FuncType((I32, I64), ()),
    "unlifted": FuncType((I64,), ()),
    "cpuid": FuncType((I32, I32), (I32,) * 4),
    "rdtsc": FuncType((), (I64,)),
    "safepoint": FuncType((I64,), (I64,)),
    "stmxcsr": FuncType((), (I32,)),
    "ldmxcsr": FuncType((I32,), ()),
}
FIRST: Final = len(IMPORTS) + len(routines())  # index of the guest's first function
TEXT_MAX: Final = 1 << 28  # bytes of text, holes between its segments included; the pc map has four times as many
_ADDRESS: Final = schema.integer(0, (1 << 32) - 1)
# The counts of ledger.py.
COUNTS: Final = {
    "functions": ("found", "lifted", "stubbed"),
    "instructions": ("found", "unlifted"),
    "bytes": ("text", "padding", "lifted", "unlifted", "data", "unknown"),
}
_DOCUMENT: Final = schema.record(
    {
        "schema": schema.one_of(SCHEMA),
        "lifter": schema.string(r"[0-9a-z.+-]{1,40}"),
        "elf": schema.HEX64,
        "kind": schema.one_of("exec", "pie", "library"),
        "base": _ADDRESS,
        "entry": _ADDRESS,
        "text_start": _ADDRESS,
        "text_size": schema.integer(1, TEXT_MAX),
        "functions": schema.integer(0, 1 << NUMBER_BITS),
        "coverage": schema.record(
            {name: schema.record(dict.fromkeys(counts, schema.integer())) for name, counts in COUNTS.items()}
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Piece:
    """One function: its entries (the first is its start), code, and where in it five-byte addresses stand (gaps)."""

    entries: tuple[int, ...]
    code: bytes
    places: bytes


def fits(pieces: Sequence[Piece], size: int) -> None:
    """Raises Error E_LIFT_ELF when a program has more functions, entries or text than the pc map can have."""
    if size > TEXT_MAX:
        raise Error("E_LIFT_ELF", f"the text spans {size} bytes, more than {TEXT_MAX}")
    if len(pieces) > 1 << NUMBER_BITS or any(len(piece.entries) > 1 << ENTRY_BITS for piece in pieces):
        raise Error("E_LIFT_ELF", f"more than {1 << NUMBER_BITS} functions, or {1 << ENTRY_BITS} entries in one")


def write(pieces: Sequence[Piece], document: dict[str, Any], unlifted: bytes) -> bytes:
    """The module. document: elf, kind, base, entry, text_start, text_size, coverage. unlifted: the ledger's lines."""
    start, size = document["text_start"], document["text_size"]
    fits(pieces, size)
    types: dict[FuncType, int] = {CODE: 0}
    runtime = routines()
    for type_ in (*IMPORT_TYPES.values(), *(FuncType(each.params, each.results) for each in runtime)):
        types.setdefault(type_, len(types))
    imports = [
        writer.name(b"linux") + writer.name(name.encode()) + b"\0" + leb.u32(types[IMPORT_TYPES[name]])
        for name in IMPORTS
    ]
    functions = [leb.u32(types[FuncType(each.params, each.results)]) for each in runtime] + [leb.u32(0)] * len(pieces)
    bodies = [each.body(start, size) for each in runtime] + [piece.code for piece in pieces]
    numbers = [leb.u32(FIRST + n) for n in range(len(pieces))]
    element = leb.u32(0) + BY_NAME["i32.const"].code + leb.s64(0) + b"\x0b" + writer.vector(numbers)
    pages = (size * 4 + PAGE - 1) // PAGE
    parts = [
        (1, [writer.func_type(type_, n) for type_, n in types.items()]),
        (2, imports),
        (3, functions),
        (4, [writer.table_type(TableType(FUNCREF, _limits(len(pieces))))]),
        (5, [writer.limits(_limits(size)) for size in (GUEST_PAGES, pages, x87.pages())]),
        (6, [global_(name, type_) for name, type_ in regs.GLOBALS]),
        (7, list(_exports())),
        (9, [element]),
        (10, [writer.name(body) for body in bodies]),
        (11, x87.segments()),
    ]
    document = {"schema": SCHEMA, "lifter": __version__, **document, "functions": len(pieces)}
    customs = [writer.custom(SECTION, _contents(pieces, document)), writer.custom(UNLIFTED, unlifted)]
    return writer.module(parts, 0, customs)


def _limits(count: int) -> Limits:
    return Limits(1, count, count)


def global_(name: str, type_: int) -> bytes:
    """An item of the section of globals."""
    first = {I32: b"\x41\0", I64: b"\x42\0", regs.V128: b"\xfd\x0c" + bytes(16)}[type_]
    if name == x87.STACK:
        first = b"\x41" + leb.s64(x87.stack_pointer())
    return writer.global_type(GlobalType(type_, True)) + first + b"\x0b"


def _exports() -> Iterable[bytes]:
    named = [("memory", MEMORY, 0), ("pcmap", MEMORY, 1), ("x87", MEMORY, x87.MEMORY_NUMBER), ("code", TABLE, 0)]
    named += [("run", FUNC, FUNCTION["run"])]
    named += [(name, GLOBAL, number) for name, number in regs.GLOBAL.items()]
    for name, kind, number in named:
        yield writer.name(name.encode()) + bytes((kind,)) + leb.u32(number)


def _contents(pieces: Sequence[Piece], document: dict[str, Any]) -> bytes:
    text = strictjson.dumps(document)
    out = [struct.pack("<I", len(text)), text]
    last = 0
    for piece in pieces:
        out += [leb.u32(piece.entries[0] - last), leb.u32(len(piece.entries))]
        last = piece.entries[0]
        # The rest ascends, on both sides of the start (a part of the function may lie before it).
        at = document["text_start"]
        for entry in piece.entries[1:]:
            out.append(leb.u32(entry - at))
            at = entry
    out += [piece.places for piece in pieces]
    return b"".join(out)


def gaps(offsets: Sequence[int]) -> bytes:
    """How many ascending numbers there are, and each as its distance from the one before."""
    out = [leb.u32(len(offsets))]
    at = 0
    for offset in offsets:
        out.append(leb.u32(offset - at))
        at = offset
    return b"".join(out)


@dataclass(frozen=True, slots=True)
class Lifted:
    """What a lifted object says of itself. entries: of each function; the first is its start."""

    document: dict[str, Any]
    entries: list[tuple[int, ...]]


def read(module: bytes) -> Lifted:
    """The section `recompiler.lift` of a module.

    Raises Error E_WASM_HEADER, E_WASM_INVALID: no module, or not a lifted one.
    """
    contents = sections(module).get(SECTION)
    if contents is None:
        raise Error("E_WASM_INVALID", "the module is no lifted object: it has no section recompiler.lift")
    cursor = leb.Cursor(contents, 0, len(contents))
    size = int.from_bytes(cursor.take(4), "little")
    document = strictjson.loads(cursor.take(size), max_depth=8, code="E_WASM_INVALID")
    if document.get("schema") != SCHEMA:
        raise Error("E_WASM_INVALID", f"not a lifted object of this version, {SCHEMA}")
    schema.check({"lifted object": document}, schema.record({"lifted object": _DOCUMENT}), "E_WASM_INVALID")
    low, high = document["text_start"], document["text_start"] + document["text_size"]
    last = 0
    entries = []
    for _ in range(document["functions"]):
        last += cursor.u32()
        count = cursor.u32()
        rows = [last]
        at = low
        for _ in range(count - 1):
            at += cursor.u32()
            rows.append(at)
        if not (low <= last < high and 1 <= count <= 1 << ENTRY_BITS and at < high):
            raise cursor.fail(f"the entries of a function at {last:#x} lie outside the text")
        entries.append(tuple(rows))
    return Lifted(document, entries)


def sections(module: bytes) -> dict[bytes, bytes]:
    """The custom sections of a module by name, the last of each. Raises Error E_WASM_HEADER, E_WASM_INVALID."""
    if not module.startswith(PREAMBLE):
        raise Error("E_WASM_HEADER", "not a WebAssembly module")
    cursor = leb.Cursor(module, len(PREAMBLE), len(module))
    found = {}
    while cursor.at < cursor.end:
        kind = cursor.byte()
        part = cursor.part(cursor.u32())
        if kind == 0:
            name = part.name()
            found[name] = part.take(part.end - part.at)
    return found


def pc_map(lifted: Lifted) -> bytearray:
    """Memory 1: a u32 per byte of the text (runtime.py); nearly all of it is zero."""
    start, size = lifted.document["text_start"], lifted.document["text_size"]
    out = bytearray(size * 4)
    for number, entries in enumerate(lifted.entries):
        for n, address in enumerate(entries):
            struct.pack_into("<I", out, (address - start) * 4, KNOWN | number << ENTRY_BITS | n)
    return out
