"""In: the instructions that lead to a table jump. Out: how many entries its table seems to have.

A guess that can cost speed alone: an index beyond the entries that were found takes the way of any indirect jump.
"""

from __future__ import annotations

from typing import Any, Final

from iced_x86 import Instruction, MemorySizeExt, Mnemonic, OpKind, Register, RegisterExt

from recompiler.lift.x86.decode import Facts

_COPIES: Final = {Mnemonic.MOV, Mnemonic.MOVSXD, Mnemonic.MOVSX, Mnemonic.MOVZX}
# Whether the branch has to be taken for the limit to hold, and whether the value compared with is within it.
_LIMITS: Final[dict[int, tuple[bool, int]]] = {
    Mnemonic.JA: (False, 1),
    Mnemonic.JG: (False, 1),
    Mnemonic.JAE: (False, 0),
    Mnemonic.JGE: (False, 0),
    Mnemonic.JBE: (True, 1),
    Mnemonic.JLE: (True, 1),
    Mnemonic.JB: (True, 0),
    Mnemonic.JL: (True, 0),
}
_SMALL: Final = {1: 1 << 8, 2: 1 << 16}
_MOST: Final = 1 << 16
_GPRS: Final[list[Any]] = list(range(Register.AL, Register.R15 + 1))
_NUMBERS: Final = {value: RegisterExt.number(RegisterExt.full_register(value)) for value in _GPRS}

Place = tuple[int, int, int, int]


def bound(code: list[tuple[int, Facts]], register: int, at: int) -> tuple[int | None, bool]:
    """How many values register can have at the instruction `at`, and whether that is by a comparison or a mask.

    Otherwise it is by the width of what was loaded, which says little of the table.
    """
    names: dict[int | Place, int] = {}  # register or stack slot -> number of the value in it
    limits: dict[int, int] = {}
    widths: dict[int, int] = {}
    compared: tuple[int, int] | None = None
    fresh = 0

    def name(place: int | Place) -> int:
        nonlocal fresh
        if place not in names:
            fresh += 1
            names[place] = fresh
        return names[place]

    for number, (where, facts) in enumerate(code):
        if where == at:
            known = name(register)
            return (limits[known], True) if known in limits else (widths.get(known), False)
        insn, mnemonic = facts.insn, facts.mnemonic
        if mnemonic in _LIMITS:
            taken, more = _LIMITS[mnemonic]
            if compared is not None and taken == (code[number + 1][0] != where + facts.size):
                limits[compared[0]] = compared[1] + more
            continue
        target = _place(insn, 0)
        immediate = insn.immediate(1) & 0xFFFFFFFF if insn.op_count == 2 and _is_immediate(insn.op1_kind) else None
        if mnemonic in (Mnemonic.CMP, Mnemonic.SUB):
            compared = None
            if target is not None and immediate is not None and immediate < _MOST:
                compared = name(target), immediate
        elif facts.flag_writes:
            compared = None
        if mnemonic in (Mnemonic.CMP, Mnemonic.CDQE):
            continue
        source = _place(insn, 1) if mnemonic in _COPIES and insn.op_count == 2 else None
        if source is not None and target is not None:
            known = name(source)
            narrow = _SMALL.get(_width(insn))
            if mnemonic == Mnemonic.MOVZX and narrow is not None and known not in limits:
                fresh += 1
                known, widths[fresh] = fresh, narrow
            names[target] = known
            continue
        if mnemonic == Mnemonic.AND and isinstance(target, int) and immediate is not None and immediate < _MOST:
            fresh += 1
            names[target], limits[fresh] = fresh, immediate + 1
            continue
        for gpr in range(16):
            if facts.writes >> gpr & 1 and gpr != Register.RSP - Register.RAX:
                names.pop(gpr, None)
    return None, False


def _is_immediate(kind: int) -> bool:
    return OpKind.IMMEDIATE8 <= kind <= OpKind.IMMEDIATE32TO64


def _place(insn: Instruction, operand: int) -> int | Place | None:
    """A GPR's number, or what names a memory operand."""
    kind = insn.op_kind(operand) if operand < insn.op_count else -1
    if kind == OpKind.REGISTER:
        return _NUMBERS.get(insn.op_register(operand))
    if kind == OpKind.MEMORY:
        return insn.memory_base, insn.memory_index, insn.memory_index_scale, insn.memory_displacement
    return None


def _width(insn: Instruction) -> int:
    """Bytes of the source of a zero extension."""
    if insn.op1_kind == OpKind.REGISTER:
        return RegisterExt.size(insn.op1_register)
    return MemorySizeExt.size(insn.memory_size)
