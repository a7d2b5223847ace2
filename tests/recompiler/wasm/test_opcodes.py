"""The table of opcodes against wasmtime's assembler: each name must give the bytes that the table says."""

from __future__ import annotations

import pytest
import wasmtime

from recompiler.errors import Error
from recompiler.wasm import opcodes, reader, scan
from recompiler.wasm.leb import Cursor
from recompiler.wasm.model import SPACE_OF, Code
from recompiler.wasm.opcodes import Opcode
from recompiler.wasm.rewriter import link

# One of each thing that an immediate can name; the assembler does not validate, so types need not fit.
MODULE = """(module (type (func)) (table 1 funcref) (table 1 funcref) (memory 1) (memory 1) (global i32 (i32.const 0))
  (global i32 (i32.const 0)) (tag) (tag) (data "") (data "") (elem func 0) (elem func 0) (func) (func) (func
  {}))"""
# Letters -> immediates as text, where they can be in the order of the bytes.
TEXT = {
    "tT": "1 (type 0)",
    "dM": "1 1",
    "eS": "1 1",
    "bC": "(catch 1 0) (catch_all 0)",
    "b": "(result i32)",
    "h": "func",
    "V": "(result i32)",
    "m": "1 offset=300",
    "mn": "1 offset=300 1",
    "L": "0 0 0",
    "4": "1.5",
    "8": "1.5",
    "v": "i8x16 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15",
    "n": "1",
    "t": "0",
}
BY_NAME = {"v128.const": TEXT["v"], "i8x16.shuffle": TEXT["v"].removeprefix("i8x16 "), "atomic.fence": ""}
NEEDS_END = ("block", "loop", "if", "else", "try_table")


def assembled(opcode: Opcode) -> bytes:
    """The last function's body, which is this instruction."""
    text = BY_NAME.get(opcode.name, TEXT.get(opcode.immediates, " ".join("1" for _ in opcode.immediates)))
    before = "if " if opcode.name == "else" else ""
    after = " end" if opcode.name in NEEDS_END else ""
    return bytes(wasmtime.wat2wasm(MODULE.format(f"{before}{opcode.name} {text}{after}")))


@pytest.mark.parametrize("prefix", [0, *opcodes.PREFIXED], ids=hex)
def test_every_opcode_is_what_the_assembler_says(prefix: int) -> None:
    rows = opcodes.PREFIXED.get(prefix, opcodes.PLAIN)
    assert len(rows) > 20
    for opcode in rows.values():
        if opcode.name == "end":
            continue
        module = reader.read(assembled(opcode))
        body = module.bodies[-1]
        at = body.start + 1 + (2 if opcode.name == "else" else 0)
        assert module.data[at:].startswith(opcode.code), opcode
        cursor = Cursor(module.data, at, body.end)
        assert scan.instruction(cursor, []) == opcode
        ends = 2 + (opcode.name in NEEDS_END) - 1
        assert module.data[cursor.at : body.end] == b"\x0b" * ends, opcode


def test_the_fast_scan_finds_what_reading_by_hand_finds() -> None:
    """The regular expression steps over what names no index, and over nothing else."""
    for opcode in opcodes.EVERY:
        if opcode.name == "end":
            continue
        module = reader.read(assembled(opcode))
        body = module.bodies[-1]
        for memargs in (False, True):
            by_hand = read_by_hand(module.data, body)
            fast = scan.body(Cursor(module.data, body.start, body.end), memargs=memargs)
            assert list(fast.sites) == by_hand, opcode


def read_by_hand(data: bytes, body: Code) -> list[tuple[int, int, int, int]]:
    cursor, sites = Cursor(data, body.start + 1, body.end), []
    while cursor.at < cursor.end:
        scan.instruction(cursor, sites)
    return sites


def test_rewriting_an_index_changes_it_and_nothing_else() -> None:
    """Each index moved up by 200, into two bytes of LEB128, is what the scan of the new code finds; and back again."""
    maps = {space: range(200, 300) for space in set(SPACE_OF.values())}
    for opcode in opcodes.EVERY:
        if opcode.name == "end":
            continue
        data = assembled(opcode)
        body = reader.read(data).bodies[-1]
        body = scan.body(Cursor(data, body.start, body.end), memargs=True)
        moved = link(data, body, maps).fill(range(1000))
        again = scan.body(Cursor(moved, 0, len(moved)), memargs=True)
        assert [(space, value) for *_, space, value in again.sites] == [
            (space, value + 200) for *_, space, value in body.sites
        ]
        back = link(moved, again, {space: range(-200, 100) for space in maps})
        assert back.fill(range(100)) == data[body.start : body.end]


@pytest.mark.parametrize("code", [b"\x06", b"\x27", b"\xff", b"\xfb\x00", b"\xfc\x12", b"\xfd\x9a\x01", b"\xfe\x04"])
def test_an_unknown_opcode_is_refused_with_its_place(code: bytes) -> None:
    body = b"\0" + code + b"\x0b"
    with pytest.raises(Error, match="unknown") as refused:
        scan.body(Cursor(body, 0, len(body)))
    assert (refused.value.code, refused.value.offset) == ("E_WASM_INVALID", 1)
