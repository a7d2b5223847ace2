"""MMX: the low halves of the vector instructions, on the significands of the x87's registers.

Every one of them makes all x87 registers valid and TOP 0; a register that it writes gets an exponent of all ones.
"""

from __future__ import annotations

from recompiler.lift.asm.assembler import Asm, Local, Unlifted
from recompiler.lift.forms import form
from recompiler.lift.forms.lanes import lanes, mnemonic, set_gpr32
from recompiler.lift.forms.sse_int import BINARY, SHAPES, SHIFTS, SWAPPED
from recompiler.lift.forms.x87_move import call_x87
from recompiler.lift.x86.regs import I32, I64, RDI, V128

_UNPACKS = {"BW": 8, "WD": 16, "DQ": 32}
# The manual writes the operands of the later ones with numbers.
_EARLY = "{PADDB,PADDW,PADDD,PADDQ,PADDSB,PADDSW,PADDUSB,PADDUSW,PSUBB,PSUBW,PSUBD,PSUBSB,PSUBSW,PSUBUSB,PSUBUSW}"
_EARLY_TOO = "{PAND,PANDN,POR,PXOR,PCMPEQB,PCMPEQW,PCMPEQD,PCMPGTB,PCMPGTW,PCMPGTD,PMULLW,PMADDWD}"
_LATE = "{PAVGB,PAVGW,PMINUB,PMINSW,PMAXUB,PMAXSW,PSUBQ}"


def value(a: Asm, i: int, bits: int = 64) -> Local:
    """Operand i, a register or memory, as an i64."""
    if a.is_memory(i):
        a.op({64: "i64.load", 32: "i64.load32_u"}[bits], a.address())
    else:
        call_x87(a, "mmx", a.register(i)[1])
    return a.keep(I64)


def both(a: Asm, bits: int = 64) -> tuple[Local, Local]:
    """Destination and source; memory is read before anything changes."""
    source = value(a, 1, bits)
    return value(a, 0), source


def push(a: Asm, *halves: Local) -> None:
    """Pushes each as a v128."""
    for half in halves:
        a.get(half)
        a.op("i64x2.splat")


def join(a: Asm, low: Local, high: Local) -> Local:
    """A v128 of two halves."""
    push(a, low)
    a.get(high)
    a.op("i64x2.replace_lane", 1)
    return a.keep(V128)


def set_low(a: Asm) -> None:
    """Pops a v128, whose low half becomes the destination."""
    a.op("i64x2.extract_lane", 0)
    set_mm(a)


def set_mm(a: Asm, i: int = 0) -> None:
    """Pops an i64 into register operand i."""
    result = a.keep(I64)
    a.op("i32.const", a.register(i)[1])
    a.get(result)
    call_x87(a, "set_mmx")


# ---- moves


@form("MOVQ mm, mm/m64", "MOVQ mm/m64, mm", "MOVNTQ m64, mm", page="2B MOVQ")
def movq(a: Asm) -> None:
    x = value(a, 1)
    if a.is_memory(0):
        a.store(0, x, 64)
    else:
        a.get(x)
        set_mm(a)


@form("MOVD mm, r/m32", "MOVQ mm, r/m64", page="2B MOVD/MOVQ")
def from_general(a: Asm) -> None:
    bits = a.size(1)
    a.get(a.read(1, bits))
    if bits == 32:
        a.op("i64.extend_i32_u")
    set_mm(a)


@form("MOVD r/m32, mm", "MOVQ r/m64, mm", page="2B MOVD/MOVQ")
def to_general(a: Asm) -> None:
    bits = a.size(0)
    a.get(value(a, 1))
    if bits == 32:
        a.op("i32.wrap_i64")
    a.write(0, a.keep(I64 if bits == 64 else I32), bits)


@form("MOVQ2DQ xmm, mm", page="2B MOVQ2DQ")
def movq2dq(a: Asm) -> None:
    x = value(a, 1)
    a.vector(0, 0)
    a.get(x)
    a.op("i64x2.replace_lane", 0)
    a.write(0, a.keep(V128), 128)


@form("MOVDQ2Q mm, xmm", page="2B MOVDQ2Q")
def movdq2q(a: Asm) -> None:
    a.get(a.read(1))
    set_low(a)


@form("MASKMOVQ mm1, mm2", page="2B MASKMOVQ")
def maskmovq(a: Asm) -> None:
    """Stores at [RDI] the bytes of which the mask has the top bit."""
    if a.insn.segment_prefix:
        raise Unlifted("MASKMOVQ with a segment")
    a.gpr(RDI, 32)
    a.op("i64.load", 0)
    old = a.keep(I64)
    new, mask = value(a, 1), value(a, 2)
    a.gpr(RDI, 32)
    push(a, new, old, mask)
    a.op("i32.const", 7)
    a.ops("i8x16.shr_s", "v128.bitselect")
    a.op("i64x2.extract_lane", 0)
    a.op("i64.store", 0)


@form("PMOVMSKB r{32,64}, mm", page="2B PMOVMSKB")
def mask(a: Asm) -> None:
    push(a, value(a, 1))
    a.op("i8x16.bitmask")
    a.op("i32.const", 0xFF)
    a.op("i32.and")
    set_gpr32(a)


@form("PEXTRW r{32,64}, mm, imm{8,8}", page="2B PEXTRW")
def extract(a: Asm) -> None:
    push(a, value(a, 1))
    a.op("i16x8.extract_lane_u", a.immediate(2) & 3)
    set_gpr32(a)


@form("PINSRW mm, r{32,64}/m{16,16}, imm{8,8}", page="2B PINSRW")
def insert(a: Asm) -> None:
    word = a.read(1, 16)
    if a.is_memory(1):
        a.get(word)
        word = a.keep(I32)
    push(a, value(a, 0))
    a.get(word)
    a.op("i16x8.replace_lane", a.immediate(2) & 3)
    set_low(a)


# ---- arithmetic and logic


@form(*(f"{names} mm, mm/m64" for names in (_EARLY, _EARLY_TOO)), f"{_LATE} mm1, mm2/m64", page="2B, under the name")
def binary(a: Asm) -> None:
    name = mnemonic(a)
    x, y = both(a)
    push(a, *((y, x) if name in SWAPPED else (x, y)))
    a.op(BINARY[name])
    set_low(a)


@form("{PACKSSWB,PACKSSDW} mm1, mm2/m64", "PACKUSWB mm, mm/m64", page="2B PACKSSWB, PACKUSWB")
def pack(a: Asm) -> None:
    x = join(a, *both(a))
    a.get(x, x)
    a.op(BINARY[mnemonic(a)])
    set_low(a)


@form("PUNPCK{LBW,LWD,LDQ} mm, mm/m32", "PUNPCK{HBW,HWD,HDQ} mm, mm/m64", page="2B PUNPCKLBW, PUNPCKHBW")
def unpack(a: Asm) -> None:
    half = mnemonic(a).removeprefix("PUNPCK")
    bits = _UNPACKS[half[1:]]
    count = 32 // bits
    first = 0 if half[0] == "L" else count
    push(a, *both(a, 32 if half[0] == "L" else 64))
    a.shuffle(lanes(bits, *(n + side for n in range(first, first + count) for side in (0, 4 * count))) + [0] * 8)
    set_low(a)


@form("PSHUFW mm1, mm2/m64, imm8", page="2B PSHUFW")
def pshufw(a: Asm) -> None:
    x = value(a, 1)
    push(a, x, x)
    a.shuffle(lanes(16, *(a.immediate(2) >> 2 * n & 3 for n in range(4))) + [0] * 8)
    set_low(a)


@form("PMULHW mm, mm/m64", "PMULHUW mm1, mm2/m64", page="2B PMULHW, PMULHUW")
def multiply_high(a: Asm) -> None:
    sign = "s" if mnemonic(a) == "PMULHW" else "u"
    push(a, *both(a))
    a.op(f"i32x4.extmul_low_i16x8_{sign}")
    a.op("i32.const", 16)
    a.op(f"i32x4.shr_{sign}")
    product = a.keep(V128)
    a.get(product, product)
    a.op(f"i16x8.narrow_i32x4_{sign}")
    set_low(a)


@form("PMULUDQ mm1, mm2/m64", page="2B PMULUDQ")
def multiply_wide(a: Asm) -> None:
    for half in both(a):
        a.get(half)
        a.op("i64.const", 0xFFFFFFFF)
        a.op("i64.and")
    a.op("i64.mul")
    set_mm(a)


@form("PSADBW mm1, mm2/m64", page="2B PSADBW")
def sum_of_differences(a: Asm) -> None:
    x, y = both(a)
    push(a, x, y)
    a.op("i8x16.sub_sat_u")
    push(a, y, x)
    a.ops("i8x16.sub_sat_u", "v128.or", "i16x8.extadd_pairwise_i8x16_u", "i32x4.extadd_pairwise_i16x8_u")
    sums = a.keep(V128)
    for lane in range(2):
        a.get(sums)
        a.op("i32x4.extract_lane", lane)
    a.ops("i32.add", "i64.extend_i32_u")
    set_mm(a)


# ---- shifts


@form("{PSRLW,PSRAW,PSRLD,PSRAD,PSLLD,PSRLQ,PSLLQ} mm, imm8", "PSLLW mm1, imm8", page="2B PSLLW, PSRAW, PSRLW")
@form("{PSLLW,PSLLD,PSLLQ,PSRLW,PSRLD,PSRLQ,PSRAW,PSRAD} mm, mm/m64", page="2B PSLLW, PSRAW, PSRLW")
def shift(a: Asm) -> None:
    """By the count in all 64 bits of the source; beyond the lane it gives 0, or for PSRA the sign."""
    name = mnemonic(a)
    shape, bits = SHAPES[name[4]]
    if a.is_immediate(1):
        count, x = a.constant(64, a.immediate(1) & 0xFF), value(a, 0)
    else:
        x, count = both(a)
    arithmetic = name[:4] == "PSRA"
    push(a, x)
    a.get(count)
    if arithmetic:
        a.op("i64.const", bits - 1)
        _below(a, count, bits)
    a.op("i32.wrap_i64")
    a.op(f"{shape}.{SHIFTS[name[:4]]}")
    a.op("i64x2.extract_lane", 0)
    if not arithmetic:
        a.op("i64.const", 0)
        _below(a, count, bits)
    set_mm(a)


def _below(a: Asm, count: Local, bits: int) -> None:
    """Pops two values, pushes the first if the count is below the lane's bits, else the second."""
    a.get(count)
    a.op("i64.const", bits)
    a.ops("i64.lt_u", "select")
