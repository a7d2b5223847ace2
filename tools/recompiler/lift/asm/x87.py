"""In: x87.wasm (csrc/x87/, built beside the engine). Out: its functions, memory and data as parts of a lifted module.

Lifted code calls them by name (asm.py, RUNTIME). Their memory is the module's third, which the guest cannot reach; the
state in it is drawn in csrc/x87/x87.zig. They come last in the runtime, those without a name too.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

import recompiler
from recompiler.errors import Error
from recompiler.wasm import leb, reader, rewriter, scan
from recompiler.wasm.model import FUNC, GLOBAL, MEMORY, TABLE, TYPE, Module

MEMORY_NUMBER: Final = 2
PATH: Final = Path(recompiler.__file__).resolve().parent / "engine" / "x87.wasm"
STACK: Final = "x87_stack"  # the global in which these functions keep their stack pointer


@cache
def module() -> Module:
    """The module of csrc/x87. Raises Error E_COMPILER when it has not been built, or is of another shape."""
    try:
        found = reader.read(PATH.read_bytes())
    except FileNotFoundError:
        raise Error("E_COMPILER", f"{PATH.name} is missing: make build") from None
    if found.imports or len(found.globals) > 1 or found.elements or found.start is not None:
        raise Error("E_COMPILER", f"{PATH.name} wants more than functions, a stack pointer and data")
    return found


@cache
def names() -> tuple[str, ...]:
    """Of each function, in order; `x87_1` and so on where it is not exported."""
    exported = {each.index: each.name.decode() for each in module().exports if each.kind == FUNC}
    return tuple(exported.get(number, f"x87_{number}") for number in range(len(module().functions)))


def functions(first: int, stack: int) -> list[tuple[tuple[int, ...], tuple[int, ...], bytes]]:
    """Parameters, results and body of each; first: the index of the first of them, stack: the global of their stack."""
    found = module()
    count = len(found.functions)
    numbers = list(range(first, first + count))
    maps = {FUNC: range(count), MEMORY: [MEMORY_NUMBER], GLOBAL: [stack], TABLE: [], TYPE: []}
    out = []
    for number, body in enumerate(found.bodies):
        type_ = found.function_type(number)
        code = scan.body(leb.Cursor(found.data, body.start, body.end), memargs=True)
        params, results = (
            tuple(each for each in side if isinstance(each, int)) for side in (type_.params, type_.results)
        )
        out.append((params, results, rewriter.link(found.data, code, maps).fill(numbers)))
    return out


def stack_pointer() -> int:
    """What the global STACK starts with."""
    (each,) = module().globals
    return leb.Cursor(module().data, each.init.start + 1, each.init.end).s32()


def pages() -> int:
    """Size of the memory."""
    return module().memories[0].minimum


def segments() -> list[bytes]:
    """The items of a data section."""
    found = module()
    out = []
    for each in found.segments:
        assert each.offset
        contents = found.data[each.start : each.end]
        offset = found.data[each.offset.start : each.offset.end]
        out.append(leb.u32(2) + leb.u32(MEMORY_NUMBER) + offset + leb.u32(len(contents)) + contents)
    return out
