"""In: a lifted object, a wasm module. Out: what it says of itself, and the pc map. objectwriter.py makes it.

The module imports `linux` (csrc/engine/kind/lifted), exports memory, pcmap, code, run and the registers, and carries
the custom section `recompiler.lift`: a JSON document, then for each function its entries, then the places of its code
that hold addresses, so that the object can be moved to another base (a static PIE or a library; a static ELF stays).

    u32 size, JSON | per function: start, entries (count, gaps) | per function: places (count, gaps of offsets) | LEB128

`recompiler.unlifted` has the lines of the ledger (ledger.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from recompiler.errors import Error
from recompiler.format import schema, strictjson
from recompiler.format.wasm import PREAMBLE
from recompiler.wasm import leb

SCHEMA: Final = "recompiler/lift/v1"
SECTION: Final = b"recompiler.lift"
UNLIFTED: Final = b"recompiler.unlifted"
PAGE: Final = 1 << 16
# A row of the pc map: a place in the table `code` (the first is nobody's), and the number of an entry there.
ENTRY_BITS: Final = 12
SLOTS: Final = 1 << 32 - ENTRY_BITS
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
        "functions": schema.integer(0, SLOTS - 1),
        "coverage": schema.record(
            {name: schema.record(dict.fromkeys(counts, schema.integer())) for name, counts in COUNTS.items()}
        ),
    }
)


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
        if not (low <= last < high and count and at < high):
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


def overflowing(counts: Iterable[int]) -> list[tuple[int, int]]:
    """(function, first entry) of each further place in `code` that a function with more entries than fit has.

    counts: of the entries of each function. These places follow those of the functions themselves.
    """
    most = 1 << ENTRY_BITS
    return [(n, first) for n, count in enumerate(counts) if count > most for first in range(most, count, most)]


def pc_map(lifted: Lifted) -> bytearray:
    """Memory 1: a u32 per byte of the text, 0 where nothing can be entered; nearly all of it is zero."""
    start, size = lifted.document["text_start"], lifted.document["text_size"]
    out = bytearray(size * 4)
    rows = memoryview(out).cast("I")  # little-endian, as every machine that the engine runs on
    places = [(number, 0) for number in range(len(lifted.entries))] + overflowing(map(len, lifted.entries))
    for slot, (number, first) in enumerate(places, 1):
        row = slot << ENTRY_BITS
        for address in lifted.entries[number][first : first + (1 << ENTRY_BITS)]:
            rows[address - start] = row
            row += 1
    rows.release()
    return out
