"""A merged module in, its dispatcher and entries as WAT out: for people, who want to see what routes to what."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from typing import Final

from recompiler.merge import dispatch, names, routes
from recompiler.merge.routes import Route
from recompiler.wasm import model, reader, scan
from recompiler.wasm.leb import Cursor
from recompiler.wasm.model import FUNC, TABLE, FuncType, ValueType

_VALUE_TYPES: Final[dict[ValueType, str]] = {
    model.I32: "i32",
    model.I64: "i64",
    model.F32: "f32",
    model.F64: "f64",
    model.V128: "v128",
    0x70: "funcref",
    0x6F: "externref",
    0x69: "exnref",
}
# Letters of opcodes.py -> index space of what is printed by name.
_NAMED: Final = {
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
    "b": lambda cursor: "" if cursor.byte() == dispatch.VOID else "...",
}
# Immediates that the text has in the other order than the bytes.
_REVERSED: Final = ("tT", "dM", "eS")
_PLAIN_NAME: Final = re.compile(r"[\w!#$%&'*+\-./:<=>?@\\^`|~]+", re.ASCII)


def dispatcher(data: bytes) -> str:
    """The table of entries, `_dispatch`, and the entries. Raises Error: E_WASM_HEADER, E_WASM_INVALID."""
    module = reader.read(data)
    rows = routes.read(module)
    return "\n".join(_Printer(module, rows).lines()) + "\n"


class _Printer:
    def __init__(self, module: model.Module, rows: list[Route]) -> None:
        self.module = module
        self.rows = rows
        self.names = {(space, index): text.decode() for space, index, text in names.plain(module)}

    def lines(self) -> Iterator[str]:
        index = self.module.exported(dispatch.EXPORT, FUNC)
        assert index is not None  # routes.read has found it
        table = self._name(TABLE, routes.table_of(self.module))
        yield f";; {len(self.module.data)} bytes, {len(self.rows)} programs"
        yield f"(table {table} {len(self.rows)} {len(self.rows)} funcref)"
        yield f"(elem (table {table}) (i32.const 0) func"
        for row in self.rows:
            yield f"  {self._name(FUNC, row.function)} (; {row.entry} {row.digest.hex()} {_quoted(row.name)} ;)"
        yield ")"
        for function in dict.fromkeys((index, *(row.function for row in self.rows))):
            yield from self._function(function)

    def _function(self, index: int) -> Iterator[str]:
        yield f"(func {self._name(FUNC, index)}{_signature(self.module.function_type(index))}"
        body = self.module.bodies[index - self.module.imported(FUNC)]
        cursor = Cursor(self.module.data, body.start, body.end)
        for _ in range(cursor.u32()):
            yield f"  (local {cursor.u32()} of {_VALUE_TYPES.get(scan.value_type(cursor, []), '...')})"
        depth = 1
        while cursor.at < body.end - 1:
            opcode = scan.opcode(cursor)
            words = [self._immediate(letter, cursor) for letter in opcode.immediates]
            if opcode.immediates in _REVERSED:
                words.reverse()
            depth -= opcode.name in ("end", "else")
            yield "  " * max(depth, 1) + " ".join([opcode.name, *filter(None, words)])
            depth += opcode.name in ("if", "else", "block", "loop")
        yield ")"

    def _immediate(self, letter: str, cursor: Cursor) -> str:
        if letter in _NAMED:
            name = self._name(_NAMED[letter], cursor.u32())
            return f"(type {name})" if letter == "t" else name
        if letter not in PLAIN:
            raise cursor.fail("an instruction that no entry has")
        return PLAIN[letter](cursor)

    def _name(self, space: int, index: int) -> str:
        text = self.names.get((space, index))
        if text is None:
            return str(index)
        if _PLAIN_NAME.fullmatch(text):
            return f"${text}"
        return f"${_quoted(text)}"


def _quoted(text: str) -> str:
    """Text as WAT and a terminal can bear it, even inside a comment."""
    return '"' + "".join(c if c.isprintable() and c not in '"\\;' else f"\\u{{{ord(c):x}}}" for c in text) + '"'


def _signature(type_: FuncType) -> str:
    sides = (("param", type_.params), ("result", type_.results))
    return "".join(
        f" ({word} {' '.join(_VALUE_TYPES.get(each, '...') for each in types)})" for word, types in sides if types
    )
