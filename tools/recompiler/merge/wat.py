"""A merged module in, its dispatcher and entries as WAT out: for people, who want to see what routes to what."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from recompiler.merge import dispatch, names, routes
from recompiler.merge.routes import Route
from recompiler.wasm import model, reader, scan, wat
from recompiler.wasm.leb import Cursor
from recompiler.wasm.model import FUNC, TABLE, FuncType

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
            yield f"  (local {cursor.u32()} of {wat.TYPE_NAMES.get(scan.value_type(cursor, []), '...')})"
        depth = 1
        while cursor.at < body.end - 1:
            opcode = scan.opcode(cursor)
            words = [self._immediate(letter, cursor) for letter in opcode.immediates]
            if opcode.immediates in wat.REVERSED:
                words.reverse()
            depth -= opcode.name in ("end", "else")
            yield "  " * max(depth, 1) + " ".join([opcode.name, *filter(None, words)])
            depth += opcode.name in ("if", "else", "block", "loop")
        yield ")"

    def _immediate(self, letter: str, cursor: Cursor) -> str:
        if letter in wat.NAMED:
            name = self._name(wat.NAMED[letter], cursor.u32())
            return f"(type {name})" if letter == "t" else name
        if letter not in wat.PLAIN:
            raise cursor.fail("an instruction that no entry has")
        return wat.PLAIN[letter](cursor)

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
        f" ({word} {' '.join(wat.TYPE_NAMES.get(each, '...') for each in types)})" for word, types in sides if types
    )
