"""Conversions between integers, f32 and f64.

What does not fit gives the integer indefinite, 80000000H: the CPU's own CVTT* do, and wasm's relaxed truncations are
these on x86-64. Rounding ones follow MXCSR: a number is rounded to an integer by adding, and taking away again,
2^52 (2^23 for f32) of its own sign, where the spacing of floats is 1.
"""

from __future__ import annotations

from recompiler.lift.asm.assembler import Asm
from recompiler.lift.forms import form
from recompiler.lift.forms.lanes import (
    SCALARS,
    close_low,
    low_vector,
    mnemonic,
    open_low,
    push_float,
    set_gpr32,
    set_xmm,
)
from recompiler.lift.x86.regs import F64, I64, V128

_INDEFINITE_64 = -1 << 63
_TRUNCATE = {32: "i32x4.relaxed_trunc_f32x4_s", 64: "i32x4.relaxed_trunc_f64x2_s_zero"}
_SIGN = 1 << 63
_TWO_52 = 0x4330000000000000


# ---- from integers


@form("CVTSI2SS xmm1, r/m{32,64}", "CVTSI2SD xmm1, r/m{32,64}", page="2A CVTSI2SD")
def integer_to_scalar(a: Asm) -> None:
    bits = 64 if mnemonic(a) == "CVTSI2SD" else 32
    size = a.size(1)
    x = a.read(1)
    open_low(a)
    a.get(x)
    a.op(f"{SCALARS[bits][0]}.convert_i{size}_s")
    close_low(a, bits)


@form("CVTDQ2PS xmm1, xmm2/m128", page="2A CVTDQ2PS")
def cvtdq2ps(a: Asm) -> None:
    a.get(a.read(1, 128))
    a.op("f32x4.convert_i32x4_s")
    set_xmm(a)


@form("CVTDQ2PD xmm1, xmm2/m64", page="2A CVTDQ2PD")
def cvtdq2pd(a: Asm) -> None:
    a.get(low_vector(a, 1, 64))
    a.op("f64x2.convert_low_i32x4_s")
    set_xmm(a)


# ---- between floats


@form("CVTSS2SD xmm1, xmm2/m32", "CVTSD2SS xmm1, xmm2/m64", page="2A CVTSD2SS, CVTSS2SD")
def scalar_to_scalar(a: Asm) -> None:
    source, op, bits = (32, "f64.promote_f32", 64) if mnemonic(a) == "CVTSS2SD" else (64, "f32.demote_f64", 32)
    open_low(a)
    push_float(a, 1, source)
    a.op(op)
    close_low(a, bits)


@form("CVTPS2PD xmm1, xmm2/m64", page="2A CVTPS2PD")
def cvtps2pd(a: Asm) -> None:
    a.get(low_vector(a, 1, 64))
    a.op("f64x2.promote_low_f32x4")
    set_xmm(a)


@form("CVTPD2PS xmm1, xmm2/m128", page="2A CVTPD2PS")
def cvtpd2ps(a: Asm) -> None:
    a.get(a.read(1, 128))
    a.op("f32x4.demote_f64x2_zero")
    set_xmm(a)


# ---- to integers


@form("CVTTPS2DQ xmm1, xmm2/m128", "CVTTPD2DQ xmm1, xmm2/m128", page="2A CVTTPS2DQ, CVTTPD2DQ")
def truncate_packed(a: Asm) -> None:
    a.get(a.read(1, 128))
    a.op(_TRUNCATE[32 if mnemonic(a) == "CVTTPS2DQ" else 64])
    set_xmm(a)


@form("CVTPD2DQ xmm1, xmm2/m128", page="2A CVTPD2DQ")
def cvtpd2dq(a: Asm) -> None:
    a.get(a.read(1, 128))
    _round_in_range(a)
    a.op(_TRUNCATE[64])
    set_xmm(a)


def _round_in_range(a: Asm) -> None:
    """Rounds the f64x2 on the stack; beyond 2^52 it only stays beyond 2^31."""
    x = a.keep(V128)
    a.get(x)
    a.vector(_SIGN, _SIGN)
    a.op("v128.and")
    a.vector(_TWO_52, _TWO_52)
    a.op("v128.or")
    shift = a.keep(V128)
    a.get(x, shift)
    a.op("f64x2.add")
    a.get(shift)
    a.op("f64x2.sub")


@form("CVTPS2DQ xmm1, xmm2/m128", page="2A CVTPS2DQ")
def cvtps2dq(a: Asm) -> None:
    """f32 has no room beside its integers: large numbers stay as they are."""
    x = a.read(1, 128)
    a.get(x)
    a.vector(0x8000000080000000, 0x8000000080000000)
    a.op("v128.and")
    a.vector(0x4B0000004B000000, 0x4B0000004B000000)
    a.op("v128.or")
    shift = a.keep(V128)
    a.get(x, shift)
    a.op("f32x4.add")
    a.get(shift)
    a.op("f32x4.sub")
    a.get(x, x)
    a.op("f32x4.abs")
    a.real(32, 2.0**23)
    a.ops("f32x4.splat", "f32x4.lt", "v128.bitselect", _TRUNCATE[32])
    set_xmm(a)


@form("CVTTSS2SI r{32,64}, xmm1/m{32,32}", "CVTTSD2SI r{32,64}, xmm1/m{64,64}", page="2A CVTTSD2SI")
def truncate_scalar(a: Asm) -> None:
    bits = 64 if "SD2" in mnemonic(a) else 32
    if a.size(0) == 32:
        a.get(low_vector(a, 1, bits))
        a.op(_TRUNCATE[bits])
        _low_integer(a)
    else:
        push_float(a, 1, bits)
        if bits == 32:
            a.op("f64.promote_f32")  # exact
        _to_i64(a)


@form("CVTSS2SI r{32,64}, xmm1/m{32,32}", "CVTSD2SI r{32,64}, xmm1/m{64,64}", page="2A CVTSD2SI")
def round_scalar(a: Asm) -> None:
    bits = 64 if "SD2" in mnemonic(a) else 32
    push_float(a, 1, bits)
    if bits == 32:
        a.op("f64.promote_f32")
    if a.size(0) == 32:
        a.op("f64x2.splat")
        _round_in_range(a)
        a.op(_TRUNCATE[64])
        _low_integer(a)
        return
    x = a.keep(F64)
    a.real(64, 2.0**52)
    a.get(x)
    a.op("f64.copysign")
    shift = a.keep(F64)
    a.get(x, shift)
    a.op("f64.add")
    a.get(shift)
    a.op("f64.sub")
    a.get(x, x)
    a.op("f64.abs")
    a.real(64, 2.0**52)
    a.ops("f64.lt", "select")
    _to_i64(a)


def _low_integer(a: Asm) -> None:
    """Pops an i32x4; its lane 0 goes to the 32-bit register of operand 0."""
    a.op("f32x4.extract_lane", 0)
    a.op("i32.reinterpret_f32")
    set_gpr32(a)


def _to_i64(a: Asm) -> None:
    """Pops an f64; its integer part goes to the 64-bit register of operand 0, or the indefinite."""
    x = a.keep(F64)
    a.get(x)
    a.op("f64.abs")
    a.real(64, 2.0**63)
    a.op("f64.lt")
    a.if_(I64)
    a.get(x)
    a.op("i64.trunc_f64_s")
    a.else_()
    a.op("i64.const", _INDEFINITE_64)
    a.end()
    a.set_gpr(a.register(0)[1], 64, a.keep(I64))
