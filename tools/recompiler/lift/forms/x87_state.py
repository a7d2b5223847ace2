"""x87: control, status and tag words; and the images of the whole state, FNSTENV, FNSAVE, FXSAVE.

Instruction and data pointers, selectors and the last opcode are always 0: 64-bit programs have no use of them.
"""

from __future__ import annotations

from recompiler.lift.asm.assembler import Asm, Local
from recompiler.lift.forms import form
from recompiler.lift.forms.x87_move import call_x87
from recompiler.lift.x86.regs import I32, RAX, XMM

_SIGSEGV = 11
_MXCSR_MASK = 0xFFFF
_TOP = 7 << 11
_MASKS = 0x3F  # of exceptions, in the control word
_EMPTY = 0xFFFF0000  # upper halves of the words in an environment


@form("FNSTCW m2byte", page="2A FSTCW/FNSTCW")
def fnstcw(a: Asm) -> None:
    call_x87(a, "control")
    a.store(0, a.keep(I32), 16)


@form("FLDCW m2byte", page="2A FLDCW")
def fldcw(a: Asm) -> None:
    a.load(0, 16)
    call_x87(a, "set_control")


@form("FNSTSW m2byte", page="2A FSTSW/FNSTSW")
def fnstsw(a: Asm) -> None:
    call_x87(a, "status")
    a.store(0, a.keep(I32), 16)


@form("FNSTSW AX", page="2A FSTSW/FNSTSW")
def fnstsw_ax(a: Asm) -> None:
    call_x87(a, "status")
    a.set_gpr(RAX, 16, a.keep(I32))


@form("FNCLEX", page="2A FCLEX/FNCLEX")
def fnclex(a: Asm) -> None:
    call_x87(a, "status")
    a.op("i32.const", 0x7F00)
    a.op("i32.and")
    call_x87(a, "set_status")


@form("FNINIT", page="2A FINIT/FNINIT")
def fninit(a: Asm) -> None:
    call_x87(a, "init")


@form("EMMS", page="2A EMMS")
def emms(a: Asm) -> None:
    """Empties the registers; TOP becomes 0."""
    call_x87(a, "set_tags", 0)
    call_x87(a, "status")
    a.op("i32.const", ~_TOP)
    a.op("i32.and")
    call_x87(a, "set_status")


@form("FNOP", "WAIT", page="2A FNOP")
def fnop(a: Asm) -> None:
    del a


# ---- images


def _store(a: Asm, base: Local, op: str, offset: int, *push: int | str) -> None:
    """At base + offset what is pushed by constants, then by a function of csrc/x87."""
    a.get(base)
    for each in push:
        if isinstance(each, str):
            call_x87(a, each)
        else:
            a.const(32, each)
    a.op(op, offset)


def _base(a: Asm, size: int, aligned: bool = False) -> Local:
    """The address of the image; #GP where it must be aligned and is not. A fault of either end comes before anything
    is read or written."""
    a.op("i32.const", a.address())
    a.op("i32.add")
    base = a.keep(I32)
    if aligned:
        a.get(base)
        a.op("i32.const", 15)
        a.op("i32.and")
        a.if_()
        a.fault(_SIGSEGV)
        a.end()
    for offset in (0, size - 4):
        a.get(base)
        a.op("i32.load", offset)
        a.op("drop")
    return base


def _store_environment(a: Asm, base: Local) -> None:
    for offset, value in ((24, _EMPTY), (20, 0), (16, 0), (12, 0)):
        _store(a, base, "i32.store", offset, value)
    for offset, name in ((8, "tag_word"), (4, "status"), (0, "control")):
        a.get(base)
        call_x87(a, name)
        a.const(32, _EMPTY)
        a.op("i32.or")
        a.op("i32.store", offset)


def _load_environment(a: Asm, base: Local) -> None:
    for offset, name in ((0, "set_control"), (4, "set_status"), (8, "set_tag_word")):
        a.get(base)
        a.op("i32.load16_u", offset)
        call_x87(a, name)


@form("FNSTENV m28byte", page="2A FSTENV/FNSTENV")
def fnstenv(a: Asm) -> None:
    """Masks all exceptions when it is done."""
    base = _base(a, 28)
    _store_environment(a, base)
    call_x87(a, "control")
    a.op("i32.const", _MASKS)
    a.op("i32.or")
    call_x87(a, "set_control")


@form("FLDENV m28byte", page="2A FLDENV")
def fldenv(a: Asm) -> None:
    _load_environment(a, _base(a, 28))


@form("FNSAVE m108byte", page="2A FSAVE/FNSAVE")
def fnsave(a: Asm) -> None:
    base = _base(a, 108)
    for i in range(8):
        _store(a, base, "i32.store16", 36 + 10 * i, i, "exponent")
        _store(a, base, "i64.store", 28 + 10 * i, i, "significand")
    _store_environment(a, base)
    call_x87(a, "init")


@form("FRSTOR m108byte", page="2A FRSTOR")
def frstor(a: Asm) -> None:
    """TOP comes from the status word, so the registers after it."""
    base = _base(a, 108)
    _load_environment(a, base)
    _load_registers(a, base, 28, 10)


def _load_registers(a: Asm, base: Local, first: int, step: int) -> None:
    for i in range(8):
        a.op("i32.const", i)
        a.get(base)
        a.op("i64.load", first + step * i)
        a.get(base)
        a.op("i32.load16_u", first + step * i + 8)
        call_x87(a, "set_register")


@form("FXSAVE m512byte", "FXSAVE64 m512byte", page="2A FXSAVE")
def fxsave(a: Asm) -> None:
    """Bytes 416..511 stay as they are, and the reserved ones of a register are 0."""
    base = _base(a, 512, aligned=True)
    for number in range(16):
        a.get(base, XMM + number)
        a.op("v128.store", 160 + 16 * number)
    for i in range(8):
        _store(a, base, "i64.store", 32 + 16 * i, i, "significand")
        a.get(base)
        call_x87(a, "exponent", i)
        a.op("i64.extend_i32_u")
        a.op("i64.store", 40 + 16 * i)
    _store(a, base, "i32.store", 28, _MXCSR_MASK)
    a.get(base)
    a.call("stmxcsr")
    a.op("i32.store", 24)
    for offset in (8, 12, 16, 20):
        _store(a, base, "i32.store", offset, 0)
    _store(a, base, "i32.store", 4, "tags")
    _store(a, base, "i32.store16", 2, "status")
    _store(a, base, "i32.store16", 0, "control")


@form("FXRSTOR m512byte", "FXRSTOR64 m512byte", page="2A FXRSTOR")
def fxrstor(a: Asm) -> None:
    """A reserved bit of MXCSR is #GP."""
    base = _base(a, 512, aligned=True)
    a.get(base)
    a.op("i32.load", 24)
    mxcsr = a.keep(I32)
    a.get(mxcsr)
    a.const(32, ~_MXCSR_MASK)
    a.op("i32.and")
    a.if_()
    a.fault(_SIGSEGV)
    a.end()
    a.get(mxcsr)
    a.call("ldmxcsr")
    for offset, name in ((0, "set_control"), (2, "set_status")):
        a.get(base)
        a.op("i32.load16_u", offset)
        call_x87(a, name)
    a.get(base)
    a.op("i32.load8_u", 4)
    call_x87(a, "set_tags")
    _load_registers(a, base, 32, 16)
    for number in range(16):
        a.get(base)
        a.op("v128.load", 160 + 16 * number)
        a.set(XMM + number)
