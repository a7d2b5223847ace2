"""String instructions: MOVS STOS LODS SCAS CMPS, alone and repeated, in both directions.

A repeated MOVS or STOS that goes up and whose areas do not overlap badly is one memory.copy or memory.fill, after a
touch of each page (a fault inside them would not be the guest's): where it faults, nothing was written and no register
has moved, which is a state that the instruction can be restarted from. Everything else goes element by element, and a
fault leaves the registers at the element.
"""

from __future__ import annotations

from collections.abc import Callable

from iced_x86 import OpKind, Register

from recompiler.lift.asm import flags
from recompiler.lift.asm.assembler import Asm, Local, Unlifted, t, type_of
from recompiler.lift.forms import form
from recompiler.lift.x86.regs import GPR, I32, I64, RAX, RDI, RSI, D

RCX = 1
PAGE = 4096
_NARROW = {OpKind.MEMORY_SEG_ESI, OpKind.MEMORY_SEG_EDI, OpKind.MEMORY_ESEDI}
_SUFFIX = {"B": 8, "W": 16, "D": 32, "Q": 64}


def _forms(name: str) -> str:
    return f"{name}{{B,W,D,Q}}"


def _size(a: Asm) -> int:
    insn = a.insn
    if insn.op0_kind in _NARROW or insn.op1_kind in _NARROW:
        raise Unlifted("string instruction with 32-bit addresses")
    return _SUFFIX[insn.op_code().instruction_string[-1]]


def _repeated(a: Asm) -> bool:
    return bool(a.insn.has_rep_prefix or a.insn.has_repne_prefix)


def _step(a: Asm, size: int) -> Local:
    """What RSI and RDI move by."""
    a.op("i64.const", -size // 8)
    a.op("i64.const", size // 8)
    a.get_flag(D)
    a.op("select")
    return a.keep(I64)


def _move(a: Asm, register: int, step: Local) -> None:
    a.get(GPR + register, step)
    a.op("i64.add")
    a.set(GPR + register)


def _source(a: Asm) -> None:
    """Pushes the address that RSI points to."""
    a.gpr(RSI, 32)
    segment = {Register.FS: "fs", Register.GS: "gs"}.get(a.insn.segment_prefix)
    if segment:
        a.get_global(segment)
        a.ops("i32.wrap_i64", "i32.add")


def _load(a: Asm, size: int) -> None:
    a.op({8: "i32.load8_u", 16: "i32.load16_u", 32: "i32.load", 64: "i64.load"}[size], 0)


def _store(a: Asm, size: int) -> None:
    a.op({8: "i32.store8", 16: "i32.store16", 32: "i32.store", 64: "i64.store"}[size], 0)


def _each(a: Asm, body: Callable[[], None], again: Callable[[], None] | None = None) -> None:
    """body RCX times; again pushes whether to go on, beside RCX."""
    a.gpr(RCX)
    a.ops("i64.eqz", "i32.eqz")
    a.if_()
    a.op("loop", 0x40)
    body()
    a.gpr(RCX)
    a.op("i64.const", -1)
    a.op("i64.add")
    a.tee(GPR + RCX)
    a.ops("i64.eqz", "i32.eqz")
    if again:
        again()
        a.op("i32.and")
    a.op("br_if", 0)
    a.end()


@form(_forms("MOVS"), page="2B MOVS/MOVSB/MOVSW/MOVSD/MOVSQ")
def movs(a: Asm) -> None:
    size = _size(a)

    def one(step: Local) -> None:
        a.gpr(RDI, 32)
        _source(a)
        _load(a, size)
        _store(a, size)
        _move(a, RSI, step)
        _move(a, RDI, step)

    if not _repeated(a):
        one(_step(a, size))
        return
    source = a.new(I32)
    _source(a)
    a.set(source)
    length = _length(a, size)
    # Up, fewer than 4 GiB, and no element is read after a lower one was written over it.
    a.gpr(RDI, 32)
    a.get(source)
    a.op("i32.sub")
    a.get(length)
    a.op("i32.ge_u")
    _upward(a, size)
    a.op("i32.and")
    a.if_()
    _touch(a, length, source)
    a.gpr(RDI, 32)
    a.get(source, length)
    a.op("memory.copy", 0, 0)
    _advance(a, length, RSI, RDI)
    a.else_()
    step = _step(a, size)
    _each(a, lambda: one(step))
    a.end()
    a.end()


@form(_forms("STOS"), page="2B STOS/STOSB/STOSW/STOSD/STOSQ")
def stos(a: Asm) -> None:
    size = _size(a)

    def one(step: Local) -> None:
        a.gpr(RDI, 32)
        if size == 64:
            a.gpr(RAX)
        else:
            a.gpr(RAX, 32)
        _store(a, size)
        _move(a, RDI, step)

    if not _repeated(a):
        one(_step(a, size))
        return
    length = _length(a, size)
    _upward(a, size)
    if size > 8:  # all bytes of the element are equal
        a.gpr(RAX, size)
        a.gpr(RAX, 8)
        if size == 64:
            a.op("i64.extend_i32_u")
        a.const(size, 0x0101010101010101 & (1 << size) - 1)
        a.ops(f"{t(size)}.mul", f"{t(size)}.eq", "i32.and")
    a.if_()
    _touch(a, length, None)
    a.gpr(RDI, 32)
    a.gpr(RAX, 32)
    a.get(length)
    a.op("memory.fill", 0)
    _advance(a, length, RDI)
    a.else_()
    step = _step(a, size)
    _each(a, lambda: one(step))
    a.end()
    a.end()


def _length(a: Asm, size: int) -> Local:
    """RCX elements in bytes, modulo 4 GiB."""
    a.gpr(RCX, 32)
    if size > 8:
        a.op("i32.const", (size // 8).bit_length() - 1)
        a.op("i32.shl")
    return a.keep(I32)


def _upward(a: Asm, size: int) -> None:
    """Pushes whether D is 0 and RCX elements are fewer than 4 GiB."""
    a.gpr(RCX)
    a.op("i64.const", 32 - (size // 8).bit_length() + 1)
    a.ops("i64.shr_u", "i64.eqz")
    a.get_flag(D)
    a.ops("i32.eqz", "i32.and")


def _touch(a: Asm, length: Local, source: Local | None) -> None:
    """Reads the source, and reads and writes the target at RDI, once in each page and at the last byte."""
    at, value = a.new(I32), a.new(I32)
    a.get(length)
    a.op("i32.eqz")
    a.op("br_if", 0)  # RCX is 0: all is done
    a.op("i32.const", 0)
    a.set(at)
    a.op("loop", 0x40)
    if source is not None:
        a.get(source, at)
        a.op("i32.add")
        a.op("i32.load8_u", 0)
        a.op("drop")
    a.gpr(RDI, 32)
    a.get(at)
    a.op("i32.add")
    a.tee(value)
    a.get(value)
    a.op("i32.load8_u", 0)
    a.op("i32.store8", 0)
    # at = at is the last ? past it : min(at + PAGE, last)
    a.get(at, length)
    a.op("i32.const", 1)
    a.op("i32.sub")
    a.op("i32.lt_u")
    a.if_()
    a.get(length)
    a.op("i32.const", 1)
    a.op("i32.sub")
    a.tee(value)
    a.get(at)
    a.op("i32.const", PAGE)
    a.op("i32.add")
    a.tee(at)
    a.get(value, at)
    a.op("i32.lt_u")
    a.op("select")
    a.set(at)
    a.op("br", 1)
    a.end()
    a.end()


def _advance(a: Asm, length: Local, *registers: int) -> None:
    for register in registers:
        a.gpr(register)
        a.get(length)
        a.op("i64.extend_i32_u")
        a.op("i64.add")
        a.set(GPR + register)
    a.op("i64.const", 0)
    a.set(GPR + RCX)


@form(_forms("LODS"), page="2A LODS/LODSB/LODSW/LODSD/LODSQ")
def lods(a: Asm) -> None:
    size = _size(a)
    step = _step(a, size)
    value = a.new(type_of(size))

    def one() -> None:
        _source(a)
        _load(a, size)
        a.set(value)
        a.set_gpr(RAX, size, value)
        _move(a, RSI, step)

    if _repeated(a):
        _each(a, one)
        a.end()
    else:
        one()


@form(_forms("CMPS"), _forms("SCAS"), page="2A CMPS/CMPSB/CMPSW/CMPSD/CMPSQ, 2B SCAS", keeps=True)
def compare(a: Asm) -> None:
    """[RSI] - [RDI], or the accumulator - [RDI]; repeated while equal (REPE) or different (REPNE)."""
    size = _size(a)
    step = _step(a, size)
    scan = a.insn.op_code().instruction_string.startswith("SCAS")
    x, y = a.new(type_of(size)), a.new(type_of(size))
    if scan:
        a.gpr(RAX, size)
        a.set(x)

    def one() -> None:
        if not scan:
            _source(a)
            _load(a, size)
            a.set(x)
        a.gpr(RDI, 32)
        _load(a, size)
        a.set(y)
        if not scan:
            _move(a, RSI, step)
        _move(a, RDI, step)

    def again() -> None:
        flags.compare(a, size, x, y, "ne" if a.insn.has_repne_prefix else "eq")

    if _repeated(a):
        _each(a, one, again)
        _subtracted(a, size, x, y)
        a.end()
    else:
        one()
        _subtracted(a, size, x, y)


def _subtracted(a: Asm, size: int, x: Local, y: Local) -> None:
    a.get(x, y)
    a.op(f"{t(size)}.sub")
    flags.cut(a, size)
    r = a.keep(type_of(size))
    flags.after_sub(a, size, x, y, lambda: r)
