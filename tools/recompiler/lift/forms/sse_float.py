"""Floats, scalar and packed: arithmetic, minimum and maximum, comparison.

Wasm's operations are the CPU's own here (the code generator does not canonicalise NaNs), and MXCSR is the CPU's own
(sse_state.py): rounding modes, denormals, sticky flags and NaN payloads are what this CPU gives. On a CPU of another
kind NaNs would have other bits.
"""

from __future__ import annotations

from recompiler.lift.asm.assembler import Asm, Local, Unlifted
from recompiler.lift.forms import form
from recompiler.lift.forms.lanes import (
    SCALARS,
    close_low,
    lanes,
    low_vector,
    mnemonic,
    open_low,
    push_float,
    scalar_bits,
    set_xmm,
)
from recompiler.lift.x86.regs import BE, F32, F64, LE, V128, A, C, L, O, P, S, Z

_ARITHMETIC = {"ADD": "add", "SUB": "sub", "MUL": "mul", "DIV": "div"}
_SHAPE = {"PS": "f32x4", "PD": "f64x2"}


@form("{ADDSS,SUBSS,MULSS,DIVSS} xmm1, xmm2/m32", "{ADDSD,SUBSD,MULSD,DIVSD} xmm1, xmm2/m64", page="2 ADDSD, SUBSD")
def scalar(a: Asm) -> None:
    bits = scalar_bits(a)
    open_low(a)
    push_float(a, 0, bits)
    push_float(a, 1, bits)
    a.op(f"{SCALARS[bits][0]}.{_ARITHMETIC[mnemonic(a)[:3]]}")
    close_low(a, bits)


@form("{ADD,SUB,MUL,DIV,ADD,SUB,MUL,DIV}{PS,PS,PS,PS,PD,PD,PD,PD} xmm1, xmm2/m128", page="2 ADDPD, SUBPD")
def packed(a: Asm) -> None:
    name = mnemonic(a)
    a.get(a.read(0), a.read(1, 128))
    a.op(f"{_SHAPE[name[3:]]}.{_ARITHMETIC[name[:3]]}")
    set_xmm(a)


@form("SQRTSS xmm1, xmm2/m32", "SQRTSD xmm1, xmm2/m64", page="2B SQRTSD")
def sqrt_scalar(a: Asm) -> None:
    bits = scalar_bits(a)
    open_low(a)
    push_float(a, 1, bits)
    a.op(f"{SCALARS[bits][0]}.sqrt")
    close_low(a, bits)


@form("SQRTPS xmm1, xmm2/m128", "SQRTPD xmm1, xmm2/m128", page="2B SQRTPD")
def sqrt_packed(a: Asm) -> None:
    a.get(a.read(1, 128))
    a.op(f"{_SHAPE[mnemonic(a)[4:]]}.sqrt")
    set_xmm(a)


# ---- minimum, maximum: the source where operands are equal or one is a NaN; pmin, pmax of (source, destination)


@form("{MINSS,MAXSS} xmm1, xmm2/m32", "{MINSD,MAXSD} xmm1, xmm2/m64", page="2B MAXSD, MINSD")
def least_scalar(a: Asm) -> None:
    bits = scalar_bits(a)
    shape = SCALARS[bits][1]
    source = low_vector(a, 1, bits)
    _different(a, source)
    open_low(a)
    a.get(source, a.read(0))
    a.op(f"{shape}.p{mnemonic(a)[:3].lower()}")
    a.op(f"{shape}.extract_lane", 0)
    close_low(a, bits)


@form("{MINPS,MAXPS,MINPD,MAXPD} xmm1, xmm2/m128", page="2B MAXPD, MINPD")
def least_packed(a: Asm) -> None:
    name = mnemonic(a)
    source = a.read(1, 128)
    _different(a, source)
    a.get(source, a.read(0))
    a.op(f"{_SHAPE[name[3:]]}.p{name[:3].lower()}")
    set_xmm(a)


def _different(a: Asm, source: Local) -> None:
    """Of a register with itself wasm's compiler makes a copy, where the CPU flushes denormals if MXCSR says so."""
    if source == a.read(0):
        raise Unlifted("minimum or maximum of a register with itself")


# ---- approximations: the manual bounds their relative error by 1.5 * 2^-12 and leaves the bits to the CPU


@form("RCPSS xmm1, xmm2/m32", "RSQRTSS xmm1, xmm2/m32", page="2B RCPSS, RSQRTSS")
@form("RCPPS xmm1, xmm2/m128", "RSQRTPS xmm1, xmm2/m128", page="2B RCPPS, RSQRTPS")
def approximation(a: Asm) -> None:
    """The rounded quotient, the same on every CPU; denormals count as 0 of their sign, before and after."""
    name = mnemonic(a)
    scalar_form = name.endswith("SS")
    source = low_vector(a, 1, 32) if scalar_form else a.read(1, 128)
    a.get(source)
    _flush(a)
    x = a.keep(V128)
    a.real(32, 1.0)
    a.op("f32x4.splat")
    a.get(x)
    if name.startswith("RSQRT"):
        a.op("f32x4.sqrt")
    a.op("f32x4.div")
    _flush(a)
    result = a.keep(V128)
    if scalar_form:
        open_low(a)
        a.get(result)
        a.op("f32x4.extract_lane", 0)
        close_low(a, 32)
    else:
        a.get(result)
        set_xmm(a)


def _flush(a: Asm) -> None:
    """Denormals of the f32x4 on the stack become 0 of their sign."""
    x = a.keep(V128)
    a.get(x)
    a.vector(0x8000000080000000, 0x8000000080000000)
    a.op("v128.and")
    a.get(x, x)
    a.vector(0x7F8000007F800000, 0x7F8000007F800000)
    a.op("v128.and")
    a.vector(0, 0)
    a.ops("i32x4.eq", "v128.bitselect")
    # bitselect(sign, x, mask) wants (sign, x, mask): the order in which they were pushed


# ---- comparison


def _compare(a: Asm, shape: str, predicate: int, x: int, y: int) -> None:
    """Pushes the mask of one of the eight predicates: EQ LT LE UNORD and their negations."""
    kind = predicate & 3
    if kind == 3:
        how, join = ("eq", "v128.and") if predicate & 4 else ("ne", "v128.or")
        for local in (x, y):
            a.get(local, local)
            a.op(f"{shape}.{how}")
        a.op(join)
        return
    a.get(x, y)
    if predicate == 4:
        a.op(f"{shape}.ne")
        return
    a.op(f"{shape}." + ("eq", "lt", "le")[kind])
    if predicate & 4:
        a.op("v128.not")


@form("CMPSS xmm1, xmm2/m32, imm8", "CMPSD xmm1, xmm2/m64, imm8", page="2A CMPSD")
def cmp_scalar(a: Asm) -> None:
    bits = scalar_bits(a)
    shape = SCALARS[bits][1]
    source = low_vector(a, 1, bits)
    open_low(a)
    _compare(a, shape, a.immediate(2) & 7, a.read(0), source)
    a.op(f"{shape}.extract_lane", 0)
    close_low(a, bits)


@form("CMPPS xmm1, xmm2/m128, imm8", "CMPPD xmm1, xmm2/m128, imm8", page="2A CMPPD")
def cmp_packed(a: Asm) -> None:
    _compare(a, _SHAPE[mnemonic(a)[3:]], a.immediate(2) & 7, a.read(0), a.read(1, 128))
    set_xmm(a)


@form("{COMISS,UCOMISS} xmm1, xmm2/m32", "{COMISD,UCOMISD} xmm1, xmm2/m64", page="2A COMISD, 2D UCOMISD")
def comis(a: Asm) -> None:
    """Z P C of greater 000, less 001, equal 100, unordered 111; the others 0. BE is "not greater", C "not at least"."""
    bits = scalar_bits(a)
    type_ = SCALARS[bits][0]
    x, y = a.new(F32 if bits == 32 else F64), a.new(F32 if bits == 32 else F64)
    push_float(a, 0, bits)
    a.set(x)
    push_float(a, 1, bits)
    a.set(y)

    def give(flag: int, *hows: str) -> None:
        """The flag is set where none of the comparisons holds."""
        if not a.wants(flag):
            return
        for number, how in enumerate(hows):
            a.get(x, y)
            a.op(f"{type_}.{how}")
            if number:
                a.op("i32.or")
        a.op("i32.eqz")
        a.flag(flag)

    give(BE, "gt")
    give(C, "ge")
    give(Z, "lt", "gt")
    give(LE, "lt", "gt")
    give(P, "ge", "lt")
    for flag in (A, S, O, L):
        if a.wants(flag):
            a.op("i32.const", 0)
            a.flag(flag)


# ---- SSE3


@form("{HADDPS,HSUBPS,HADDPD,HSUBPD} xmm1, xmm2/m128", page="2A HADDPD, HSUBPD")
def horizontal(a: Asm) -> None:
    """Even lanes with odd lanes, of the destination and then of the source."""
    name = mnemonic(a)
    bits, even, odd = (32, (0, 2, 4, 6), (1, 3, 5, 7)) if name.endswith("PS") else (64, (0, 2), (1, 3))
    x, y = a.read(0), a.read(1, 128)
    for numbers in (even, odd):
        a.get(x, y)
        a.shuffle(lanes(bits, *numbers))
    a.op(f"{_SHAPE[name[4:]]}.{name[1:4].lower()}")
    set_xmm(a)


@form("ADDSUBPS xmm1, xmm2/m128", "ADDSUBPD xmm1, xmm2/m128", page="2A ADDSUBPD")
def addsub(a: Asm) -> None:
    """Even lanes are subtracted, odd lanes added."""
    name = mnemonic(a)
    shape = _SHAPE[name[6:]]
    x, y = a.read(0), a.read(1, 128)
    for how in ("sub", "add"):
        a.get(x, y)
        a.op(f"{shape}.{how}")
    a.shuffle(lanes(32, 0, 5, 2, 7) if name.endswith("PS") else lanes(64, 0, 3))
    set_xmm(a)
