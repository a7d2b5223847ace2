"""One program on its way into the merged module: what it is called, its index spaces, and where each index goes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from blake3 import blake3

from recompiler.errors import Error
from recompiler.wasm import reader, scan
from recompiler.wasm.leb import Cursor
from recompiler.wasm.model import DATA, ELEMENT, FUNC, KINDS, MEMORY, TYPE, Code, FuncType, Module
from recompiler.wasm.rewriter import Linked, link

START = b"_start"
MEMORY_EXPORT = b"memory"
RESERVED = ("_dispatch", "_initialize", "_start", "memory")


@dataclass(slots=True)
class Program:
    """A program; maps[space][old] is the new index, for functions the entity (rewriter.py)."""

    names: tuple[str, ...]
    digest: bytes
    module: Module
    start: int
    maps: dict[int, list[int]] = field(default_factory=lambda: {space: [] for space in (*KINDS, TYPE, DATA, ELEMENT)})
    # What of its state the entry does not make: memories and tables (old indices) whose segments stay active.
    mapped: dict[int, set[int]] = field(default_factory=dict)
    # First values of the mutable globals, by new index.
    values: list[tuple[int, Linked]] = field(default_factory=list)

    @property
    def name(self) -> str:
        """What its entry is exported as."""
        return self.names[0]

    @property
    def memory(self) -> int | None:
        """The new index of the memory that the program shows to its host."""
        index = self.module.exported(MEMORY_EXPORT, MEMORY)
        return None if index is None else self.maps[MEMORY][index]

    def link(self, code: Code) -> Linked:
        """An expression of this program with new indices."""
        return link(self.module.data, code, self.maps)

    def link_body(self, code: Code) -> Linked:
        """A function body of this program with new indices."""
        if self.maps[MEMORY][:1] not in ([], [0]):  # what means memory 0 without saying so has to say another
            code = scan.body(Cursor(self.module.data, code.start, code.end), memargs=True)
        return link(self.module.data, code, self.maps)

    def named_in_code(self, space: int) -> set[int]:
        """The indices of this space that function bodies name (a Site's space)."""
        return {index for body in self.module.bodies for _, _, where, index in body.sites if where == space}


def check_name(name: str) -> None:
    """Refuses what cannot name a program. Raises Error E_USAGE."""
    if name in RESERVED or name.startswith("memory."):
        raise Error("E_USAGE", f"a program cannot be called {name}: an export of that name means something else")
    if not name.isprintable() or "/" in name or not 0 < len(name.encode()) < 256:  # surrogates are not printable
        raise Error("E_USAGE", f"{ascii(name)[:80]} is no name for a program: 1 to 255 bytes, printable, without /")


def load(given: Sequence[tuple[str, bytes]]) -> list[Program]:
    """Reads programs and puts them in the order of their BLAKE3; one given twice is one program with two names.

    Raises Error: E_USAGE, E_WASM_HEADER, E_WASM_INVALID, E_WASM_EXPORT.
    """
    names: dict[bytes, set[str]] = {}
    data: dict[bytes, bytes] = {}
    for name, each in given:
        check_name(name)
        digest = blake3(each).digest()
        names.setdefault(digest, set()).add(name)
        data[digest] = each
    if not data:
        raise Error("E_USAGE", "no program to merge")
    for name, count in Counter(name for row in names.values() for name in row).items():
        if count > 1:
            raise Error("E_USAGE", f"two programs are called {name}; --names gives them others")
    return [_load(tuple(sorted(names[digest])), digest, data[digest]) for digest in sorted(data)]


def _load(names: tuple[str, ...], digest: bytes, data: bytes) -> Program:
    try:
        module = reader.read(data)
        start = module.exported(START, FUNC)
        if start is None or module.function_type(start) != FuncType((), ()):
            raise Error("E_WASM_EXPORT", "does not export `_start`, a function without parameters and results")
        if module.start is not None and module.function_type(module.start) != FuncType((), ()):
            raise Error("E_WASM_INVALID", "its start function has parameters or results")
    except Error as e:
        raise Error(e.code, f"{names[0]}: {e.message}", e.offset) from None
    return Program(names, digest, module, start)
