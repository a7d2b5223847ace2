"""The functions that every lifted module has beside the guest's: `run`, and what is too long to stand in each place
that needs it.

`run` reads the pc map (memory 1): a u32 for each byte of the text, 0 where nothing can be entered, else
slot << ENTRY_BITS | entry, slot being the function's place in the table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from recompiler.lift.asm import x87
from recompiler.lift.asm.assembler import FUNCTION, RUNTIME
from recompiler.lift.emit import runtime_div
from recompiler.lift.object.objectfile import ENTRY_BITS
from recompiler.lift.x86 import regs
from recompiler.lift.x86.regs import I32, I64
from recompiler.wasm import leb
from recompiler.wasm.model import VOID
from recompiler.wasm.opcodes import BY_NAME

CODE_TYPE: Final = 0  # (entry i32) -> (pc i64)


@dataclass(frozen=True, slots=True)
class Routine:
    """A function of the runtime: its type, and its body (locals and all) for a module whose text is this."""

    params: tuple[int, ...]
    results: tuple[int, ...]
    body: Callable[[int, int], bytes]  # (start, size) of the text


class _Code:
    """A function body, instruction by instruction."""

    def __init__(self, *locals_: tuple[int, int]) -> None:
        self.out = bytearray(leb.u32(len(locals_)))
        for type_, count in locals_:
            self.out += leb.u32(count) + bytes((type_,))

    def op(self, name: str, *immediates: int) -> None:
        row = BY_NAME[name]
        self.out += row.code
        for letter, value in zip(row.immediates, immediates, strict=True):
            self.out += leb.s64(value) if letter in "iI" else bytes((value,)) if letter == "b" else leb.u32(value)

    def load_map(self) -> None:
        """The u32 of memory 1 at the address on the stack."""
        self.out += BY_NAME["i32.load"].code + b"\x42\x01\x00"

    def done(self) -> bytes:
        self.op("end")
        return bytes(self.out)


def _run(start: int, size: int) -> bytes:
    """Runs from a pc until one that cannot be entered, and returns that. A signal that waits comes first."""
    code = _Code((I32, 1), (I64, 1))
    code.op("loop", VOID)
    code.op("global.get", regs.GLOBAL["pending"])
    code.op("if", VOID)
    code.op("local.get", 0)
    code.op("call", FUNCTION["safepoint"])
    code.op("local.set", 0)
    code.op("end")
    code.op("local.get", 0)
    code.op("i64.const", start)
    code.op("i64.sub")
    code.op("local.tee", 2)
    code.op("i64.const", size)
    code.op("i64.lt_u")
    code.op("if", VOID)
    code.op("local.get", 2)
    code.op("i32.wrap_i64")
    code.op("i32.const", 2)
    code.op("i32.shl")
    code.load_map()
    code.op("local.tee", 1)
    code.op("if", VOID)
    code.op("local.get", 1)
    code.op("i32.const", (1 << ENTRY_BITS) - 1)
    code.op("i32.and")
    code.op("local.get", 1)
    code.op("i32.const", ENTRY_BITS)
    code.op("i32.shr_u")
    code.op("call_indirect", CODE_TYPE, 0)
    code.op("local.set", 0)
    code.op("br", 2)
    code.op("end")
    code.op("end")
    code.op("end")
    code.op("local.get", 0)
    return code.done()


def _x87() -> dict[str, Routine]:
    names = x87.names()
    parts = x87.functions(FUNCTION[names[0]], regs.GLOBAL[x87.STACK])
    return {
        name: Routine(params, results, _fixed(body)) for name, (params, results, body) in zip(names, parts, strict=True)
    }


def _fixed(body: bytes) -> Callable[[int, int], bytes]:
    return lambda start, size: body


ROUTINES: Final[dict[str, Routine]] = {
    "run": Routine((I64,), (I64,), _run),
    "div_u128": Routine(*runtime_div.SIGNATURES["div_u128"], lambda start, size: runtime_div.unsigned()),
    "div_s128": Routine(*runtime_div.SIGNATURES["div_s128"], lambda start, size: runtime_div.signed()),
    **_x87(),
}


def routines() -> list[Routine]:
    """In the order of their indices."""
    return [ROUTINES[name] for name in RUNTIME]
