"""x87: arithmetic, comparison with the status word, and the instructions on ST(0)."""

from __future__ import annotations

from recompiler.lift.asm.assembler import Asm
from recompiler.lift.forms import form
from recompiler.lift.forms.lanes import mnemonic
from recompiler.lift.forms.x87_move import call_x87, pop, push_integer, sti

# As numbered in the opcode, and in csrc/x87.
_OPERATIONS = {"ADD": 0, "MUL": 1, "SUB": 4, "SUBR": 5, "DIV": 6, "DIVR": 7}
_NAMES = ",".join(_OPERATIONS)


def _operation(a: Asm) -> int:
    name = mnemonic(a)
    return _OPERATIONS[name[2 if name.startswith("FI") else 1 :].removesuffix("P")]


@form(f"F{{{_NAMES}}} m32fp", f"F{{{_NAMES}}} m64fp", page="2A FADD, FSUB")
def with_float(a: Asm) -> None:
    bits = a.size(0)
    a.op("i32.const", _operation(a))
    a.load(0, bits)
    call_x87(a, "arithmetic_single" if bits == 32 else "arithmetic_double")


@form(f"FI{{{_NAMES}}} m16int", f"FI{{{_NAMES}}} m32int", page="2A FADD, FSUB")
def with_integer(a: Asm) -> None:
    a.op("i32.const", _operation(a))
    push_integer(a, a.size(0))
    call_x87(a, "arithmetic_integer")


@form(f"F{{{_NAMES}}} ST(0), ST(i)", page="2A FADD, FSUB")
def to_top(a: Asm) -> None:
    call_x87(a, "arithmetic", _operation(a), 0, sti(a))


@form(f"F{{{_NAMES}}} ST(i), ST(0)", f"F{{{_NAMES}}}P ST(i), ST(0)", page="2A FADD, FSUB")
def from_top(a: Asm) -> None:
    call_x87(a, "arithmetic", _operation(a), sti(a), 0)
    if mnemonic(a).endswith("P"):
        pop(a)


# ---- comparison


@form("FCOM m32fp", "FCOMP m32fp", "FCOM m64fp", "FCOMP m64fp", page="2A FCOM")
def compare_float(a: Asm) -> None:
    bits = a.size(0)
    a.load(0, bits)
    call_x87(a, "compare_single" if bits == 32 else "compare_double")
    _pops(a)


@form("FICOM m16int", "FICOMP m16int", "FICOM m32int", "FICOMP m32int", page="2A FICOM")
def compare_integer(a: Asm) -> None:
    push_integer(a, a.size(0))
    call_x87(a, "compare_integer")
    _pops(a)


@form("FCOM ST(i)", "FCOMP ST(i)", "FUCOM ST(i)", "FUCOMP ST(i)", "FCOMPP", "FUCOMPP", page="2A FCOM, FUCOM")
def compare_register(a: Asm) -> None:
    name = mnemonic(a)
    call_x87(a, "compare", 1 if name.endswith("PP") else sti(a), int(name.startswith("FU")), 1)
    a.op("drop")
    _pops(a)


def _pops(a: Asm) -> None:
    name = mnemonic(a)
    pop(a, 2 if name.endswith("PP") else int(name.endswith("P")))


@form("FTST", page="2A FTST")
def ftst(a: Asm) -> None:
    a.op("i64.const", 0)
    call_x87(a, "compare_integer")


# ---- ST(0), by the second byte of the opcode

_UNARY = {
    "FCHS": 0xE0,
    "FABS": 0xE1,
    "FXAM": 0xE5,
    "FXTRACT": 0xF4,
    "FPREM1": 0xF5,
    "FPREM": 0xF8,
    "FSQRT": 0xFA,
    "FRNDINT": 0xFC,
    "FSCALE": 0xFD,
}


@form("{" + ",".join(_UNARY) + "}", page="2A, under the name")
def unary(a: Asm) -> None:
    call_x87(a, "unary", _UNARY[mnemonic(a)])


_CURVES = {"F2XM1": 0xF0, "FPTAN": 0xF2, "FSINCOS": 0xFB, "FSIN": 0xFE, "FCOS": 0xFF}
_CURVES_OF_TWO = {"FYL2X": 0xF1, "FPATAN": 0xF3, "FYL2XP1": 0xF9}


@form("{" + ",".join(_CURVES) + "}", page="2A, under the name; volume 1, 8.3.10")
def curve(a: Asm) -> None:
    call_x87(a, "curve", _CURVES[mnemonic(a)])


@form("{" + ",".join(_CURVES_OF_TWO) + "}", page="2A, under the name; volume 1, 8.3.10")
def curve_of_two(a: Asm) -> None:
    call_x87(a, "curve_of_two", _CURVES_OF_TWO[mnemonic(a)])
