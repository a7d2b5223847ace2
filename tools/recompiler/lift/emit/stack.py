"""In: pushes, or pops, of registers in a row. Out: the wasm of each, with one change of RSP for all of them.

The stores and loads come in their order, so that a row that faults has done what the CPU would have.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from iced_x86 import Code, Register, RegisterExt

from recompiler.lift.asm.assembler import GET, SET
from recompiler.lift.x86.decode import Facts
from recompiler.lift.x86.regs import GPR, RSP
from recompiler.wasm import leb

ROWS: Final = frozenset((Code.PUSH_R64, Code.POP_R64))
_MOVE: Final[dict[int, int]] = {Code.PUSH_R64: -8, Code.POP_R64: 8}
_RSP: Final = GET[GPR + RSP]


@cache
def register(facts: Facts) -> int:
    """The number of the register that is pushed or popped."""
    return RegisterExt.number(facts.insn.op0_register)


def joins(facts: Facts, row: list[Facts]) -> bool:
    """Whether a push or pop goes on with a row; one of RSP stands alone, for it reads or writes what is left to do."""
    return not row or (
        facts.code == row[0].code and Register.RSP not in (facts.insn.op0_register, row[0].insn.op0_register)
    )


@cache
def wasm(code: int, registers: tuple[int, ...]) -> tuple[bytes, ...]:
    """Of two or more pushes or pops of one code, by the numbers of their registers."""
    count = len(registers)
    change = b"\x42" + leb.s64(_MOVE[code] * count) + b"\x7c"
    if code == Code.PUSH_R64:
        stores = [GET[GPR + each] + b"\x37\x00" + leb.u32(8 * (count - 1 - n)) for n, each in enumerate(registers)]
        first = _RSP + change + b"\x22" + leb.u32(GPR + RSP) + b"\xa7" + stores[0]
        return first, *(_RSP + b"\xa7" + store for store in stores[1:])
    loads = [_RSP + b"\xa7\x29\x00" + leb.u32(8 * n) + SET[GPR + each] for n, each in enumerate(registers)]
    return *loads[:-1], loads[-1] + _RSP + change + SET[GPR + RSP]
