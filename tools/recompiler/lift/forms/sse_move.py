"""Moves between XMM registers, memory and general registers.

MOVAPS, MOVDQA and their like do not check the alignment of memory (docs: quirks); MOVNT* are plain stores.
"""

from __future__ import annotations

from recompiler.lift.asm.assembler import Asm, Unlifted, type_of
from recompiler.lift.forms import form
from recompiler.lift.forms.lanes import (
    SCALARS,
    close_low,
    lanes,
    mnemonic,
    only_low,
    open_low,
    push_bits,
    push_float,
    set_gpr32,
    set_xmm,
    zero,
)
from recompiler.lift.x86.regs import I32, RDI, XMM


@form(
    *("{MOVAPS,MOVUPS,MOVAPD,MOVUPD,MOVDQA,MOVDQU} xmm1, xmm2/m128",),
    *("{MOVAPS,MOVUPS,MOVAPD,MOVUPD,MOVDQA,MOVDQU} xmm2/m128, xmm1",),
    page="2B MOVAPS, MOVDQA",
)
@form("{MOVNTPS,MOVNTPD,MOVNTDQ} m128, xmm1", "{LDDQU,MOVNTDQA} xmm1, m128", page="2B MOVNTDQ")
def whole(a: Asm) -> None:
    a.write(0, a.read(1, 128), 128)


@form("MOVSS xmm1, xmm2/m32", "MOVSD xmm1, xmm2/m64", page="2B MOVSD")
@form("MOVSS xmm2/m32, xmm1", "MOVSD xmm1/m64, xmm2", page="2B MOVSD")
def scalar(a: Asm) -> None:
    """From memory the rest becomes 0; between registers it stays."""
    bits = 64 if mnemonic(a) == "MOVSD" else 32
    if a.is_memory(0):
        _store_low(a, bits)
    elif a.is_memory(1):
        a.op(f"v128.load{bits}_zero", a.address())
        set_xmm(a)
    else:
        open_low(a)
        push_float(a, 1, bits)
        close_low(a, bits)


def _store_low(a: Asm, bits: int, lane: int = 0) -> None:
    offset = a.address()
    type_, shape, _ = SCALARS[bits]
    a.get(XMM + a.register(1)[1])
    a.op(f"{shape}.extract_lane", lane)
    a.op(f"{type_}.store", offset)


@form("MOVQ xmm1, xmm2/m64", "MOVQ xmm2/m64, xmm1", page="2B MOVQ")
def movq(a: Asm) -> None:
    if a.is_memory(0):
        _store_low(a, 64)
    elif a.is_memory(1):
        a.op("v128.load64_zero", a.address())
        set_xmm(a)
    else:
        a.get(XMM + a.register(1)[1])
        zero(a)
        a.shuffle(lanes(64, 0, 2))
        set_xmm(a)


@form("MOVD xmm, r/m32", "MOVQ xmm, r/m64", page="2B MOVD/MOVQ")
def to_xmm(a: Asm) -> None:
    bits = 32 if mnemonic(a) == "MOVD" else 64
    if a.is_memory(1):
        a.op(f"v128.load{bits}_zero", a.address())
    else:
        a.gpr(a.register(1)[1], bits)
        a.op(f"{SCALARS[bits][0]}.reinterpret_{SCALARS[bits][2]}")
        only_low(a, bits)
    set_xmm(a)


@form("MOVD r/m32, xmm", "MOVQ r/m64, xmm", page="2B MOVD/MOVQ")
def from_xmm(a: Asm) -> None:
    bits = 32 if mnemonic(a) == "MOVD" else 64
    if a.is_memory(0):
        _store_low(a, bits)
        return
    push_bits(a, 1, bits)
    a.write(0, a.keep(type_of(bits)), bits)


@form("MOVHLPS xmm1, xmm2", page="2B MOVHLPS")
def movhlps(a: Asm) -> None:
    a.get(a.read(1), a.read(0))
    a.shuffle(lanes(64, 1, 3))
    set_xmm(a)


@form("MOVLHPS xmm1, xmm2", page="2B MOVLHPS")
def movlhps(a: Asm) -> None:
    a.get(a.read(0), a.read(1))
    a.shuffle(lanes(64, 0, 2))
    set_xmm(a)


@form("{MOVLPS,MOVLPD,MOVHPS,MOVHPD} xmm1, m64", page="2B MOVHPD, MOVLPD")
def half_load(a: Asm) -> None:
    """Replaces one half of the register."""
    open_low(a)
    a.op("f64.load", a.address())
    a.op("f64x2.replace_lane", int(mnemonic(a).startswith("MOVH")))
    set_xmm(a)


@form("{MOVLPS,MOVLPD,MOVHPS,MOVHPD} m64, xmm1", page="2B MOVHPD, MOVLPD")
def half_store(a: Asm) -> None:
    _store_low(a, 64, int(mnemonic(a).startswith("MOVH")))


@form("{MOVMSKPS,MOVMSKPD,PMOVMSKB} r32, xmm", "{MOVMSKPS,MOVMSKPD,PMOVMSKB} r64, xmm", page="2B MOVMSKPD, PMOVMSKB")
def mask(a: Asm) -> None:
    a.get(a.read(1))
    a.op({"MOVMSKPS": "i32x4", "MOVMSKPD": "i64x2", "PMOVMSKB": "i8x16"}[mnemonic(a)] + ".bitmask")
    set_gpr32(a)


_LANE_OF = {"B": "i8x16", "W": "i16x8", "D": "i32x4", "Q": "i64x2"}
_LANE_BITS = {"B": 8, "W": 16, "D": 32, "Q": 64}


@form("PINSRB xmm1, r{32,64}/m{8,8}, imm{8,8}", "PINSRW xmm, r{32,64}/m{16,16}, imm{8,8}", page="2B PINSRB, PINSRW")
@form("PINSR{D,Q} xmm1, r/m{32,64}, imm{8,8}", page="2B PINSRB/PINSRD/PINSRQ")
def insert(a: Asm) -> None:
    letter = mnemonic(a)[-1]
    bits = _LANE_BITS[letter]
    number = a.immediate(2) & 128 // bits - 1
    open_low(a)
    if a.is_memory(1):
        a.load(1, bits)
    else:
        a.gpr(a.register(1)[1], bits)
    a.op(f"{_LANE_OF[letter]}.replace_lane", number)
    set_xmm(a)


@form("PEXTRW r{32,64}, xmm, imm{8,8}", page="2B PEXTRW")
@form("PEXTRB r{32,64}/m{8,8}, xmm2, imm{8,8}", "PEXTRW r{32,64}/m{16,16}, xmm, imm{8,8}", page="2B PEXTRB, PEXTRW")
@form("PEXTR{D,Q} r/m{32,64}, xmm2, imm{8,8}", page="2B PEXTRB/PEXTRD/PEXTRQ")
@form("EXTRACTPS r/m32, xmm1, imm8", "EXTRACTPS r64/m32, xmm1, imm8", page="2A EXTRACTPS")
def extract(a: Asm) -> None:
    """A register is written whole, of 64 bits too: what is above the lane becomes 0."""
    name = mnemonic(a)
    letter = "D" if name == "EXTRACTPS" else name[-1]
    bits = _LANE_BITS[letter]
    number = a.immediate(2) & 128 // bits - 1
    a.get(a.read(1, 128))
    a.op(f"{_LANE_OF[letter]}.extract_lane" + ("_u" if bits < 32 else ""), number)
    value = a.keep(type_of(bits))
    if a.is_memory(0):
        a.store(0, value, bits)
    else:
        a.set_gpr(a.register(0)[1], max(bits, 32), value)


@form("MASKMOVDQU xmm1, xmm2", page="2B MASKMOVDQU")
def maskmovdqu(a: Asm) -> None:
    """Stores at [RDI] the bytes of which the mask has the top bit. Like this CPU it faults where any byte would."""
    if a.insn.segment_prefix:
        raise Unlifted("MASKMOVDQU with a segment")
    a.gpr(RDI, 32)
    address = a.keep(I32)
    a.get(address, XMM + a.register(1)[1], address)
    a.op("v128.load", 0)
    a.get(XMM + a.register(2)[1])
    a.op("i32.const", 7)
    a.ops("i8x16.shr_s", "v128.bitselect")
    a.op("v128.store", 0)
