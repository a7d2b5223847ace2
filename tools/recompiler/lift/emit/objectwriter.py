"""In: the bodies of a program's functions. Out: the lifted object, a wasm module, and its file, PROG.lifted.

objectfile.py and liftedfile.py tell what is in them, and read them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from blake3 import blake3

from recompiler import __version__, aot
from recompiler.errors import Error
from recompiler.format import strictjson
from recompiler.lift.asm import x87
from recompiler.lift.asm.assembler import FIRST, FUNCTION, IMPORTS
from recompiler.lift.emit.runtime import Routine
from recompiler.lift.object.liftedfile import AOT, ELF, SEAL_HEAD, head, target
from recompiler.lift.object.objectfile import PAGE, SCHEMA, SECTION, SLOTS, TEXT_MAX, UNLIFTED, overflowing
from recompiler.lift.workers import apart
from recompiler.lift.x86 import regs
from recompiler.lift.x86.regs import I32, I64
from recompiler.wasm import leb, writer
from recompiler.wasm.model import FUNC, FUNCREF, GLOBAL, MEMORY, TABLE, FuncType, GlobalType, Limits, TableType
from recompiler.wasm.opcodes import BY_NAME

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


@dataclass(frozen=True, slots=True)
class Piece:
    """One function: its entries (the first is its start), code, and where in it five-byte addresses stand (gaps)."""

    entries: tuple[int, ...]
    code: bytes
    places: bytes


def fits(entries: Sequence[Sequence[int]], size: int) -> None:
    """Raises Error E_LIFT_ELF when a program has more functions or text than the pc map can have."""
    if size > TEXT_MAX:
        raise Error("E_LIFT_ELF", f"the text spans {size} bytes, more than {TEXT_MAX}")
    if len(entries) + len(overflowing(map(len, entries))) >= SLOTS:
        raise Error("E_LIFT_ELF", f"{len(entries)} functions: {SLOTS - 1} are the most")


def write(pieces: Sequence[Piece], runtime: Sequence[Routine], document: dict[str, Any], unlifted: bytes) -> bytes:
    """The module. runtime: in the order of their indices. unlifted: the ledger's lines.

    document: elf, kind, base, entry, text_start, text_size, coverage.
    """
    start, size = document["text_start"], document["text_size"]
    types: dict[FuncType, int] = {CODE: 0}
    for type_ in (*IMPORT_TYPES.values(), *(FuncType(each.params, each.results) for each in runtime)):
        types.setdefault(type_, len(types))
    imports = [
        writer.name(b"linux") + writer.name(name.encode()) + b"\0" + leb.u32(types[IMPORT_TYPES[name]])
        for name in IMPORTS
    ]
    own = [piece.code for piece in pieces] + [
        _onward(*place) for place in overflowing(len(piece.entries) for piece in pieces)
    ]
    functions = [leb.u32(types[FuncType(each.params, each.results)]) for each in runtime] + [leb.u32(0)] * len(own)
    bodies = [each.body(start, size) for each in runtime] + own
    numbers = [leb.u32(FIRST + n) for n in range(len(own))]
    element = leb.u32(0) + BY_NAME["i32.const"].code + leb.s64(1) + b"\x0b" + writer.vector(numbers)
    pages = (size * 4 + PAGE - 1) // PAGE
    parts = [
        (1, [writer.func_type(type_, n) for type_, n in types.items()]),
        (2, imports),
        (3, functions),
        (4, [writer.table_type(TableType(FUNCREF, _limits(1 + len(own))))]),
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


def _onward(number: int, first: int) -> bytes:
    """The body of a function that stands for another's entries from the first on."""
    code = b"\0\x20\0" + BY_NAME["i32.const"].code + leb.s64(first) + BY_NAME["i32.add"].code
    return code + BY_NAME["return_call"].code + leb.u32(FIRST + number) + b"\x0b"


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


def complete(module: bytes, elf: bytes, *, compiled: bool = True) -> list[bytes]:
    """The parts of PROG.lifted: with the artifact for this machine, unless told otherwise.

    Raises Error: E_COMPILER, E_WASM_INVALID.
    """
    parts = [module, writer.custom(ELF, elf)]
    if compiled:
        code = apart(lambda: aot.compile_module(module, target()))
        parts.append(writer.custom(AOT + target().encode(), head(target()) + b"\0" + code))
    digest = blake3()
    for part in parts:
        digest.update(part)
    return [*parts, SEAL_HEAD + digest.digest()]
