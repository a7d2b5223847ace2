"""Compare-and-exchange of two words. Threads take turns, so that LOCK adds nothing."""

from __future__ import annotations

from recompiler.lift.asm import flags
from recompiler.lift.asm.assembler import Asm, Local, t, type_of
from recompiler.lift.forms import form
from recompiler.lift.x86.regs import GPR, I32, RAX, RDX, Z

RCX, RBX = 1, 3
SIGSEGV = 11


@form("CMPXCHG8B m64", "CMPXCHG16B m128", page="2A CMPXCHG8B/CMPXCHG16B")
def cmpxchg_pair(a: Asm) -> None:
    """RDX:RAX, or EDX:EAX, with memory: RCX:RBX is stored when equal, else the memory's own value; the wide one must be
    aligned. Only Z is written."""
    size = 64 if a.size(0) == 128 else 32
    word, step = t(size), size // 8
    a.hold_address()
    if size == 64:
        a.address()
        a.op("i32.const", 15)
        a.op("i32.and")
        a.if_()
        a.fault(SIGSEGV)
        a.end()
    old = [_part(a, size, offset) for offset in (0, step)]
    for number, value in zip((RAX, RDX), old, strict=True):
        a.gpr(number, size)
        a.get(value)
        a.op(f"{word}.xor")
    a.ops(f"{word}.or", f"{word}.eqz")
    equal = a.keep(I32)
    for number, value, offset in zip((RBX, RCX), old, (0, step), strict=True):
        a.address()
        a.gpr(number, size)
        a.get(value, equal)
        a.op("select")
        a.op(f"{word}.store", offset)
    for number, value in zip((RAX, RDX), old, strict=True):
        a.gpr(number)
        a.get(value)
        if size == 32:
            a.op("i64.extend_i32_u")
        a.get(equal)
        a.op("select")
        a.set(GPR + number)
    if flags.needed(a, Z, 0):
        a.get(equal)
        a.flag(Z)
    flags.composites(a, Z)


def _part(a: Asm, size: int, offset: int) -> Local:
    a.address()
    a.op(f"{t(size)}.load", offset)
    return a.keep(type_of(size))
