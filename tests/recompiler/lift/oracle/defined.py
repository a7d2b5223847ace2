"""In: an instruction. Out: the flags that the manual defines after it, by CL & 63.

iced's rflags_undefined, corrected by the pages of SDM vol. 2 where it depends on the count.
"""

from __future__ import annotations

from iced_x86 import Instruction, MemorySizeInfo, Mnemonic, OpKind, RegisterInfo

from recompiler.lift.x86.regs import BE, LE, PARTS, A, C, D, L, O, P, S, Z

CF, PF, AF, ZF, SF, DF, OF = 1, 4, 0x10, 0x40, 0x80, 0x400, 0x800
BITS = {C: CF, P: PF, A: AF, Z: ZF, S: SF, D: DF, O: OF, BE: 1 << 32, L: 1 << 33, LE: 1 << 34}
NOTHING = 1 << 63  # the result itself is undefined: the state is skipped
_EVERY = sum(BITS.values())
_ICED = (OF, SF, ZF, AF, CF, PF, DF)  # bits 0.. of RflagsBits
_M = Mnemonic
_SHIFTS = {_M.SHL, _M.SHR, _M.SAR, _M.SAL}
_ROTATES = {_M.ROL, _M.ROR, _M.RCL, _M.RCR}
_DOUBLE = {_M.SHLD, _M.SHRD}


def flags_of(want: int) -> int:
    """A mask of regs.py as bits of RFLAGS, BE L LE at 32..34."""
    return sum(bit for flag, bit in BITS.items() if want & flag)


def defined(insn: Instruction) -> list[int]:
    """For each CL & 63 a mask as flags_of gives."""
    if insn.mnemonic in _SHIFTS | _ROTATES | _DOUBLE:
        size = _size(insn)
        last = insn.op_count - 1
        counts = [insn.immediate8] * 64 if insn.op_kind(last) == OpKind.IMMEDIATE8 else list(range(64))
        return [_mask(_shifted(insn.mnemonic, size, count & (63 if size == 64 else 31))) for count in counts]
    undefined = sum(bit for n, bit in enumerate(_ICED) if insn.rflags_undefined >> n & 1)
    return [_mask(undefined)] * 64


def reads(insn: Instruction) -> int:
    """The flags that it reads, as flags_of."""
    return sum(bit for n, bit in enumerate(_ICED) if insn.rflags_read >> n & 1)


def _shifted(mnemonic: int, size: int, count: int) -> int:
    """What is undefined after a shift or rotation by this many bits."""
    if count == 0:
        return 0
    if mnemonic in _ROTATES:
        return 0 if count == 1 else OF
    if mnemonic in _DOUBLE and count > size:
        return NOTHING
    undefined = AF if count == 1 else AF | OF
    if count >= size and mnemonic in (_M.SHL, _M.SAL, _M.SHR):
        undefined |= CF
    return undefined


# ---- the x87's status word

C0, C1, C2, C3 = 0x100, 0x200, 0x400, 0x4000
CODES = C0 | C1 | C2 | C3
UNDERFLOW, INEXACT = 0x10, 0x20
TURNING = {_M.FSIN, _M.FCOS, _M.FSINCOS, _M.FPTAN}
TRANSCENDENTAL = {_M.F2XM1, _M.FYL2X, _M.FYL2XP1, _M.FPATAN, *TURNING}
_CODES = {
    **dict.fromkeys((_M.FXAM, _M.FPREM, _M.FPREM1, _M.FXSAVE, _M.FXSAVE64, _M.FXRSTOR, _M.FXRSTOR64), CODES),
    **dict.fromkeys((_M.FLDENV, _M.FRSTOR, _M.FNINIT, _M.FNSAVE, _M.EMMS), CODES),
    **dict.fromkeys((_M.FCOM, _M.FCOMP, _M.FCOMPP, _M.FUCOM, _M.FUCOMP, _M.FUCOMPP, _M.FTST), CODES),
    **dict.fromkeys((_M.FICOM, _M.FICOMP), CODES),
    # The manual clears C1, this CPU leaves it.
    **dict.fromkeys((_M.FCOMI, _M.FCOMIP, _M.FUCOMI, _M.FUCOMIP), C0 | C2 | C3),
    **dict.fromkeys((_M.FFREE, _M.FFREEP, _M.FNOP, _M.FNCLEX, _M.WAIT, _M.FLDCW, _M.FNSTCW, _M.FNSTSW), 0),
    _M.FNSTENV: 0,
    **dict.fromkeys((mnemonic for name, mnemonic in vars(_M).items() if name.startswith("FCMOV")), 0),
    **dict.fromkeys(TURNING, C2),  # how the last bit was rounded is the CPU's
    **dict.fromkeys((_M.F2XM1, _M.FYL2X, _M.FYL2XP1, _M.FPATAN), 0),
}


def status(mnemonic: int) -> int:
    """The bits of the x87's status word that the manual defines after an instruction."""
    word = 0xFFFF & ~CODES | _CODES.get(mnemonic, C1)
    return word & ~(UNDERFLOW | INEXACT) if mnemonic in TRANSCENDENTAL else word


def _mask(undefined: int) -> int:
    if undefined & NOTHING:
        return NOTHING
    for flag, parts in PARTS.items():
        if undefined & flags_of(parts):
            undefined |= BITS[flag]
    return _EVERY & ~undefined


def _size(insn: Instruction) -> int:
    if insn.op0_kind == OpKind.REGISTER:
        return int(RegisterInfo(insn.op0_register).size) * 8
    return int(MemorySizeInfo(insn.memory_size).size) * 8
