"""The `name` sections of programs in, the merged one out.

A name section says nothing that a program needs, so a broken one is no error: what cannot be read is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from recompiler.errors import Error
from recompiler.wasm import leb, writer
from recompiler.wasm.leb import Cursor
from recompiler.wasm.model import DATA, ELEMENT, FUNC, GLOBAL, MEMORY, TABLE, TAG, TYPE, Module
from recompiler.wasm.rewriter import Maps

SECTION: Final = b"name"
# Subsection -> the index space it names things of; the two of locals and labels are by function.
_PLAIN: Final = {1: FUNC, 4: TYPE, 5: TABLE, 6: MEMORY, 7: GLOBAL, 8: ELEMENT, 9: DATA, 11: TAG}
_SUBSECTION: Final = {space: id_ for id_, space in _PLAIN.items()}
_INSIDE_FUNCTIONS: Final = (2, 3)


def _pairs(cursor: Cursor) -> Iterator[tuple[int, bytes]]:
    for _ in range(cursor.u32()):
        index, text = cursor.u32(), cursor.name()
        try:
            text.decode()
        except UnicodeDecodeError:
            raise cursor.fail("a name that is not UTF-8") from None
        yield index, text


def plain(module: Module) -> Iterator[tuple[int, int, bytes]]:
    """Index space, index and name of everything but locals and labels; indices may be of things that are not there."""
    for id_, cursor in _subsections(module):
        if id_ in _PLAIN:
            try:
                yield from ((_PLAIN[id_], index, text) for index, text in _pairs(cursor))
            except Error:
                return


def inside_functions(module: Module) -> Iterator[tuple[int, int, bytes]]:
    """Subsection, function, and the names of its locals or labels as they stand in the section."""
    for id_, cursor in _subsections(module):
        if id_ in _INSIDE_FUNCTIONS:
            try:
                for _ in range(cursor.u32()):
                    function, start = cursor.u32(), cursor.at
                    for _ in _pairs(cursor):
                        pass
                    yield id_, function, cursor.data[start : cursor.at]
            except Error:
                return


def _subsections(module: Module) -> Iterator[tuple[int, Cursor]]:
    for title, start, end in module.custom:
        if title != SECTION:
            continue
        cursor = Cursor(module.data, start, end)
        try:
            while cursor.at < cursor.end:
                id_ = cursor.byte()
                yield id_, cursor.part(cursor.u32())
        except Error:
            return


class Names:
    """The names of the merged module; of several for one thing the first stays."""

    def __init__(self) -> None:
        self._plain: dict[int, dict[int, bytes]] = {}
        self._inside: dict[int, dict[int, bytes]] = {id_: {} for id_ in _INSIDE_FUNCTIONS}

    def put(self, space: int, index: int, text: bytes) -> None:
        """Names a thing."""
        self._plain.setdefault(space, {}).setdefault(index, text)

    def put_function(self, index: int, text: bytes, program: bytes, private: set[int]) -> None:
        """Names a function; one that only this program has with the program's name before it."""
        self.put(FUNC, index, program + b":" + text if index in private else text)

    def take(self, module: Module, maps: Maps, program: bytes, private: set[int]) -> None:
        """Takes over a program's names; private are the functions that one program has."""
        for space, index, text in plain(module):
            if index < len(maps[space]):
                if space == FUNC:
                    self.put_function(maps[FUNC][index], text, program, private)
                else:
                    self.put(space, maps[space][index], text)
        for id_, function, text in inside_functions(module):
            if function < len(maps[FUNC]):
                self._inside[id_].setdefault(maps[FUNC][function], text)

    def section(self) -> bytes:
        """The name section."""
        found: dict[int, list[bytes]] = {}
        for space, rows in self._plain.items():
            found[_SUBSECTION[space]] = [leb.u32(index) + writer.name(text) for index, text in sorted(rows.items())]
        for id_, rows in self._inside.items():
            found[id_] = [leb.u32(function) + text for function, text in sorted(rows.items())]
        body = [bytes((id_,)) + writer.name(writer.vector(items)) for id_, items in sorted(found.items()) if items]
        return writer.custom(SECTION, b"".join(body))
