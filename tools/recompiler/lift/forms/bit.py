"""Single bits: tests, scans, counts.

TZCNT, LZCNT and POPCNT are what they are on every CPU that has them, although CPUID names none: compilers write
`rep bsf` where BSF and TZCNT agree, and a program that does not ask must find what its compiler meant.
"""

from __future__ import annotations

from recompiler.lift.asm import flags
from recompiler.lift.asm.assembler import Asm, Local, t, type_of
from recompiler.lift.forms import form
from recompiler.lift.x86.regs import GPR, I32, PRIMITIVE, C, Z

_HOW = {"BT": "", "BTS": "or", "BTR": "andnot", "BTC": "xor"}


@form(
    *(f"{name} r/m{{16,32,64}}, {last}" for name in _HOW for last in ("r{16,32,64}", "imm{8,8,8}")),
    page="2A BT, BTC, BTR, BTS",
)
def bit_test(a: Asm) -> None:
    """C is the bit. A register is a signed offset: the bit of memory may lie far from the operand."""
    size = a.size(0)
    word = t(size)
    if a.is_immediate(1):
        a.const(size, a.immediate(1) & (size - 1))
        n = a.keep(type_of(size))
        if a.is_memory(0):
            a.hold_address()
    else:
        n = a.read(1, size)
        if a.is_memory(0):
            a.move_address(lambda: _cell(a, size, n))
        if size == 16:  # wasm takes the count modulo 32, or 64
            a.get(n)
            a.op("i32.const", 15)
            a.op("i32.and")
            n = a.keep(I32)
    x = a.read(0, size)
    if flags.needed(a, C, 0):
        a.get(x, n)
        a.op(f"{word}.shr_u")
        if size == 64:
            a.op("i32.wrap_i64")
        a.op("i32.const", 1)
        a.op("i32.and")
        a.flag(C)
        flags.composites(a, C)
    how = _HOW[a.insn.op_code().instruction_string.split()[0]]
    if not how:
        return
    a.get(x)
    a.const(size, 1)
    a.get(n)
    a.op(f"{word}.shl")
    if how == "andnot":
        a.const(size, -1)
        a.ops(f"{word}.xor", f"{word}.and")
    else:
        a.op(f"{word}.{how}")
    a.write(0, a.keep(type_of(size)), size)


def _cell(a: Asm, size: int, n: Local) -> None:
    """Pushes the distance in bytes of the operand that holds bit n."""
    a.get(n)
    if size == 64:
        a.op("i64.const", 6)
        a.ops("i64.shr_s", "i32.wrap_i64")
    else:
        if size == 16:
            a.op("i32.extend16_s")
        a.op("i32.const", size.bit_length() - 1)
        a.op("i32.shr_s")
    a.op("i32.const", (size // 8).bit_length() - 1)
    a.op("i32.shl")


@form("{BSF,BSF,BSF,BSR,BSR,BSR} r{16,32,64,16,32,64}, r/m{16,32,64,16,32,64}", page="2A BSF, BSR")
def bit_scan(a: Asm) -> None:
    """Z: the source is 0; then the whole register stays as it was, which the manual leaves open and CPUs do."""
    size = a.size(0)
    word = t(size)
    x = a.read(1, size)
    number = a.register(0)[1]
    a.get(x)
    if a.insn.op_code().instruction_string.startswith("BSF"):
        a.op(f"{word}.ctz")
    else:
        a.op(f"{word}.clz")
        a.const(size, 63 if size == 64 else 31)
        a.op(f"{word}.xor")
    if size != 64:
        a.op("i64.extend_i32_u")
    if size == 16:
        a.gpr(number)
        a.op("i64.const", ~0xFFFF)
        a.ops("i64.and", "i64.or")
    a.gpr(number)
    a.get(x)
    if size == 64:
        a.op("i64.const", 0)
        a.op("i64.ne")
    a.op("select")
    if flags.needed(a, Z, 0):
        flags.zero(a, size, x)
        flags.composites(a, Z)
    a.set(GPR + number)


@form("{TZCNT,TZCNT,TZCNT,LZCNT,LZCNT,LZCNT} r{16,32,64,16,32,64}, r/m{16,32,64,16,32,64}", page="2 TZCNT, LZCNT")
def zero_count(a: Asm) -> None:
    """C: the source is 0; Z: the count is 0."""
    size = a.size(0)
    x = a.read(1, size)
    a.get(x)
    if a.insn.op_code().instruction_string.startswith("TZCNT"):
        if size == 16:
            a.op("i32.const", 1 << 16)
            a.op("i32.or")
        a.op(f"{t(size)}.ctz")
    else:
        a.op(f"{t(size)}.clz")
        if size == 16:
            a.op("i32.const", 16)
            a.op("i32.sub")
    r = a.keep(type_of(size))
    need = flags.needed(a, C | Z, 0)
    if need & C:
        a.get(x)
        a.op(f"{t(size)}.eqz")
        a.flag(C)
    if need & Z:
        flags.zero(a, size, r)
    flags.composites(a, C | Z)
    a.write(0, r)


@form("POPCNT r{16,32,64}, r/m{16,32,64}", page="2B POPCNT")
def popcnt(a: Asm) -> None:
    size = a.size(0)
    x = a.read(1, size)
    a.get(x)
    a.op(f"{t(size)}.popcnt")
    r = a.keep(type_of(size))
    need = flags.needed(a, PRIMITIVE, 0)
    for n in range(6):
        if need & 1 << n & ~Z:
            a.op("i32.const", 0)
            a.flag(1 << n)
    if need & Z:
        flags.zero(a, size, x)
    flags.composites(a, PRIMITIVE)
    a.write(0, r)
