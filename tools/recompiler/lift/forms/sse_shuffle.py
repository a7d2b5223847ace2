"""Shuffles: each is a list of lanes of destination and source, which the immediate or the name fixes."""

from __future__ import annotations

from recompiler.lift.asm.assembler import Asm
from recompiler.lift.forms import form
from recompiler.lift.forms.lanes import lanes, mnemonic, set_xmm, zero
from recompiler.lift.x86.regs import XMM

_UNPACK_BITS = {"BW": 8, "WD": 16, "DQ": 32, "QDQ": 64, "PS": 32, "PD": 64}


def _fields(immediate: int) -> list[int]:
    """The four 2-bit fields of a shuffle's immediate."""
    return [immediate >> 2 * n & 3 for n in range(4)]


@form(
    *("PUNPCK{LBW,LWD,LDQ,LQDQ,HBW,HWD,HDQ,HQDQ} xmm1, xmm2/m128", "UNPCK{LPS,LPD,HPS,HPD} xmm1, xmm2/m128"),
    page="2B PUNPCKLBW, 2D UNPCKLPS",
)
def unpack(a: Asm) -> None:
    """Lanes of the low, or high, halves of both, alternating."""
    half = mnemonic(a).removeprefix("P").removeprefix("UNPCK")
    bits = _UNPACK_BITS[half[1:]]
    count = 64 // bits
    first = 0 if half[0] == "L" else count
    a.get(a.read(0), a.read(1, 128))
    a.shuffle(lanes(bits, *(n + side for n in range(first, first + count) for side in (0, 2 * count))))
    set_xmm(a)


@form("PSHUFD xmm1, xmm2/m128, imm8", page="2B PSHUFD")
def pshufd(a: Asm) -> None:
    x = a.read(1)
    a.get(x, x)
    a.shuffle(lanes(32, *_fields(a.immediate(2))))
    set_xmm(a)


@form("PSHUFLW xmm1, xmm2/m128, imm8", "PSHUFHW xmm1, xmm2/m128, imm8", page="2B PSHUFLW, PSHUFHW")
def pshufw(a: Asm) -> None:
    """The other half is copied."""
    x = a.read(1)
    a.get(x, x)
    low, high = [0, 1, 2, 3], [4, 5, 6, 7]
    fields = _fields(a.immediate(2))
    a.shuffle(lanes(16, *(fields + high if mnemonic(a) == "PSHUFLW" else low + [4 + field for field in fields])))
    set_xmm(a)


@form("SHUFPS xmm1, xmm2/m128, imm8", "SHUFPD xmm1, xmm2/m128, imm8", page="2B SHUFPS, SHUFPD")
def shufp(a: Asm) -> None:
    """Lower half from the destination, upper half from the source."""
    immediate = a.immediate(2)
    a.get(a.read(0), a.read(1, 128))
    if mnemonic(a) == "SHUFPS":
        w, x, y, z = _fields(immediate)
        a.shuffle(lanes(32, w, x, 4 + y, 4 + z))
    else:
        a.shuffle(lanes(64, immediate & 1, 2 + (immediate >> 1 & 1)))
    set_xmm(a)


@form("MOVSLDUP xmm1, xmm2/m128", "MOVSHDUP xmm1, xmm2/m128", page="2B MOVSLDUP, MOVSHDUP")
def duplicate(a: Asm) -> None:
    x = a.read(1, 128)
    a.get(x, x)
    a.shuffle(lanes(32, 0, 0, 2, 2) if mnemonic(a) == "MOVSLDUP" else lanes(32, 1, 1, 3, 3))
    set_xmm(a)


@form("MOVDDUP xmm1, xmm2/m64", page="2B MOVDDUP")
def movddup(a: Asm) -> None:
    if a.is_memory(1):
        a.op("v128.load64_splat", a.address())
    else:
        x = XMM + a.register(1)[1]
        a.get(x, x)
        a.shuffle(lanes(64, 0, 0))
    set_xmm(a)


@form("PALIGNR xmm1, xmm2/m128, imm8", page="2B PALIGNR")
def palignr(a: Asm) -> None:
    """16 bytes of destination:source from the count on; zeros come in from above."""
    count = a.immediate(2) & 0xFF
    source = a.read(1, 128)
    if count < 16:
        a.get(source, a.read(0))
    else:
        a.get(a.read(0))
        zero(a)
        count = min(count - 16, 16)
    a.shuffle(list(range(count, count + 16)))
    set_xmm(a)


@form("PSHUFB xmm1, xmm2/m128", page="2B PSHUFB")
def pshufb(a: Asm) -> None:
    """Wasm's swizzle gives 0 for every index above 15, x86 only where the top bit is set."""
    a.get(a.read(0), a.read(1, 128))
    a.vector(0x8F8F8F8F8F8F8F8F, 0x8F8F8F8F8F8F8F8F)
    a.ops("v128.and", "i8x16.swizzle")
    set_xmm(a)
