"""x87: loads, stores, constants, moves between registers. The unit itself is csrc/x87.

A store pops after it was written, so that a fault leaves the stack as it was.
"""

from __future__ import annotations

from recompiler.lift.asm import flags
from recompiler.lift.asm.assembler import Asm
from recompiler.lift.forms import form
from recompiler.lift.forms.lanes import mnemonic
from recompiler.lift.x86.names import REGISTERS
from recompiler.lift.x86.regs import I32, I64, A, C, O, P, S, Z

# Significand, its next two bits (the second: any bit beyond), sign and exponent.
_CONSTANTS = {
    "FLD1": (0x8000000000000000, 0, 0x3FFF),
    "FLDL2T": (0xD49A784BCD1B8AFE, 1, 0x4000),
    "FLDL2E": (0xB8AA3B295C17F0BB, 3, 0x3FFF),
    "FLDPI": (0xC90FDAA22168C234, 3, 0x4000),
    "FLDLG2": (0x9A209A84FBCFF798, 3, 0x3FFD),
    "FLDLN2": (0xB17217F7D1CF79AB, 3, 0x3FFE),
    "FLDZ": (0, 0, 0),
}


def sti(a: Asm) -> int:
    """i of the operand ST(i), beside which there may be ST(0)."""
    registers = [a.insn.op_register(operand) for operand in range(a.insn.op_count)]
    return max((REGISTERS[register][1] for register in registers if register), default=0)


def call_x87(a: Asm, name: str, *arguments: int) -> None:
    """A function of csrc/x87 with constants, after what is on the stack."""
    for value in arguments:
        a.op("i32.const", value)
    a.call(f"x87_{name}")


def pop(a: Asm, count: int = 1) -> None:
    """The register stack loses its top."""
    for _ in range(count):
        call_x87(a, "pop")


def push_integer(a: Asm, bits: int) -> None:
    """Pushes an integer in memory as an i64."""
    a.op({16: "i64.load16_s", 32: "i64.load32_s", 64: "i64.load"}[bits], a.address())


# ---- loads


@form("FLD m32fp", "FLD m64fp", page="2A FLD")
def fld(a: Asm) -> None:
    bits = a.size(0)
    a.load(0, bits)
    call_x87(a, "push_single" if bits == 32 else "push_double")


@form("FLD m80fp", page="2A FLD")
def fld80(a: Asm) -> None:
    _push_ten(a, "push_extended")


@form("FBLD m80bcd", page="2A FBLD")
def fbld(a: Asm) -> None:
    _push_ten(a, "push_decimal")


def _push_ten(a: Asm, name: str) -> None:
    a.hold_address()
    a.op("i64.load", a.address())
    a.op("i32.load16_u", a.address() + 8)
    call_x87(a, name)


@form("FILD m16int", "FILD m32int", "FILD m64int", page="2A FILD")
def fild(a: Asm) -> None:
    push_integer(a, a.size(0))
    call_x87(a, "push_integer")


@form("FLD ST(i)", page="2A FLD")
def fld_register(a: Asm) -> None:
    call_x87(a, "push_register", sti(a))


@form("{" + ",".join(_CONSTANTS) + "}", page="2A FLD1/FLDL2T/FLDL2E/FLDPI/FLDLG2/FLDLN2/FLDZ")
def constant(a: Asm) -> None:
    significand, more, exponent = _CONSTANTS[mnemonic(a)]
    a.const(64, significand)
    call_x87(a, "push_constant", more, exponent)


# ---- stores


@form("FST m32fp", "FSTP m32fp", "FST m64fp", "FSTP m64fp", page="2A FST/FSTP")
def fst(a: Asm) -> None:
    bits = a.size(0)
    call_x87(a, "single" if bits == 32 else "double")
    a.store(0, a.keep(I32 if bits == 32 else I64), bits)
    if mnemonic(a) == "FSTP":
        pop(a)


@form("FSTP m80fp", page="2A FST/FSTP")
def fstp80(a: Asm) -> None:
    _store_ten(a, "extended")


@form("FBSTP m80bcd", page="2A FBSTP")
def fbstp(a: Asm) -> None:
    _store_ten(a, "decimal")


def _store_ten(a: Asm, name: str) -> None:
    a.hold_address()
    call_x87(a, f"{name}_high")
    high = a.keep(I32)
    call_x87(a, name)
    low = a.keep(I64)
    a.op("i64.load", a.address())  # a fault of either part comes before the other is written
    a.op("drop")
    offset = a.address()
    a.get(high)
    a.op("i32.store16", offset + 8)
    offset = a.address()
    a.get(low)
    a.op("i64.store", offset)
    pop(a)


@form("FIST m{16,32}int", "FISTP m{16,32,64}int", "FISTTP m{16,32,64}int", page="2A FIST/FISTP, FISTTP")
def fist(a: Asm) -> None:
    bits = a.size(0)
    call_x87(a, "integer", bits, int(mnemonic(a) == "FISTTP"))
    value = a.keep(I64)
    offset = a.address()
    a.get(value)
    a.op({16: "i64.store16", 32: "i64.store32", 64: "i64.store"}[bits], offset)
    if mnemonic(a) != "FIST":
        pop(a)


@form("FST ST(i)", "FSTP ST(i)", page="2A FST/FSTP")
def fst_register(a: Asm) -> None:
    call_x87(a, "store", sti(a))
    if mnemonic(a) == "FSTP":
        pop(a)


# ---- between registers


@form("FXCH ST(i)", page="2A FXCH")
def fxch(a: Asm) -> None:
    call_x87(a, "exchange", sti(a))


@form("FFREE ST(i)", "FFREEP ST(i)", page="2A FFREE")
def ffree(a: Asm) -> None:
    call_x87(a, "free", sti(a))
    if mnemonic(a) == "FFREEP":
        pop(a)


@form("FINCSTP", "FDECSTP", page="2A FINCSTP, FDECSTP")
def turn(a: Asm) -> None:
    call_x87(a, "turn", 1 if mnemonic(a) == "FINCSTP" else 7)


_CONDITIONS = {"B": (C,), "E": (Z,), "BE": (C, Z), "U": (P,)}


@form("FCMOV{B,E,BE,U,NB,NE,NBE,NU} ST(0), ST(i)", page="2A FCMOVcc")
def fcmov(a: Asm) -> None:
    name = mnemonic(a).removeprefix("FCMOV")
    a.op("i32.const", sti(a))
    for number, flag in enumerate(_CONDITIONS[name.removeprefix("N")]):
        a.get_flag(flag)
        if number:
            a.op("i32.or")
    if name.startswith("N"):
        a.op("i32.eqz")
    call_x87(a, "move")


# ---- comparison


@form("FCOMI ST, ST(i)", "FUCOMI ST, ST(i)", "FCOMIP ST, ST(i)", "FUCOMIP ST, ST(i)", page="2A FCOMI")
def fcomi(a: Asm) -> None:
    """C0 C2 C3 (bits 8, 10, 14) of the comparison go to C P Z."""
    name = mnemonic(a)
    call_x87(a, "compare", sti(a), int(name.startswith("FU")), 0)
    codes = a.keep(I32)
    if name.endswith("P"):
        pop(a)
    set_flags(a, {C: (codes, 8), P: (codes, 10), Z: (codes, 14), A: None, S: None, O: None})


def set_flags(a: Asm, bits: dict[int, tuple[int, int] | None]) -> None:
    """Flags out of bits of locals, or 0; and the composites of them."""
    need = flags.needed(a, sum(bits), 0)
    for flag, source in bits.items():
        if not need & flag:
            continue
        if source is None:
            a.op("i32.const", 0)
        else:
            a.get(source[0])
            a.op("i32.const", source[1])
            a.op("i32.shr_u")
            a.op("i32.const", 1)
            a.op("i32.and")
        a.flag(flag)
    flags.composites(a, sum(bits))
