"""The functions of the runtime that divide 128 bits by 64, for DIV and IDIV whose dividend does not fit 64 bits.

div_u128 (high, low, divisor: i64) -> (quotient, remainder: i64)                    high must be below the divisor
div_s128 (high, low, divisor: i64) -> (quotient, remainder: i64, overflow: i32)     the divisor must not be 0
"""

from __future__ import annotations

from typing import Final

from iced_x86 import Instruction

from recompiler.lift.asm.assembler import Asm
from recompiler.lift.x86.regs import I32, I64
from recompiler.wasm import leb

SIGNATURES: Final[dict[str, tuple[tuple[int, ...], tuple[int, ...]]]] = {
    "div_u128": ((I64, I64, I64), (I64, I64)),
    "div_s128": ((I64, I64, I64), (I64, I64, I32)),
}
HIGH, LOW, DIVISOR = 0, 1, 2
LOW_HALF: Final = 0xFFFFFFFF


def unsigned() -> bytes:
    """The body of div_u128: Knuth's algorithm D with two digits of 32 bits (Hacker's Delight, 9-4: divlu)."""
    a = Asm(Instruction())
    shift, top, bottom, digit, rest, quotient = range(3, 9)
    a.get(DIVISOR)
    a.op("i64.clz")
    a.set(shift)
    a.get(DIVISOR, shift)
    a.op("i64.shl")
    a.set(DIVISOR)
    a.get(DIVISOR)
    _half(a, upper=True)
    a.set(top)
    a.get(DIVISOR)
    _half(a, upper=False)
    a.set(bottom)
    a.get(HIGH, shift, LOW)  # high << shift | low >> 64 - shift, where shift may be 0
    a.op("i64.const", 1)
    a.op("i64.shr_u")
    a.op("i64.const", 63)
    a.get(shift)
    a.ops("i64.sub", "i64.shr_u")
    a.set(digit)
    a.op("i64.shl")
    a.get(digit)
    a.op("i64.or")
    a.set(HIGH)
    a.get(LOW, shift)
    a.op("i64.shl")
    a.set(LOW)
    for upper in (True, False):
        _digit(a, upper, top, bottom, digit, rest)
        if upper:
            a.get(digit)
            a.set(quotient)
    a.get(quotient)
    a.op("i64.const", 32)
    a.op("i64.shl")
    a.get(digit)
    a.op("i64.add")
    a.get(HIGH, shift)
    a.op("i64.shr_u")
    return _body(a, (6, I64))


def _half(a: Asm, *, upper: bool) -> None:
    a.op("i64.const", 32 if upper else LOW_HALF)
    a.op("i64.shr_u" if upper else "i64.and")


def _digit(a: Asm, upper: bool, top: int, bottom: int, digit: int, rest: int) -> None:
    """One digit of the quotient; HIGH becomes the remainder so far."""
    a.get(HIGH, top)
    a.op("i64.div_u")
    a.tee(digit)
    a.get(top)
    a.op("i64.mul")
    a.set(rest)
    a.get(HIGH, rest)
    a.op("i64.sub")
    a.set(rest)
    a.op("block", 0x40)
    a.op("loop", 0x40)  # at most twice: the estimate is too large by no more than 2
    a.get(digit)
    _half(a, upper=True)
    a.ops("i64.eqz", "i32.eqz")
    a.get(digit, bottom)
    a.op("i64.mul")
    a.get(rest)
    a.op("i64.const", 32)
    a.op("i64.shl")
    a.get(LOW)
    _half(a, upper=upper)
    a.ops("i64.or", "i64.gt_u", "i32.or", "i32.eqz")
    a.op("br_if", 1)
    a.get(digit)
    a.op("i64.const", -1)
    a.op("i64.add")
    a.set(digit)
    a.get(rest, top)
    a.op("i64.add")
    a.tee(rest)
    _half(a, upper=True)
    a.op("i64.eqz")
    a.op("br_if", 0)
    a.end()
    a.end()
    a.get(HIGH)
    a.op("i64.const", 32)
    a.op("i64.shl")
    a.get(LOW)
    _half(a, upper=upper)
    a.op("i64.or")
    a.get(digit, DIVISOR)
    a.ops("i64.mul", "i64.sub")
    a.set(HIGH)


def signed() -> bytes:
    """The body of div_s128: of the magnitudes, then the signs; the remainder has the dividend's."""
    a = Asm(Instruction())
    sign, negative, quotient, rest = range(3, 7)
    a.get(HIGH)
    a.op("i64.const", 63)
    a.op("i64.shr_s")
    a.tee(sign)
    a.get(DIVISOR)
    a.op("i64.const", 63)
    a.op("i64.shr_s")
    a.tee(quotient)
    a.op("i64.xor")
    a.set(negative)
    a.get(DIVISOR, quotient)
    a.op("i64.xor")
    a.get(quotient)
    a.op("i64.sub")
    a.set(DIVISOR)
    a.get(LOW, sign)
    a.op("i64.xor")
    a.get(HIGH, sign)
    a.op("i64.xor")
    a.get(sign, sign)
    a.op("i64.sub128")
    a.set(HIGH)
    a.set(LOW)
    a.get(HIGH, DIVISOR)
    a.op("i64.ge_u")
    a.if_()
    a.op("i64.const", 0)
    a.op("i64.const", 0)
    a.op("i32.const", 1)
    a.op("return")
    a.end()
    a.get(HIGH, LOW, DIVISOR)
    a.call("div_u128")
    a.set(rest)
    a.set(quotient)
    a.get(quotient, negative)
    a.op("i64.xor")
    a.get(negative)
    a.op("i64.sub")
    a.tee(quotient)
    a.get(rest, sign)
    a.op("i64.xor")
    a.get(sign)
    a.op("i64.sub")
    a.get(quotient, negative)  # the sign that the quotient has is not the one it must have, unless it is 0
    a.op("i64.xor")
    a.op("i64.const", 0)
    a.op("i64.lt_s")
    a.get(quotient)
    a.ops("i64.eqz", "i32.eqz", "i32.and")
    return _body(a, (4, I64))


def _body(a: Asm, *locals_: tuple[int, int]) -> bytes:
    rows = b"".join(leb.u32(count) + bytes((type_,)) for count, type_ in locals_)
    return leb.u32(len(locals_)) + rows + bytes(a.out) + b"\x0b"
