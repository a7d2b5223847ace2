"""Flags of a result: operands and result in, the wanted ones of the nine booleans (regs.py) out.

All values are temporaries: i64 for 64 bits, else i32 whose bits above the size are 0.
Source: Intel SDM vol. 1, 3.4.3.1.
"""

from __future__ import annotations

from collections.abc import Callable

from recompiler.lift.asm.assembler import Asm, Local, t
from recompiler.lift.x86.regs import BE, COMPOSITE, I32, LE, PARTS, PRIMITIVE, A, C, L, O, P, S, Z

# iced's ConditionCode -> (flag, whether the condition is its opposite)
CONDITIONS = {
    1: (O, False),
    2: (O, True),
    3: (C, False),
    4: (C, True),
    5: (Z, False),
    6: (Z, True),
    7: (BE, False),
    8: (BE, True),
    9: (S, False),
    10: (S, True),
    11: (P, False),
    12: (P, True),
    13: (L, False),
    14: (L, True),
    15: (LE, False),
    16: (LE, True),
}


def condition(a: Asm, code: int) -> None:
    """Pushes 0 or 1: whether the condition of jcc, setcc, cmovcc holds."""
    flag, opposite = CONDITIONS[code]
    a.get_flag(flag)
    if opposite:
        a.op("i32.eqz")


def needed(a: Asm, written: int, direct: int) -> int:
    """The primitive flags to compute, of those the instruction writes: wanted ones, and what wanted composites that are
    not computed directly are made of."""
    need = a.want & PRIMITIVE
    for composite in (BE, L, LE):
        if a.want & composite and not direct & composite:
            need |= PARTS[composite]
    return need & written


def made_of(written: int) -> int:
    """The composites that have a part among these flags."""
    return sum(composite for composite, parts in PARTS.items() if parts & written)


def composites(a: Asm, written: int, direct: int = 0) -> None:
    """Wanted composites of which a part was written, out of the primitive flags as they are now."""
    for composite in (BE, L, LE):
        if not a.want & composite & ~direct or not PARTS[composite] & written:
            continue
        if composite == BE:
            a.get_flag(C)
            a.get_flag(Z)
            a.op("i32.or")
        else:
            a.get_flag(S)
            a.get_flag(O)
            a.op("i32.xor")
            if composite == LE:
                a.get_flag(Z)
                a.op("i32.or")
        a.flag(composite)


def zero(a: Asm, size: int, r: Local) -> None:
    """Z."""
    a.get(r)
    a.op(f"{t(size)}.eqz")
    a.flag(Z)


def sign(a: Asm, size: int, r: Local) -> None:
    """S."""
    a.get(r)
    top(a, size)
    a.flag(S)


def top(a: Asm, size: int) -> None:
    """The top bit of what is on the stack, as an i32; bits above the size may be anything."""
    a.const(size, size - 1)
    a.op(f"{t(size)}.shr_u")
    if size == 64:
        a.op("i32.wrap_i64")
    elif size < 32:
        a.op("i32.const", 1)
        a.op("i32.and")


def parity(a: Asm, size: int, r: Local) -> None:
    """P: even number of ones in the low byte."""
    a.get(r)
    if size == 64:
        a.op("i32.wrap_i64")
    a.op("i32.const", 0xFF)
    a.ops("i32.and", "i32.popcnt")
    a.op("i32.const", 1)
    a.ops("i32.and", "i32.eqz")
    a.flag(P)


def adjust(a: Asm, size: int, x: Local, y: Local, r: Local) -> None:
    """A: carry out of bit 3."""
    word = t(size)
    a.get(x, y)
    a.op(f"{word}.xor")
    a.get(r)
    a.op(f"{word}.xor")
    if size == 64:
        a.op("i32.wrap_i64")
    a.op("i32.const", 4)
    a.op("i32.shr_u")
    a.op("i32.const", 1)
    a.op("i32.and")
    a.flag(A)


def overflow(a: Asm, size: int, x: Local, y: Local, r: Local, *, subtract: bool) -> None:
    """O of x + y = r, or of x - y = r."""
    word = t(size)
    a.get(x, y if subtract else r)
    a.op(f"{word}.xor")
    a.get(*((x, r) if subtract else (y, r)))
    a.ops(f"{word}.xor", f"{word}.and")
    top(a, size)
    a.flag(O)


def compare(a: Asm, size: int, x: Local, y: Local, how: str) -> None:
    """Pushes x `how` y, for lt_s, le_s, lt_u, le_u, eq, ..."""
    signed_small = how.endswith("_s") and size < 32
    for each in (x, y):
        a.get(each)
        if signed_small:
            a.op(f"i32.extend{size}_s")
    a.op(f"{t(size)}.{how}")


def result(a: Asm, size: int, r: Local, need: int) -> None:
    """Z, S and P, of those needed."""
    if need & Z:
        zero(a, size, r)
    if need & S:
        sign(a, size, r)
    if need & P:
        parity(a, size, r)


def after_add(a: Asm, size: int, x: Local, y: Local, r: Local, carry: Callable[[], None] | None = None) -> None:
    """All flags of x + y = r (r cut to the size). carry pushes C when it is not r < x (ADC); None: it is."""
    need = needed(a, PRIMITIVE, 0)
    if need & C:
        if carry:
            carry()
        else:
            compare(a, size, r, x, "lt_u")
        a.flag(C)
    if need & O:
        overflow(a, size, x, y, r, subtract=False)
    if need & A:
        adjust(a, size, x, y, r)
    result(a, size, r, need)
    composites(a, PRIMITIVE)


def after_sub(a: Asm, size: int, x: Local, y: Local, r: Callable[[], Local]) -> None:
    """All flags of x - y; r gives the difference (cut to the size), which comparisons do not need."""
    need = needed(a, PRIMITIVE, COMPOSITE)
    for flag, how in ((C, "lt_u"), (Z, "eq"), (BE, "le_u"), (L, "lt_s"), (LE, "le_s")):
        if (need | a.want & COMPOSITE) & flag:
            compare(a, size, x, y, how)
            a.flag(flag)
    if need & O:
        overflow(a, size, x, y, r(), subtract=True)
    if need & A:
        adjust(a, size, x, y, r())
    if need & (S | P):
        result(a, size, r(), need & (S | P))


def after_logic(a: Asm, size: int, r: Local) -> None:
    """All flags of AND, OR, XOR, TEST: C and O are 0, A (undefined) too."""
    need = needed(a, PRIMITIVE, COMPOSITE)
    for flag in (C, O, A):
        if need & flag:
            a.op("i32.const", 0)
            a.flag(flag)
    result(a, size, r, need)
    if a.want & BE:
        a.get(r)
        a.op(f"{t(size)}.eqz")
        a.flag(BE)
    if a.want & L:
        a.get(r)
        top(a, size)
        a.flag(L)
    if a.want & LE:
        if size < 32:
            a.get(r)
            a.op(f"i32.extend{size}_s")
            a.op("i32.const", 0)
            a.op("i32.le_s")
        else:
            a.get(r)
            a.const(size, 0)
            a.op(f"{t(size)}.le_s")
        a.flag(LE)


def cut(a: Asm, size: int) -> None:
    """Clears the bits above 8 or 16 of the i32 on the stack."""
    if size < 32:
        a.op("i32.const", (1 << size) - 1)
        a.op("i32.and")


def boolean(a: Asm) -> Local:
    """Pops an i32 into a temporary."""
    return a.keep(I32)
