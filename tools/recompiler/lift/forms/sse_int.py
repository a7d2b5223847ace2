"""Packed integers: arithmetic, logic, comparison, shifts."""

from __future__ import annotations

from recompiler.lift.asm.assembler import Asm, Local
from recompiler.lift.forms import form
from recompiler.lift.forms.lanes import lanes, mnemonic, set_xmm, zero
from recompiler.lift.x86.regs import I64, V128

# Two operands, one wasm instruction: destination first, unless the name is in SWAPPED.
BINARY = {
    "PADDB": "i8x16.add",
    "PADDW": "i16x8.add",
    "PADDD": "i32x4.add",
    "PADDQ": "i64x2.add",
    "PADDSB": "i8x16.add_sat_s",
    "PADDSW": "i16x8.add_sat_s",
    "PADDUSB": "i8x16.add_sat_u",
    "PADDUSW": "i16x8.add_sat_u",
    "PSUBB": "i8x16.sub",
    "PSUBW": "i16x8.sub",
    "PSUBD": "i32x4.sub",
    "PSUBQ": "i64x2.sub",
    "PSUBSB": "i8x16.sub_sat_s",
    "PSUBSW": "i16x8.sub_sat_s",
    "PSUBUSB": "i8x16.sub_sat_u",
    "PSUBUSW": "i16x8.sub_sat_u",
    "PMULLW": "i16x8.mul",
    "PMULLD": "i32x4.mul",
    "PMADDWD": "i32x4.dot_i16x8_s",
    "PAVGB": "i8x16.avgr_u",
    "PAVGW": "i16x8.avgr_u",
    "PMINSB": "i8x16.min_s",
    "PMINUB": "i8x16.min_u",
    "PMINSW": "i16x8.min_s",
    "PMINUW": "i16x8.min_u",
    "PMINSD": "i32x4.min_s",
    "PMINUD": "i32x4.min_u",
    "PMAXSB": "i8x16.max_s",
    "PMAXUB": "i8x16.max_u",
    "PMAXSW": "i16x8.max_s",
    "PMAXUW": "i16x8.max_u",
    "PMAXSD": "i32x4.max_s",
    "PMAXUD": "i32x4.max_u",
    "PCMPEQB": "i8x16.eq",
    "PCMPEQW": "i16x8.eq",
    "PCMPEQD": "i32x4.eq",
    "PCMPEQQ": "i64x2.eq",
    "PCMPGTB": "i8x16.gt_s",
    "PCMPGTW": "i16x8.gt_s",
    "PCMPGTD": "i32x4.gt_s",
    "PAND": "v128.and",
    "POR": "v128.or",
    "PXOR": "v128.xor",
    "PANDN": "v128.andnot",
    "ANDPS": "v128.and",
    "ANDPD": "v128.and",
    "ORPS": "v128.or",
    "ORPD": "v128.or",
    "XORPS": "v128.xor",
    "XORPD": "v128.xor",
    "ANDNPS": "v128.andnot",
    "ANDNPD": "v128.andnot",
    "PACKSSWB": "i8x16.narrow_i16x8_s",
    "PACKUSWB": "i8x16.narrow_i16x8_u",
    "PACKSSDW": "i16x8.narrow_i32x4_s",
    "PACKUSDW": "i16x8.narrow_i32x4_u",
}
SWAPPED = ("PANDN", "ANDNPS", "ANDNPD")  # wasm's andnot complements its second operand, x86's its first
# Of a register with itself these need no register at all.
_ZERO_OF_SAME = ("PXOR", "XORPS", "XORPD", "PANDN", "ANDNPS", "ANDNPD", "PSUBB", "PSUBW", "PSUBD", "PSUBQ")
_ONES_OF_SAME = ("PCMPEQB", "PCMPEQW", "PCMPEQD", "PCMPEQQ")


def operands(a: Asm) -> tuple[Local, Local]:
    """Destination and source of a two-operand instruction, as v128."""
    return a.read(0, 128), a.read(1, 128)


@form("{" + ",".join(BINARY) + "} xmm1, xmm2/m128", page="2B, under the name")
def binary(a: Asm) -> None:
    name = mnemonic(a)
    x, y = operands(a)
    if x == y and name in _ZERO_OF_SAME:
        zero(a)
    elif x == y and name in _ONES_OF_SAME:
        a.vector(-1 & (1 << 64) - 1, -1 & (1 << 64) - 1)
    else:
        a.get(*((y, x) if name in SWAPPED else (x, y)))
        a.op(BINARY[name])
    set_xmm(a)


@form("PMULHW xmm1, xmm2/m128", "PMULHUW xmm1, xmm2/m128", page="2B PMULHW, PMULHUW")
def multiply_high(a: Asm) -> None:
    """The upper half of each product: products of 32 bits, shifted and narrowed."""
    sign = "s" if mnemonic(a) == "PMULHW" else "u"
    x, y = operands(a)
    for half in ("low", "high"):
        a.get(x, y)
        a.op(f"i32x4.extmul_{half}_i16x8_{sign}")
        a.op("i32.const", 16)
        a.op(f"i32x4.shr_{sign}")
    a.op(f"i16x8.narrow_i32x4_{sign}")
    set_xmm(a)


@form("PMULUDQ xmm1, xmm2/m128", "PMULDQ xmm1, xmm2/m128", page="2B PMULUDQ, PMULDQ")
def multiply_wide(a: Asm) -> None:
    """Lanes 0 and 2 of 32 bits."""
    for local in operands(a):
        a.get(local, local)
        a.shuffle(lanes(32, 0, 2, 0, 2))
    a.op("i64x2.extmul_low_i32x4_" + ("u" if mnemonic(a) == "PMULUDQ" else "s"))
    set_xmm(a)


@form("PSADBW xmm1, xmm2/m128", page="2B PSADBW")
def sum_of_differences(a: Asm) -> None:
    """|x - y| is one of two saturating differences; eight of them are summed in each half."""
    x, y = operands(a)
    a.get(x, y)
    a.op("i8x16.sub_sat_u")
    a.get(y, x)
    a.ops("i8x16.sub_sat_u", "v128.or", "i16x8.extadd_pairwise_i8x16_u", "i32x4.extadd_pairwise_i16x8_u")
    sums = a.keep(V128)
    a.get(sums, sums)
    a.op("i32.const", 32)
    a.op("i64x2.shr_u")
    a.op("i32x4.add")
    a.vector(0xFFFFFFFF, 0xFFFFFFFF)
    a.op("v128.and")
    set_xmm(a)


# ---- shifts

SHAPES = {"W": ("i16x8", 16), "D": ("i32x4", 32), "Q": ("i64x2", 64)}
SHIFTS = {"PSLL": "shl", "PSRL": "shr_u", "PSRA": "shr_s"}
_NAMES = [f"{kind}{lane}" for kind in SHIFTS for lane in SHAPES if (kind, lane) != ("PSRA", "Q")]


@form("{" + ",".join(_NAMES) + "} xmm1, imm8", page="2B PSLLW, PSRAW, PSRLW")
def shift_immediate(a: Asm) -> None:
    """Counts beyond the lane give 0, or for PSRA the sign."""
    name = mnemonic(a)
    shape, bits = SHAPES[name[4]]
    count = a.immediate(1) & 0xFF
    if count >= bits and name[:4] != "PSRA":
        zero(a)
    else:
        a.get(a.read(0))
        a.op("i32.const", min(count, bits - 1))
        a.op(f"{shape}.{SHIFTS[name[:4]]}")
    set_xmm(a)


@form("{" + ",".join(_NAMES) + "} xmm1, xmm2/m128", page="2B PSLLW, PSRAW, PSRLW")
def shift_variable(a: Asm) -> None:
    """The count is the low half of the source, all 64 bits of it."""
    name = mnemonic(a)
    shape, bits = SHAPES[name[4]]
    how = SHIFTS[name[:4]]
    a.get(a.read(1, 128))
    a.op("f64x2.extract_lane", 0)
    a.op("i64.reinterpret_f64")
    count = a.keep(I64)
    if name[:4] == "PSRA":
        a.get(a.read(0), count)
        a.op("i64.const", bits - 1)
        _clamp(a, count, bits)
        a.op("i32.wrap_i64")
        a.op(f"{shape}.{how}")
    else:
        a.get(a.read(0), count)
        a.op("i32.wrap_i64")
        a.op(f"{shape}.{how}")
        zero(a)
        _clamp(a, count, bits)
    set_xmm(a)


def _clamp(a: Asm, count: Local, bits: int) -> None:
    """Pops two values, pushes the first if the count is below the lane's bits, else the second."""
    a.get(count)
    a.op("i64.const", bits)
    a.ops("i64.lt_u", "select")


@form("PSLLDQ xmm1, imm8", "PSRLDQ xmm1, imm8", page="2B PSLLDQ, PSRLDQ")
def shift_bytes(a: Asm) -> None:
    count = min(a.immediate(1) & 0xFF, 16)
    if mnemonic(a) == "PSLLDQ":
        zero(a)
        a.get(a.read(0))
        a.shuffle(list(range(16 - count, 32 - count)))
    else:
        a.get(a.read(0))
        zero(a)
        a.shuffle(list(range(count, count + 16)))
    set_xmm(a)
