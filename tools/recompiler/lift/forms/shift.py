"""Shifts and rotations: SHL SHR SAR, ROL ROR, RCL RCR, SHLD SHRD, by 1, an immediate or CL.

The count is taken modulo 32, or 64 for operands of 64 bits, as wasm's shifts take it; a count of 0 leaves the flags as
they are. O is defined after a count of 1 only, and computed by that rule always; A is undefined: 0.
"""

from __future__ import annotations

from collections.abc import Callable

from recompiler.lift.asm import flags
from recompiler.lift.asm.assembler import Asm, Local, t, type_of
from recompiler.lift.forms import form
from recompiler.lift.x86.regs import I64, PRIMITIVE, A, C, O

RCX = 1
Push = Callable[[], None]


class _Count:
    """How far: a number, or CL in an i32 or i64 as the operands are."""

    def __init__(self, a: Asm, size: int) -> None:
        self.a, self.size = a, size
        last = a.insn.op_count - 1
        self.number = a.immediate(last) & (63 if size == 64 else 31) if a.is_immediate(last) else None

    def push(self) -> None:
        """The count as the second operand of a wasm shift or rotation: bits above the sixth, or fifth, may be set."""
        if self.number is not None:
            self.a.const(self.size, self.number)
        elif self.size == 64:
            self.a.gpr(RCX)
        else:
            self.a.gpr(RCX, 32)

    def less(self, by: int) -> None:
        """The count minus a number, likewise."""
        if self.number is not None:
            self.a.const(self.size, self.number - by)
        else:
            self.push()
            self.a.const(self.size, by)
            self.a.op(f"{t(self.size)}.sub")

    def from_(self, number: int) -> None:
        """A number minus the count, likewise."""
        if self.number is not None:
            self.a.const(self.size, number - self.number)
        else:
            self.a.const(self.size, number)
            self.push()
            self.a.op(f"{t(self.size)}.sub")

    def unless_zero(self, written: int, emit: Push) -> None:
        """What happens to flags: nothing when the count is 0, or none of them is wanted."""
        a = self.a
        if self.number == 0 or not (a.want & (written | flags.made_of(written))):
            return
        if self.number is not None:
            emit()
            return
        a.gpr(RCX, 32)
        a.op("i32.const", 63 if self.size == 64 else 31)
        a.op("i32.and")
        a.if_()
        emit()
        a.end()


def _operand(a: Asm) -> tuple[int, Local, _Count]:
    size = a.size(0)
    if a.is_memory(0):
        a.hold_address()
    return size, a.read(0, size), _Count(a, size)


def _forms(name: str, last: str) -> str:
    return f"{name} r/m{{8,16,32,64}}, {last}"


def _flags(a: Asm, size: int, r: Local, carry: Push, overflow: Push) -> None:
    """All flags. carry leaves C in bit 0 of a word; overflow leaves O in its top bit."""
    need = flags.needed(a, PRIMITIVE, 0)
    if need & C:
        carry()
        _bit_0(a, size)
        a.flag(C)
    if need & O:
        overflow()
        flags.top(a, size)
        a.flag(O)
    if need & A:
        a.op("i32.const", 0)
        a.flag(A)
    flags.result(a, size, r, need)
    flags.composites(a, PRIMITIVE)


def _bit_0(a: Asm, size: int) -> None:
    if size == 64:
        a.op("i32.wrap_i64")
    a.op("i32.const", 1)
    a.op("i32.and")


def _signed(a: Asm, size: int, x: Local) -> Local:
    """x with its sign in all bits of the word."""
    if size >= 32:
        return x
    a.get(x)
    a.op(f"i32.extend{size}_s")
    return a.keep(type_of(size))


@form(_forms("SHL", "1"), _forms("SHL", "imm8"), page="2B SAL/SAR/SHL/SHR")
@form(_forms("SHL", "CL"), page="2B SAL/SAR/SHL/SHR", keeps=True)
def shl(a: Asm) -> None:
    size, x, count = _operand(a)
    a.get(x)
    count.push()
    a.op(f"{t(size)}.shl")
    flags.cut(a, size)
    r = a.keep(type_of(size))

    def carry() -> None:
        a.get(x)
        count.from_(size)
        a.op(f"{t(size)}.shr_u")

    def overflow() -> None:
        a.get(x, r)
        a.op(f"{t(size)}.xor")

    count.unless_zero(PRIMITIVE, lambda: _flags(a, size, r, carry, overflow))
    a.write(0, r, size)


@form(_forms("SHR", "1"), _forms("SHR", "imm8"), page="2B SAL/SAR/SHL/SHR")
@form(_forms("SHR", "CL"), page="2B SAL/SAR/SHL/SHR", keeps=True)
def shr(a: Asm) -> None:
    size, x, count = _operand(a)
    _right(a, size, x, count, "shr_u", lambda: a.get(x))


@form(_forms("SAR", "1"), _forms("SAR", "imm8"), page="2B SAL/SAR/SHL/SHR")
@form(_forms("SAR", "CL"), page="2B SAL/SAR/SHL/SHR", keeps=True)
def sar(a: Asm) -> None:
    size, x, count = _operand(a)
    _right(a, size, _signed(a, size, x), count, "shr_s", lambda: a.const(size, 0))


def _right(a: Asm, size: int, x: Local, count: _Count, how: str, overflow: Push) -> None:
    a.get(x)
    count.push()
    a.op(f"{t(size)}.{how}")
    if how == "shr_s":
        flags.cut(a, size)
    r = a.keep(type_of(size))

    def carry() -> None:
        a.get(x)
        count.less(1)
        a.op(f"{t(size)}.{how}")

    count.unless_zero(PRIMITIVE, lambda: _flags(a, size, r, carry, overflow))
    a.write(0, r, size)


# ---- rotations


@form(_forms("ROL", "1"), _forms("ROL", "imm8"), page="2B RCL/RCR/ROL/ROR")
@form(_forms("ROL", "CL"), page="2B RCL/RCR/ROL/ROR", keeps=True)
def rol(a: Asm) -> None:
    _rotate(a, "rotl")


@form(_forms("ROR", "1"), _forms("ROR", "imm8"), page="2B RCL/RCR/ROL/ROR")
@form(_forms("ROR", "CL"), page="2B RCL/RCR/ROL/ROR", keeps=True)
def ror(a: Asm) -> None:
    _rotate(a, "rotr")


def _rotate(a: Asm, how: str) -> None:
    """A value of 8 or 16 bits is repeated through the word, and then rotates in it."""
    size, x, count = _operand(a)
    a.get(x)
    if size < 32:
        a.op("i32.const", {8: 0x01010101, 16: 0x00010001}[size])
        a.op("i32.mul")
    count.push()
    a.op(f"{t(size)}.{how}")
    flags.cut(a, size)
    r = a.keep(type_of(size))

    def update() -> None:
        need = flags.needed(a, C | O, 0)
        if need & C:
            a.get(r)
            if how == "rotl":
                _bit_0(a, size)
            else:
                flags.top(a, size)
            a.flag(C)
        if need & O:
            _rotated_overflow(a, size, r, left=how == "rotl")
        flags.composites(a, C | O)

    count.unless_zero(C | O, update)
    a.write(0, r, size)


def _rotated_overflow(a: Asm, size: int, r: Local, *, left: bool) -> None:
    """O: left, the top bit differs from the bit that went round; right, the two top bits differ."""
    a.get(r, r)
    a.const(size, size - 1 if left else 1)
    a.ops(f"{t(size)}.shl", f"{t(size)}.xor")
    flags.top(a, size)
    a.flag(O)


@form(*(f"RC{side} r/m{{8,16,32,64}}, {last}" for side in "LR" for last in ("1", "imm8")), page="2B RCL/RCR/ROL/ROR")
@form(*(f"RC{side} r/m{{8,16,32,64}}, CL" for side in "LR"), page="2B RCL/RCR/ROL/ROR", keeps=True)
def rotate_through_carry(a: Asm) -> None:
    """C is the bit above the top one: 9, 17 or 33 bits rotate in an i64; 65 take two words."""
    size, x, count = _operand(a)
    left = a.insn.op_code().instruction_string.startswith("RCL")
    width = size + 1
    if count.number is not None:
        a.op("i64.const", count.number % width)
    else:
        count.push()
        if size < 64:
            a.op("i64.extend_i32_u")
        a.op("i64.const", 63 if size == 64 else 31)
        a.op("i64.and")
        if size < 32:
            a.op("i64.const", width)
            a.op("i64.rem_u")
    k = a.keep(I64)
    if size != 64:
        a.get(x)
        a.op("i64.extend_i32_u")
        value = a.keep(I64)
    else:
        a.get(x)
        value = a.keep(I64)
    high, low = a.new(I64), a.new(I64)  # what leaves on one side, what comes in on the other
    a.get(k)
    a.ops("i64.eqz", "i32.eqz")
    a.if_()
    carry = a.new(I64)
    a.get_flag(C)
    a.op("i64.extend_i32_u")
    a.set(carry)
    _through(a, size, value, carry, k, high, low, left=left)
    a.get(low)
    a.op("i64.const", 1)
    a.ops("i64.and", "i32.wrap_i64")
    if flags.needed(a, C | O, 0) & C:
        a.flag(C)
    else:
        a.op("drop")
    a.get(high)
    a.set(value)
    a.end()
    a.get(value)
    if size < 64:
        a.op("i32.wrap_i64")
        flags.cut(a, size)
    r = a.keep(type_of(size))

    def update() -> None:
        if flags.needed(a, C | O, 0) & O:
            if left:
                a.get(r, x)
                a.op(f"{t(size)}.xor")
                flags.top(a, size)
                a.flag(O)
            else:
                _rotated_overflow(a, size, r, left=False)
        flags.composites(a, C | O)

    count.unless_zero(C | O, update)
    a.write(0, r, size)


def _through(a: Asm, size: int, value: Local, carry: Local, k: Local, result: Local, out: Local, *, left: bool) -> None:
    """result: value rotated by k (1..size) through the carry; out: the new carry in bit 0."""
    away, back = ("shl", "shr_u") if left else ("shr_u", "shl")
    # What stays: value moved by k.
    a.get(value, k)
    a.op(f"i64.{away}")
    # The carry, k - 1 from the side it comes in at.
    a.get(carry)
    if left:
        a.get(k)
        a.op("i64.const", 1)
        a.op("i64.sub")
    else:
        a.op("i64.const", size)
        a.get(k)
        a.op("i64.sub")
    a.ops("i64.shl", "i64.or")
    # What went round: value moved back by size + 1 - k, which may be 64.
    a.get(value)
    a.op("i64.const", 1)
    a.op(f"i64.{back}")
    a.op("i64.const", size)
    a.get(k)
    a.ops("i64.sub", f"i64.{back}", "i64.or")
    a.set(result)
    a.get(value)
    if left:
        a.op("i64.const", size)
        a.get(k)
    else:
        a.get(k)
        a.op("i64.const", 1)
    a.ops("i64.sub", "i64.shr_u")
    a.set(out)


# ---- double shifts


@form("SHLD r/m{16,32,64}, r{16,32,64}, imm8", page="2B SHLD")
@form("SHLD r/m{16,32,64}, r{16,32,64}, CL", page="2B SHLD", keeps=True)
def shld(a: Asm) -> None:
    _double(a, left=True)


@form("SHRD r/m{16,32,64}, r{16,32,64}, imm8", page="2B SHRD")
@form("SHRD r/m{16,32,64}, r{16,32,64}, CL", page="2B SHRD", keeps=True)
def shrd(a: Asm) -> None:
    _double(a, left=False)


def _double(a: Asm, *, left: bool) -> None:
    """The result of a 16-bit shift by more than 16 is undefined."""
    size, x, count = _operand(a)
    y = a.read(1, size)
    word = t(size)
    away, back = ("shl", "shr_u") if left else ("shr_u", "shl")
    if size == 16:
        a.get(*((x, y) if left else (y, x)))
        low = a.keep(type_of(size))
        a.op("i32.const", 16)
        a.op("i32.shl")
        a.get(low)
        a.op("i32.or")
        count.push()
        a.op(f"i32.{away}")
        if left:
            a.op("i32.const", 16)
            a.op("i32.shr_u")
        flags.cut(a, size)
    else:
        a.get(x)
        count.push()
        a.op(f"{word}.{away}")
        a.get(y)
        if count.number:
            count.from_(size)
        else:  # moved back by size - count, which may be size
            a.const(size, 1)
            a.op(f"{word}.{back}")
            count.from_(size - 1)
        a.ops(f"{word}.{back}", f"{word}.or")
    r = a.keep(type_of(size))

    def carry() -> None:
        a.get(x)
        if left:
            count.from_(size)
        else:
            count.less(1)
        a.op(f"{word}.shr_u")

    def overflow() -> None:
        a.get(x, r)
        a.op(f"{word}.xor")

    count.unless_zero(PRIMITIVE, lambda: _flags(a, size, r, carry, overflow))
    a.write(0, r, size)
