"""A merged module in, its routes out: which id leads to which program, proved from the module itself.

The custom section `recompiler.entries` has a row for each id: the BLAKE3 of the program's file, and its name. A row is
believed when everything on the way agrees: `_dispatch` is, byte for byte, the generated one; its table is filled once,
with as many functions; nothing else names that table; the function at the id is the one exported under the name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from recompiler.errors import Error
from recompiler.merge import dispatch, slots
from recompiler.wasm import writer
from recompiler.wasm.leb import Cursor
from recompiler.wasm.model import FUNC, SPACE_OF, TABLE, Element, Module

SECTION: Final = b"recompiler.entries"
_DIGEST: Final = 32


@dataclass(frozen=True, slots=True)
class Route:
    """Program number entry: its file's BLAKE3, its name, and the function that is its entry."""

    entry: int
    digest: bytes
    name: str
    function: int


def section(rows: list[tuple[bytes, bytes]]) -> bytes:
    """The custom section of hashes and names."""
    return writer.custom(SECTION, writer.vector([digest + writer.name(name) for digest, name in rows]))


def read(module: Module) -> list[Route]:
    """The routes of a merged module, in the order of their ids. Raises Error E_WASM_INVALID."""
    rows = _rows(module)
    table, function = table_of(module), module.exported(dispatch.EXPORT, FUNC)
    assert function is not None  # table_of has found it
    if not _is_dispatcher(module, function - module.imported(FUNC), table, len(rows)):
        raise Error("E_WASM_INVALID", "`_dispatch` is not what the merger generates")
    functions = _filling(module, table).functions
    if len(functions) != len(rows):
        raise Error("E_WASM_INVALID", f"{len(functions)} entries, {len(rows)} programs")
    for number, ((_, name), function) in enumerate(zip(rows, functions, strict=True)):
        if module.exported(name, FUNC) != function:
            raise Error("E_WASM_INVALID", f"entry {number} is not the program that is exported as {name!a}")
    return [Route(number, *row, functions[number]) for number, row in enumerate((d, n.decode()) for d, n in rows)]


def table_of(module: Module) -> int:
    """The table that `_dispatch` calls through. Raises Error E_WASM_INVALID."""
    index, imported = module.exported(dispatch.EXPORT, FUNC), module.imported(FUNC)
    if index is None or index < imported:
        raise Error("E_WASM_INVALID", "no `_dispatch`: not a merged module")
    body = module.bodies[index - imported]
    tables = [number for _, _, space, number in body.sites if SPACE_OF[space] == TABLE]
    if len(tables) != 1:
        raise Error("E_WASM_INVALID", "`_dispatch` is not what the merger generates", body.start)
    return tables[0]


def _rows(module: Module) -> list[tuple[bytes, bytes]]:
    found = [(start, end) for title, start, end in module.custom if title == SECTION]
    if len(found) != 1:
        raise Error("E_WASM_INVALID", f"{len(found)} sections `{SECTION.decode()}`: not a merged module")
    cursor = Cursor(module.data, *found[0])
    rows = [(cursor.take(_DIGEST), cursor.name()) for _ in range(cursor.u32())]
    cursor.finish("entries")
    for _, name in rows:
        try:
            name.decode()
        except UnicodeDecodeError:
            raise cursor.fail("a program's name is not UTF-8") from None
    if len({digest for digest, _ in rows}) != len(rows):
        raise Error("E_WASM_INVALID", "two entries of one hash")
    return rows


def _is_dispatcher(module: Module, number: int, table: int, programs: int) -> bool:
    body = module.bodies[number]
    types = [at for at, type_ in enumerate(module.types) if type_ == dispatch.ENTRY_TYPE]
    found = module.data[body.start : body.end]
    generated = [dispatch.dispatcher(programs, type_, table).fill(()) for type_ in types]
    return module.types[module.functions[number]] == dispatch.DISPATCH_TYPE and found in generated


def _filling(module: Module, table: int) -> Element:
    """The one segment that fills the dispatcher's table, which nothing but `_dispatch` names."""
    filling = [each for each in module.elements if each.offset is not None and each.table == table]
    users = [
        1 for body in module.bodies for *_, space, index in body.sites if (SPACE_OF[space], index) == (TABLE, table)
    ]
    exported = [1 for each in module.exports if (each.kind, each.index) == (TABLE, table)]
    if len(filling) != 1 or len(users) != 1 or exported or table < module.imported(TABLE):
        raise Error("E_WASM_INVALID", "the table of entries has other users than `_dispatch`")
    if slots.constant(module.data, filling[0].offset) != 0 or filling[0].expressions:
        raise Error("E_WASM_INVALID", "the table of entries is not filled from 0")
    return filling[0]


def validate(data: bytes, what: str) -> None:
    """The engine's own validator, with every feature that the reader knows. Raises Error E_WASM_INVALID."""
    import wasmtime  # 40 ms: only what makes files pays for it

    config = wasmtime.Config()
    for feature in (
        "threads",
        "wide_arithmetic",
        "multi_memory",
        "memory64",
        "tail_call",
        "exceptions",
        "relaxed_simd",
    ):
        setattr(config, f"wasm_{feature}", True)
    try:
        wasmtime.Module.validate(wasmtime.Engine(config), data)
    except wasmtime.WasmtimeError as e:
        reason = ascii(str(e).splitlines()[0] if str(e) else "")[1:-1]
        raise Error("E_WASM_INVALID", f"{what} is not valid: {reason[:160]}") from None
