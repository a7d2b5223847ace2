"""In: an instruction. Out: the task for cpu.c: where its memory operands may lie, ranges of counts, defined flags."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence

from iced_x86 import Code, InstructionInfoFactory, MemorySizeInfo, Mnemonic, OpKind, Register, RegisterInfo

from recompiler.lift.x86.decode import FPU, Facts
from tests.recompiler.lift.oracle.defined import CODES, TRANSCENDENTAL, TURNING, defined, status
from tests.recompiler.lift.oracle.encode import BITS, CODE, FS, GS

STATES = 2048  # room in the shared file
DATA = 1024
PAGE = 4096


class Operand(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_int32) for name in ("used", "base", "index", "scale", "before", "after", "align")),
        *((name, ctypes.c_int32) for name in ("address_bits", "index_bits", "strict")),
        ("displacement", ctypes.c_int64),
    ]


class Range(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_int32) for name in ("gpr", "bits", "share", "pad")),
        ("low", ctypes.c_int64),
        ("high", ctypes.c_int64),
    ]


class Task(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_uint64) for name in ("seed", "n", "code_size", "fs", "gs")),
        ("code", ctypes.c_uint8 * 1024),
        ("operands", Operand * 2),
        ("ranges", Range * 8),
        ("fault_share", ctypes.c_uint64),
        ("defined", ctypes.c_uint64 * 64),
        *((name, ctypes.c_uint64) for name in ("wanted", "approximate", "nans", "memory_after", "flat", "x87")),
        *((name, ctypes.c_uint64) for name in ("status", "ulps", "partial", "decimal", "odd", "exam")),
        ("domain", ctypes.c_double),
        *((name, ctypes.c_uint64) for name in ("mxcsr", "bases", "half", "early")),
        ("mxcsr_at", ctypes.c_int64),
        ("ignored", ctypes.c_uint8 * 64),
        *((name, ctypes.c_uint64) for name in ("compared", "faulted")),
    ]


class State(ctypes.Structure):
    _fields_ = [
        ("gpr", ctypes.c_uint64 * 16),
        ("flags", ctypes.c_uint64),
        ("fault", ctypes.c_uint32),
        ("pad", ctypes.c_uint32),
        ("fault_pc", ctypes.c_uint64),
        ("pad2", ctypes.c_uint64),
        ("fx", ctypes.c_uint8 * 512),
        ("data", ctypes.c_uint8 * DATA),
    ]


class Shared(ctypes.Structure):
    _fields_ = [
        ("task", Task),
        ("room", ctypes.c_uint8 * (PAGE - ctypes.sizeof(Task))),
        ("inputs", State * STATES),
        ("native", State * STATES),
        ("lifted", State * STATES),
    ]


SEGMENTS = {Register.FS: FS, Register.GS: GS}
# Rounding to nearest mostly; down, up, to zero; denormals flushed on both sides.
MXCSR = (0x1F80, 0x1F80, 0x1F80, 0x3F80, 0x5F80, 0x7F80, 0x9FC0)
# What of them faults is the CPU's: bytes of a masked store that are not stored; a word of which some read two.
EARLY = {Code.ENTERQ_IMM16_IMM8, Code.MASKMOVDQU_RDI_XMM_XMM, Code.MASKMOVQ_RDI_MM_MM, Code.MOVSXD_R16_RM16}
BASES = {Mnemonic.WRFSBASE, Mnemonic.WRGSBASE}
SCANS = {Code.BSF_R32_RM32, Code.BSR_R32_RM32}
# Operations between lanes of one register: the manual does not say which operand comes first.
ACROSS = {Mnemonic.HADDPS: 4, Mnemonic.HSUBPS: 4, Mnemonic.HADDPD: 8, Mnemonic.HSUBPD: 8}
APPROXIMATE = {Mnemonic.RCPSS, Mnemonic.RCPPS, Mnemonic.RSQRTSS, Mnemonic.RSQRTPS}
MXCSR_AT = {Mnemonic.LDMXCSR: 0, Mnemonic.FXRSTOR: 24, Mnemonic.FXRSTOR64: 24}
# Bytes of the memory operand that are the CPU's own: pointers and opcode of the last x87 instruction, reserved halves,
# the mask of MXCSR.
_POINTERS = (range(2, 4), range(6, 8), range(10, 28))
_FXSAVE = (range(5, 24), range(28, 32), *(range(at + 10, at + 16) for at in range(32, 160, 16)), range(416, 464))
IGNORED = {
    **dict.fromkeys((Mnemonic.FXSAVE, Mnemonic.FXSAVE64), _FXSAVE),
    **dict.fromkeys((Mnemonic.FNSTENV, Mnemonic.FNSAVE), _POINTERS),
}
_INFO = InstructionInfoFactory()
_LONGEST_RUN = 20  # elements of a repeated string instruction
# Memory operands of 16 bytes that need not be aligned, and those whose misalignment lifted code refuses as the CPU
# does; misaligned operands of other forms are a fault of the CPU that lifted code does not have (docs/forms.md).
UNALIGNED = {Mnemonic.MOVUPS, Mnemonic.MOVUPD, Mnemonic.MOVDQU, Mnemonic.LDDQU}
CHECKED = {Mnemonic.CMPXCHG16B}
_DIVIDE = {Mnemonic.DIV, Mnemonic.IDIV}
RCX, RDX, RSP = 1, 2, 4


def clear(task: Task, code: bytes, seed: int, n: int) -> None:
    """A task without operands, ranges or flags."""
    ctypes.memset(ctypes.byref(task), 0, ctypes.sizeof(task))
    task.seed, task.n, task.code_size, task.fs, task.gs = seed, n, len(code), FS, GS
    task.code[: len(code)] = list(code)
    task.wanted = (1 << 63) - 1
    task.mxcsr = MXCSR[seed % len(MXCSR)]
    task.mxcsr_at = -1
    for each in task.ranges:
        each.gpr = -1


def plan(task: Task, facts: Facts, seed: int, n: int, fault_share: int, every: bool) -> None:
    """Fills the task for an instruction at CODE. every: also what CPUs are known, or feared, to disagree on."""
    insn = facts.insn
    clear(task, facts.raw, seed, n)
    task.fault_share = fault_share
    task.x87 = bool((facts.reads | facts.writes) & FPU)
    _x87(task, insn.mnemonic, every)
    if insn.mnemonic in BASES:
        task.bases = 1 << _number(insn.op0_register)
    elif insn.code in SCANS:
        task.half = 1 + _number(insn.op0_register)
    task.early = insn.code in EARLY
    task.mxcsr_at = MXCSR_AT.get(insn.mnemonic, -1)
    task.approximate = insn.mnemonic in APPROXIMATE
    task.nans = 0 if every else ACROSS.get(insn.mnemonic, 0)
    task.ignored[:] = list(sum(1 << n for each in IGNORED.get(insn.mnemonic, ()) for n in each).to_bytes(64, "little"))
    task.defined[:] = defined(insn)
    repeated = insn.is_string_instruction and (insn.has_rep_prefix or insn.has_repne_prefix)
    # A run that faults half-way has written what came before; see docs/forms.md.
    task.memory_after = not repeated
    task.flat = insn.is_string_instruction
    _operands(task, facts, repeated)
    if repeated:
        count = 0xFFFFFFFF if insn.op0_kind in _NARROW or insn.op1_kind in _NARROW else 0
        _range(task, 0, RCX, 0, _LONGEST_RUN, bits=32 if count else 64)
    elif insn.mnemonic in BITS and insn.op0_kind == OpKind.MEMORY and insn.op1_kind == OpKind.REGISTER:
        register = RegisterInfo(insn.op1_register)
        _range(task, 0, RegisterInfo(register.full_register).number, -1000, 1000, bits=register.size * 8)
    elif insn.mnemonic in _DIVIDE:
        _range(task, 0, RDX, -2, 2, share=128)


def _x87(task: Task, mnemonic: int, every: bool) -> None:
    task.odd = every
    task.status = status(mnemonic)
    task.ulps = mnemonic in TRANSCENDENTAL
    task.partial = mnemonic in (Mnemonic.FPREM, Mnemonic.FPREM1)
    task.exam = mnemonic == Mnemonic.FXAM
    task.decimal = mnemonic == Mnemonic.FBLD
    task.domain = {Mnemonic.F2XM1: 1.0, Mnemonic.FYL2XP1: 0.29}.get(mnemonic, 0.0)
    if mnemonic in TURNING and not every:
        task.domain = 2.0**32  # the reduction of greater angles


def plan_blocks(task: Task, facts: Sequence[Facts], ranges: Mapping[int, tuple[int, int]], seed: int, n: int) -> None:
    """Fills the task for instructions in a row, which begin at CODE."""
    clear(task, b"".join(each.raw for each in facts), seed, n)
    task.x87 = any((each.reads | each.writes) & FPU for each in facts)
    task.status = 0xFFFF & ~CODES
    task.memory_after = True
    task.defined[:] = [(1 << 63) - 1] * 64
    for number, (register, (low, high)) in enumerate(ranges.items()):
        _range(task, number, register, low, high)


_NARROW = {OpKind.MEMORY_SEG_ESI, OpKind.MEMORY_SEG_EDI, OpKind.MEMORY_ESEDI}


def _range(task: Task, number: int, gpr: int, low: int, high: int, *, bits: int = 64, share: int = 256) -> None:
    each = task.ranges[number]
    each.gpr, each.low, each.high, each.bits, each.share = gpr, low, high, bits, share


def _operands(task: Task, facts: Facts, repeated: bool) -> None:
    insn = facts.insn
    for operand, used in zip(task.operands, _INFO.info(insn).used_memory(), strict=False):
        size = MemorySizeInfo(used.memory_size).size or MemorySizeInfo(insn.memory_size).size or 1
        operand.used = 1
        operand.base, operand.index = _number(used.base), _number(used.index)
        operand.scale = max(used.scale, 1)
        operand.displacement = _signed(used.displacement) + SEGMENTS.get(used.segment, 0)
        if insn.is_ip_rel_memory_operand:
            operand.displacement += CODE
        operand.address_bits = 32 if RegisterInfo(used.base or used.index or Register.RAX).size == 4 else 64
        operand.index_bits = 8 if used.index == Register.AL else 64
        operand.before, operand.after = 0, size
        if operand.base < 0 or operand.base == operand.index:
            # The index reaches no more than every scale-th address; an image of 512 bytes has one place.
            operand.after = min(size + operand.scale, 512)
        operand.align = 16 if size >= 16 and insn.mnemonic not in UNALIGNED else 1
        operand.strict = size == 16 and insn.mnemonic not in CHECKED
        # What splits a cache line under LOCK is slow, and some kernels make it slower, to be noticed.
        if size < 16 and (insn.has_lock_prefix or insn.mnemonic == Mnemonic.XCHG):
            operand.align, operand.strict = size, 1
        if repeated:
            operand.before, operand.after = _LONGEST_RUN * size, (_LONGEST_RUN + 1) * size
        elif insn.is_stack_instruction:  # it may use memory on both sides of what it names
            operand.before, operand.after = 16, size + 16
            if operand.base == RSP:
                operand.before += max(operand.displacement, 0)
                operand.after += max(-operand.displacement, 0)
        elif insn.mnemonic in BITS:
            operand.before = operand.after = 128 + 8


def _number(register: int) -> int:
    """The general register's number, or -1: none, or RIP, whose address is fixed when it is encoded."""
    if register == Register.NONE or RegisterInfo(register).base not in _BASES:
        return -1
    return int(RegisterInfo(RegisterInfo(register).full_register).number)


_BASES = {Register.AL, Register.AX, Register.EAX, Register.RAX}


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


__all__ = ["CODE", "Shared", "State", "Task", "plan"]
