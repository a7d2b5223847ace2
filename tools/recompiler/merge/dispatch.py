"""What is generated: the entry of each program, and `_dispatch`, which routes an id to an entry through a table.

    _dispatch(id, argc, argv)   traps unless id < N, then: call_indirect entries[id](argc, argv)
    entry(argc, argv)           traps unless it is the instance's first; makes the state that instantiation would have
                                made (globals, tables, memories, in this order); calls start function and `_start`;
                                returns 0

An entry is code and no table of tables: it is a few dozen bytes, and anyone can read it (recompiler inspect).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from recompiler.wasm import leb
from recompiler.wasm.model import I32, VOID, FuncType
from recompiler.wasm.opcodes import BY_NAME
from recompiler.wasm.rewriter import Linked

EXPORT: Final = b"_dispatch"
ENTRY_TYPE: Final = FuncType((I32, I32), (I32,))
DISPATCH_TYPE: Final = FuncType((I32, I32, I32), (I32,))
_SIGNED: Final = "iI"


class Assembly:
    """Instructions in, a function body without further locals out; functions are named by entity, see rewriter.py."""

    def __init__(self) -> None:
        self._parts: list[bytearray] = [bytearray(b"\0")]
        self._functions: list[int] = []

    def op(self, name: str, *immediates: int) -> None:
        """One instruction whose immediates are numbers."""
        opcode = BY_NAME[name]
        self._parts[-1] += opcode.code
        for letter, value in zip(opcode.immediates, immediates, strict=True):
            if letter == "f":
                self._functions.append(value)
                self._parts.append(bytearray())
            elif letter == "b":
                self._parts[-1].append(value)
            else:
                self._parts[-1] += leb.s64(value) if letter in _SIGNED else leb.u32(value)

    def code(self, code: Linked) -> None:
        """The instructions of a constant expression."""
        bare = code.without_end()
        self._parts[-1] += bare.parts[0]
        self._parts += map(bytearray, bare.parts[1:])
        self._functions += bare.functions

    def trap_if(self) -> None:
        """Traps when the number on the stack is not 0."""
        self.op("if", VOID)
        self.op("unreachable")
        self.op("end")

    def finish(self) -> Linked:
        """The body."""
        self.op("end")
        return Linked(tuple(map(bytes, self._parts)), tuple(self._functions))


def begin(used: int) -> Assembly:
    """An entry up to where the state is made; used is the global that says whether the instance ran before."""
    entry = Assembly()
    entry.op("global.get", used)
    entry.trap_if()
    entry.op("i32.const", 1)
    entry.op("global.set", used)
    return entry


def grow(entry: Assembly, memory: int, pages: int, *, wide: bool) -> None:
    """Makes a memory larger, or traps."""
    kind = "i64" if wide else "i32"
    entry.op(f"{kind}.const", pages)
    entry.op("memory.grow", memory)
    entry.op(f"{kind}.const", -1)
    entry.op(f"{kind}.eq")
    entry.trap_if()


def copy(entry: Assembly, instruction: str, drop: str | None, segment: int, target: int, at: Linked, size: int) -> None:
    """Fills a memory or table as an active segment would have; drop is named when the program can tell."""
    entry.code(at)
    entry.op("i32.const", 0)
    entry.op("i32.const", size - (1 << 32) if size >> 31 else size)
    entry.op(instruction, segment, target)
    if drop:
        entry.op(drop, segment)


def end(entry: Assembly, calls: Sequence[int]) -> Linked:
    """The rest of an entry: the functions without parameters that it calls, and status 0."""
    for function in calls:
        entry.op("call", function)
    entry.op("i32.const", 0)
    return entry.finish()


def dispatcher(programs: int, type_: int, table: int) -> Linked:
    """The body of `_dispatch` for this many programs; type_ is that of entries, table holds them by id."""
    body = Assembly()
    body.op("local.get", 0)
    body.op("i32.const", programs)
    body.op("i32.ge_u")
    body.trap_if()
    body.op("local.get", 1)
    body.op("local.get", 2)
    body.op("local.get", 0)
    body.op("call_indirect", type_, table)
    return body.finish()
