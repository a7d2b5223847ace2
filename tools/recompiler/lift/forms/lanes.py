"""Operands of vector instructions: registers and memory in, lanes on wasm's stack, and lane 0 back into a register.

A scalar instruction changes lane 0 and keeps the rest. What wasm's compiler makes of each way was looked at in its
machine code: replace_lane of a float is one move between registers, of an integer a slower insertion; the same holds
for extract_lane; so integers pass through reinterpretation.
"""

from __future__ import annotations

from recompiler.lift.asm.assembler import Asm, Local
from recompiler.lift.x86.regs import F32, F64, I32, V128, XMM

# Bits of a scalar -> (its wasm type, the shape of a vector of them, integer of that size)
SCALARS = {32: ("f32", "f32x4", "i32"), 64: ("f64", "f64x2", "i64")}


def scalar_bits(a: Asm) -> int:
    """64 for ...SD, 32 for ...SS."""
    return 64 if mnemonic(a).endswith("SD") else 32


def mnemonic(a: Asm) -> str:
    """The manual's name of the instruction: the first word of its row."""
    return a.insn.op_code().instruction_string.partition(" ")[0]


def push_float(a: Asm, i: int, bits: int) -> None:
    """Pushes lane 0 of operand i, or memory, as f32 or f64."""
    type_, shape, _ = SCALARS[bits]
    if a.is_memory(i):
        a.op(f"{type_}.load", a.address())
    else:
        a.get(XMM + a.register(i)[1])
        a.op(f"{shape}.extract_lane", 0)


def push_bits(a: Asm, i: int, bits: int) -> None:
    """Pushes lane 0 of register operand i as i32 or i64."""
    push_float(a, i, bits)
    a.op(f"{SCALARS[bits][2]}.reinterpret_{SCALARS[bits][0]}")


def low_vector(a: Asm, i: int, bits: int) -> Local:
    """A v128 whose lane 0 is operand i's; its other lanes are the register's, or 0."""
    if not a.is_memory(i):
        return XMM + a.register(i)[1]
    a.op(f"v128.load{bits}_zero", a.address())
    return a.keep(V128)


def zero(a: Asm) -> None:
    """Pushes a v128 of zeros."""
    a.vector(0, 0)


def only_low(a: Asm, bits: int) -> None:
    """Pops an f32 or f64, pushes a v128 with it in lane 0 and zeros above."""
    value = a.keep(F32 if bits == 32 else F64)
    zero(a)
    a.get(value)
    a.op(f"{SCALARS[bits][1]}.replace_lane", 0)


def open_low(a: Asm, i: int = 0) -> None:
    """Pushes the register of operand i, of which close_low will replace lane 0 by what is pushed between."""
    a.get(XMM + a.register(i)[1])


def close_low(a: Asm, bits: int, i: int = 0) -> None:
    """Pops a float and the register under it; writes the register."""
    a.op(f"{SCALARS[bits][1]}.replace_lane", 0)
    set_xmm(a, i)


def set_xmm(a: Asm, i: int = 0) -> None:
    """Pops a v128 into the register of operand i."""
    a.set(XMM + a.register(i)[1])


def set_gpr32(a: Asm, i: int = 0) -> None:
    """Pops an i32 into the general register of operand i, of 32 or 64 bits: the upper half becomes 0."""
    a.set_gpr(a.register(i)[1], 32, a.keep(I32))


def lanes(bits: int, *numbers: int) -> list[int]:
    """Bytes of a shuffle that moves lanes of this many bits."""
    width = bits // 8
    return [number * width + byte for number in numbers for byte in range(width)]
