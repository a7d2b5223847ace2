"""Multiplication and division. A quotient that does not fit is #DE, which Linux delivers as SIGFPE.

After MUL and IMUL only C and O are defined, after DIV and IDIV no flag is: those keep what their locals hold.
"""

from __future__ import annotations

from collections.abc import Callable

from recompiler.lift.asm import flags
from recompiler.lift.asm.assembler import Asm, Local, t, type_of
from recompiler.lift.forms import form
from recompiler.lift.x86.regs import GPR, I32, I64, RAX, RDX, C, O, flag_local

SIGFPE = 8


# ---- multiplication


@form("IMUL r{16,32,64}, r/m{16,32,64}", "IMUL r{16,32,64}, r/m{16,32,64}, imm{16,32,32}", page="2A IMUL")
@form("IMUL r{16,32,64}, r/m{16,32,64}, imm8", page="2A IMUL")
def imul(a: Asm) -> None:
    """The product cut to the size; C and O: it did not fit."""
    size = a.size(0)
    first = a.insn.op_count - 2
    x, y = a.read(first, size), a.read(first + 1, size)
    wanted = flags.needed(a, C | O, 0)
    if not wanted:
        a.get(x, y)
        a.op(f"{t(size)}.mul")
        flags.cut(a, size)
        a.write(0, a.keep(type_of(size)))
        return
    if size == 64:
        high, low = _wide(a, x, y, "s")
        _overflow(a, lambda: _differs_from_sign(a, high, low))
        a.write(0, low)
        return
    product = _product(a, size, x, y, signed=True)
    _overflow(a, lambda: _exceeds(a, size, product))
    a.get(product)
    if size == 32:
        a.op("i32.wrap_i64")
    flags.cut(a, size)
    a.write(0, a.keep(I32))


@form("{MUL,MUL,MUL,MUL,IMUL,IMUL,IMUL,IMUL} r/m{8,16,32,64,8,16,32,64}", page="2 MUL, IMUL")
def mul(a: Asm) -> None:
    """RDX:RAX = RAX * operand, DX:AX, EDX:EAX, or AX = AL * operand."""
    size = a.size(0)
    signed = a.insn.op_code().instruction_string.startswith("IMUL")
    y = a.read(0, size)
    if size == 64:
        high, low = _wide(a, GPR + RAX, y, "s" if signed else "u")
        if flags.needed(a, C | O, 0):
            _overflow(a, lambda: _differs_from_sign(a, high, low) if signed else _not_zero(a, high))
        a.set_gpr(RAX, 64, low)
        a.set_gpr(RDX, 64, high)
        return
    a.gpr(RAX, size)
    product = _product(a, size, a.keep(I32), y, signed=signed)
    if flags.needed(a, C | O, 0):
        _overflow(a, lambda: _exceeds(a, size, product) if signed else _has_upper_half(a, size, product))
    if size < 32:
        a.set_gpr(RAX, 16, _cut(a, 16, product))
    if size == 16:
        a.get(product)
        a.op("i32.const", 16)
        a.op("i32.shr_u")
        a.set_gpr(RDX, 16, a.keep(I32))
    elif size == 32:
        a.get(product)
        a.op("i64.const", 0xFFFFFFFF)
        a.op("i64.and")
        a.set(GPR + RAX)
        a.get(product)
        a.op("i64.const", 32)
        a.op("i64.shr_u")
        a.set(GPR + RDX)


def _wide(a: Asm, x: Local, y: Local, how: str) -> tuple[Local, Local]:
    """(high, low) of a product of 128 bits."""
    a.get(x, y)
    a.op(f"i64.mul_wide_{how}")
    return a.keep(I64), a.keep(I64)


def _product(a: Asm, size: int, x: Local, y: Local, *, signed: bool) -> Local:
    """The product of values of 8, 16 (i32) or 32 bits (i64), of twice the size."""
    for each in (x, y):
        a.get(each)
        if size == 32:
            a.op("i64.extend_i32_s" if signed else "i64.extend_i32_u")
        elif signed:
            a.op(f"i32.extend{size}_s")
    a.op("i64.mul" if size == 32 else "i32.mul")
    return a.keep(I64 if size == 32 else I32)


def _overflow(a: Asm, push: Callable[[], None]) -> None:
    """C and O from an i32 that is 0 or 1."""
    wanted = flags.needed(a, C | O, 0)
    push()
    if wanted & C and wanted & O:
        a.tee(flag_local(C))
        a.flag(O)
    else:
        a.flag(wanted)
    flags.composites(a, C | O)


def _differs_from_sign(a: Asm, high: Local, low: Local) -> None:
    a.get(high, low)
    a.op("i64.const", 63)
    a.ops("i64.shr_s", "i64.ne")


def _not_zero(a: Asm, high: Local) -> None:
    a.get(high)
    a.op("i64.const", 0)
    a.op("i64.ne")


def _exceeds(a: Asm, size: int, product: Local) -> None:
    """Whether the product is not its own lower half, sign-extended."""
    word = "i64" if size == 32 else "i32"
    a.get(product, product)
    a.ops(f"{word}.extend{size}_s", f"{word}.ne")


def _has_upper_half(a: Asm, size: int, product: Local) -> None:
    word = "i64" if size == 32 else "i32"
    a.get(product)
    a.op(f"{word}.const", (1 << size) - 1)
    a.op(f"{word}.gt_u")


# ---- division


@form("DIV r/m{8,16,32,64}", page="2A DIV")
def div(a: Asm) -> None:
    """One comparison finds both a divisor of 0 and a quotient that does not fit: the upper half is not below it."""
    size = a.size(0)
    y = a.read(0, size)
    if size < 32:
        _unsigned_small(a, size, y)
        return
    word = t(size)
    low, high = _halves(a, size)
    a.get(high, y)
    a.op(f"{word}.ge_u")
    _refuse(a)
    quotient, rest = a.new(type_of(size)), a.new(type_of(size))
    a.get(high)
    a.op(f"{word}.eqz")
    a.if_()
    a.get(low, y)
    a.op(f"{word}.div_u")
    a.set(quotient)
    _rest(a, size, low, y, quotient, rest)
    a.else_()
    if size == 64:
        a.get(high, low, y)
        a.call("div_u128")
        a.set(rest)
        a.set(quotient)
    else:
        _join(a, high, low)
        a.tee(dividend := a.new(I64))
        a.get(y)
        a.ops("i64.extend_i32_u", "i64.div_u", "i32.wrap_i64")
        a.set(quotient)
        a.get(dividend)
        a.op("i32.wrap_i64")
        a.get(quotient, y)
        a.ops("i32.mul", "i32.sub")
        a.set(rest)
    a.end()
    a.set_gpr(RAX, size, quotient)
    a.set_gpr(RDX, size, rest)


@form("IDIV r/m{8,16,32,64}", page="2A IDIV")
def idiv(a: Asm) -> None:
    """Rounds to zero; the remainder has the dividend's sign."""
    size = a.size(0)
    y = a.read(0, size)
    if size < 32:
        _signed_small(a, size, y)
        return
    word = t(size)
    low, high = _halves(a, size)
    quotient, rest = a.new(type_of(size)), a.new(type_of(size))
    # The usual case: the dividend is its own lower half, and the divisor neither 0 nor -1, so that nothing overflows.
    a.get(low)
    a.const(size, size - 1)
    a.op(f"{word}.shr_s")
    a.get(high)
    a.op(f"{word}.eq")
    a.get(y)
    a.const(size, 1)
    a.op(f"{word}.add")
    a.const(size, 1)
    a.ops(f"{word}.gt_u", "i32.and")
    a.if_()
    a.get(low, y)
    a.op(f"{word}.div_s")
    a.set(quotient)
    _rest(a, size, low, y, quotient, rest)
    a.else_()
    a.get(y)
    a.op(f"{word}.eqz")
    _refuse(a)
    if size == 64:
        a.get(high, low, y)
        a.call("div_s128")
        overflow = a.keep(I32)
        a.set(rest)
        a.set(quotient)
        a.get(overflow)
    else:
        _long_signed(a, low, high, y, quotient, rest)
    _refuse(a)
    a.end()
    a.set_gpr(RAX, size, quotient)
    a.set_gpr(RDX, size, rest)


def _long_signed(a: Asm, low: Local, high: Local, y: Local, quotient: Local, rest: Local) -> None:
    """EDX:EAX by a divisor that is not 0; leaves whether the quotient does not fit. The lowest dividend fits with no
    divisor, and with -1 wasm's own division refuses it."""
    _join(a, high, low)
    a.tee(dividend := a.new(I64))
    a.op("i64.const", -1 << 63)
    a.op("i64.eq")
    _refuse(a)
    a.get(dividend, y)
    a.ops("i64.extend_i32_s", "i64.div_s")
    long = a.keep(I64)
    a.get(long)
    a.op("i32.wrap_i64")
    a.set(quotient)
    _rest(a, 32, low, y, quotient, rest)
    a.get(long, long)
    a.ops("i64.extend32_s", "i64.ne")


def _halves(a: Asm, size: int) -> tuple[Local, Local]:
    """The dividend: (RAX, RDX) or (EAX, EDX)."""
    if size == 64:
        return GPR + RAX, GPR + RDX
    a.gpr(RAX, size)
    low = a.keep(I32)
    a.gpr(RDX, size)
    return low, a.keep(I32)


def _join(a: Asm, high: Local, low: Local) -> None:
    """Pushes EDX:EAX."""
    a.get(high)
    a.op("i64.extend_i32_u")
    a.op("i64.const", 32)
    a.op("i64.shl")
    a.get(low)
    a.ops("i64.extend_i32_u", "i64.or")


def _rest(a: Asm, size: int, x: Local, y: Local, quotient: Local, rest: Local) -> None:
    """x - quotient * y: cheaper than to divide again."""
    a.get(x, quotient, y)
    a.ops(f"{t(size)}.mul", f"{t(size)}.sub")
    a.set(rest)


def _refuse(a: Asm) -> None:
    """#DE when the i32 on the stack is not 0."""
    a.if_()
    a.fault(SIGFPE)
    a.end()


def _unsigned_small(a: Asm, size: int, y: Local) -> None:
    x = _small_dividend(a, size)
    a.get(x)
    a.op("i32.const", size)
    a.op("i32.shr_u")
    a.get(y)
    a.op("i32.ge_u")
    _refuse(a)
    a.get(x, y)
    a.op("i32.div_u")
    _small_results(a, size, x, y, a.keep(I32))


def _signed_small(a: Asm, size: int, y: Local) -> None:
    a.get(y)
    a.op("i32.eqz")
    _refuse(a)
    x = _small_dividend(a, size)
    if size == 8:
        a.get(x)
        a.op("i32.extend16_s")
        a.set(x)
    else:  # by -1 wasm's own division refuses the lowest dividend, which fits with no divisor
        a.get(x)
        a.op("i32.const", -1 << 31)
        a.op("i32.eq")
        _refuse(a)
    a.get(y)
    a.op(f"i32.extend{size}_s")
    y = a.keep(I32)
    a.get(x, y)
    a.op("i32.div_s")
    quotient = a.keep(I32)
    a.get(quotient, quotient)
    a.ops(f"i32.extend{size}_s", "i32.ne")
    _refuse(a)
    _small_results(a, size, x, y, quotient)


def _small_dividend(a: Asm, size: int) -> Local:
    """AX, or DX:AX, in an i32."""
    a.gpr(RAX, 16)
    if size == 16:
        a.gpr(RDX, 16)
        a.op("i32.const", 16)
        a.ops("i32.shl", "i32.or")
    return a.keep(I32)


def _small_results(a: Asm, size: int, x: Local, y: Local, quotient: Local) -> None:
    rest = a.new(I32)
    _rest(a, size, x, y, quotient, rest)
    a.set_gpr(RAX, size, _cut(a, size, quotient))
    if size == 8:
        a.set_gpr(RAX, 8, _cut(a, 8, rest), high=True)
    else:
        a.set_gpr(RDX, size, _cut(a, size, rest))


def _cut(a: Asm, size: int, value: Local) -> Local:
    a.get(value)
    flags.cut(a, size)
    return a.keep(I32)
