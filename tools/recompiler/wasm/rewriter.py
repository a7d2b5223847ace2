"""Code and the new index of everything it names in, the same code with those indices out.

Functions come last: which of them are the same is known only when everything else is settled. Until then their places
stay open (Linked), and fill closes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from recompiler.wasm import leb
from recompiler.wasm.leb import Cursor
from recompiler.wasm.model import FUNC, MEMARG, SPACE_OF, TYPE_S33, Code
from recompiler.wasm.scan import MEMARG_HAS_MEMORY

# Index space -> the new index of each old one.
Maps = Mapping[int, Sequence[int]]


@dataclass(frozen=True, slots=True)
class Linked:
    """Code between the functions it names: one part more than functions."""

    parts: tuple[bytes, ...]
    functions: tuple[int, ...] = ()

    def fill(self, index: Sequence[int]) -> bytes:
        """The code, with index[f] in the place of each function f."""
        out = [self.parts[0]]
        for function, part in zip(self.functions, self.parts[1:], strict=True):
            out += leb.u32(index[function]), part
        return b"".join(out)

    def without_end(self) -> Linked:
        """A constant expression as instructions among others."""
        return Linked((*self.parts[:-1], self.parts[-1][:-1]), self.functions)


def _memarg(data: bytes, start: int, end: int, memory: int) -> bytes:
    alignment = Cursor(data, start, end).u32() & ~MEMARG_HAS_MEMORY
    return leb.u32(alignment | MEMARG_HAS_MEMORY) + leb.u32(memory) if memory else leb.u32(alignment)


def link(data: bytes, code: Code, maps: Maps) -> Linked:
    """Code of the module data with every index but those of functions rewritten; functions become maps[FUNC]'s."""
    parts: list[bytes] = []
    functions: list[int] = []
    part: list[bytes] = []
    done = code.start
    for start, end, space, value in code.sites:
        part.append(data[done:start])
        done = end
        new = maps[SPACE_OF[space]][value]
        if SPACE_OF[space] == FUNC:
            functions.append(new)
            parts.append(b"".join(part))
            part = []
        elif space == MEMARG:
            part.append(_memarg(data, start, end, new))
        elif space == TYPE_S33:
            part.append(leb.s64(new))
        else:
            part.append(leb.u32(new))
    part.append(data[done : code.end])
    return Linked((*parts, b"".join(part)), tuple(functions))
