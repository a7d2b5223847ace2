"""MXCSR: the CPU's own register, which the host reads and sets.

Lifted code computes floats with the CPU's instructions, so rounding mode, flushing of denormals and sticky flags are
right without further work. No exception is unmasked: the host remembers the guest's masks, and no SIGFPE comes of them.
"""

from __future__ import annotations

from recompiler.lift.asm.assembler import Asm
from recompiler.lift.forms import form
from recompiler.lift.x86.regs import I32

_RESERVED = 0xFFFF0000
_SIGSEGV = 11


@form("STMXCSR m32", page="2D STMXCSR")
def stmxcsr(a: Asm) -> None:
    a.call("stmxcsr")
    a.store(0, a.keep(I32), 32)


@form("LDMXCSR m32", page="2A LDMXCSR")
def ldmxcsr(a: Asm) -> None:
    """A reserved bit is #GP."""
    value = a.read(0, 32)
    a.get(value)
    a.const(32, _RESERVED)
    a.op("i32.and")
    a.if_()
    a.fault(_SIGSEGV)
    a.end()
    a.get(value)
    a.call("ldmxcsr")
