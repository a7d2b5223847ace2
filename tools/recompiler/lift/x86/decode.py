"""In: bytes of x86-64 machine code. Out: one Facts object per distinct instruction, whatever its address."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, cast

from iced_x86 import (
    Code,
    CpuidFeature,
    Decoder,
    FlowControl,
    Instruction,
    InstructionInfoFactory,
    Mnemonic,
    OpAccess,
    OpKind,
    Register,
    RegisterExt,
)

# How control leaves an instruction. TRAP: ud2, int3, hlt, int n, far transfers. INVALID: no instruction at all.
NEXT, JUMP, COND, CALL, RET, JUMP_INDIRECT, CALL_INDIRECT, SYSCALL, TRAP, INVALID = range(10)
FLOWS: Final = ("next", "jump", "cond", "call", "ret", "jump indirect", "call indirect", "syscall", "trap", "invalid")

# Masks of registers: bits 0..15 are rax rcx rdx rbx rsp rbp rsi rdi r8..r15, 16..31 xmm0..xmm15, 32 the state of
# x87 and mxcsr.
RSP: Final = 1 << 4
XMM: Final = 0xFFFF << 16
FPU: Final = 1 << 32

# Masks of flags.
C, P, A, Z, S, O, D = 1, 2, 4, 8, 16, 32, 64  # noqa: E741 the flags' own names
STATUS: Final = C | P | A | Z | S | O

LONGEST: Final = 15  # SDM vol. 2, 2.3.11: no instruction is longer
_MEMO_LIMIT: Final = 4_000_000  # facts; a guard for a process that lifts file after file


# code, mnemonic, flow, reads, writes, flag_reads, flag_writes of instructions that differ in a distance or number
# alone, and whether that is a distance from rip.
Shape = tuple[int, int, int, int, int, int, int, bool]


class Facts:
    """What one instruction is, by its bytes alone.

    raw: the bytes, size of them. code, mnemonic: iced_x86.Code and .Mnemonic. insn: decoded as if it stood at address
    0. flow: NEXT..INVALID. disp: of a near branch or call, target minus end of the instruction. rip: of a RIP-relative
    memory operand, its address minus end of the instruction. points: whether it has that or a number of 32 bits or
    more, which may be an address. reads, writes: masks of registers; a write of 8 or 16
    bits, of part of an XMM register, or only under a condition also reads; a 32-bit write does not. flag_reads,
    flag_writes: masks of flags; written means written, cleared, set or undefined; a write under a condition (shift by
    CL, repeated compare) also reads.
    """

    __slots__ = (
        "code",
        "disp",
        "flag_reads",
        "flag_writes",
        "flow",
        "insn",
        "mnemonic",
        "points",
        "raw",
        "reads",
        "rip",
        "size",
        "writes",
    )

    def __init__(
        self, raw: bytes, insn: Instruction, shape: Shape, disp: int | None, rip: int | None, points: bool
    ) -> None:
        self.raw = raw
        self.size = len(raw)
        self.insn = insn
        self.disp = disp
        self.rip = rip
        self.points = points
        (
            self.code,
            self.mnemonic,
            self.flow,
            self.reads,
            self.writes,
            self.flag_reads,
            self.flag_writes,
            _,
        ) = shape

    def __repr__(self) -> str:
        return f"Facts({self.insn})"


MEMO: dict[bytes, Facts] = {}  # by the bytes of an instruction


def facts(raw: bytes) -> Facts:
    """The facts of the instruction that these bytes are (all of them); the same object for the same bytes."""
    known = MEMO.get(raw)
    if known is None:
        known = learn(raw, Decoder(64, raw).decode())
    return known


def at(code: bytes) -> Facts:
    """The facts of the instruction at the start of these bytes, of which there is at least one."""
    return facts(code[: max(Decoder(64, code).decode().len, 1)])


def forget() -> None:
    """Drops the memo where it has grown out of bounds; facts that are held stay valid."""
    if len(MEMO) > _MEMO_LIMIT:
        MEMO.clear()
        _SHAPES.clear()
        _BRANCHES.clear()


def stream(code: bytes, start: int) -> Iterator[Facts]:
    """The facts of the instructions from offset start on, to the end of the code; learned as they are asked for."""
    decoder = Decoder(64, code)
    decoder.position = at = start
    get = MEMO.get
    for insn in decoder:
        end = at + insn.len
        raw = code[at:end]
        found = get(raw)
        yield found if found is not None else learn(raw, insn)
        at = end


_TAILS: dict[int, int] = {}  # by code
_SHAPES: dict[bytes, Shape] = {}  # by the bytes, displacement and wide numbers 0
_BRANCHES: dict[bytes, Shape] = {}  # by the bytes without the distance
_INFO = InstructionInfoFactory()

_FLOWS: Final = {
    FlowControl.NEXT: NEXT,
    FlowControl.UNCONDITIONAL_BRANCH: JUMP,
    FlowControl.CONDITIONAL_BRANCH: COND,
    FlowControl.CALL: CALL,
    FlowControl.RETURN: RET,
    FlowControl.INDIRECT_BRANCH: JUMP_INDIRECT,
    FlowControl.INDIRECT_CALL: CALL_INDIRECT,
    FlowControl.INTERRUPT: TRAP,
    FlowControl.EXCEPTION: TRAP,
    FlowControl.XBEGIN_XABORT_XEND: NEXT,
}
_FLOWS_OF_CODES: Final = {Code.INVALID: INVALID, Code.SYSCALL: SYSCALL, Code.HLT: TRAP}
_NEAR_KINDS: Final = (OpKind.NEAR_BRANCH16, OpKind.NEAR_BRANCH32, OpKind.NEAR_BRANCH64)
_NEAR: Final = {  # near branches -> bytes of their distance
    code: size
    for name, code in vars(Code).items()
    for part, size in (("_REL8_64", 1), ("_REL32_64", 4))
    if part in name
}
_XBEGINS: Final = (Code.XBEGIN_REL16, Code.XBEGIN_REL32)  # no branches here, but with a distance
_ABSOLUTE: Final = {code for name, code in vars(Code).items() if "_MOFFS" in name}
_ZERO: Final = [bytes(size) for size in range(9)]
_WORD: Final = (1 << 64) - 1
_NEAR_RETURNS: Final = (Code.RETNQ, Code.RETNQ_IMM16)

_READS: Final = {
    OpAccess.READ,
    OpAccess.COND_READ,
    OpAccess.READ_WRITE,
    OpAccess.READ_COND_WRITE,
    OpAccess.COND_WRITE,
}
_WRITES: Final = {OpAccess.WRITE, OpAccess.COND_WRITE, OpAccess.READ_WRITE, OpAccess.READ_COND_WRITE}


def _register_bits() -> dict[int, tuple[int, bool]]:
    """iced's register -> its bit, and whether a write to it leaves other bits of the register as they were."""
    bits: dict[int, tuple[int, bool]] = {}
    registers = [cast(Any, value) for value in vars(Register).values() if isinstance(value, int)]
    for register in registers:
        number = RegisterExt.number(register)
        if RegisterExt.is_gpr(register):
            bits[register] = (
                1 << RegisterExt.number(RegisterExt.full_register(register)),
                RegisterExt.size(register) < 4,
            )
        elif RegisterExt.is_vector_register(register) and number < 16:
            bits[register] = (1 << 16 + number, False)
        elif RegisterExt.is_st(register) or RegisterExt.is_mm(register):
            bits[register] = (FPU, True)
    return bits


_BITS: Final = _register_bits()
# RflagsBits: OF SF ZF AF CF PF DF are its bits 0..6.
_FLAG_BITS: Final = [
    sum(flag for bit, flag in enumerate((O, S, Z, A, C, P, D)) if mask >> bit & 1) for mask in range(128)
]

# What iced leaves out: state images and the two control words, which move whole.
_STATE: Final = {
    Mnemonic.FXSAVE: (XMM | FPU, 0),
    Mnemonic.FXSAVE64: (XMM | FPU, 0),
    Mnemonic.XSAVE: (XMM | FPU, 0),
    Mnemonic.XSAVE64: (XMM | FPU, 0),
    Mnemonic.XSAVEC: (XMM | FPU, 0),
    Mnemonic.XSAVEC64: (XMM | FPU, 0),
    Mnemonic.FXRSTOR: (0, XMM | FPU),
    Mnemonic.FXRSTOR64: (0, XMM | FPU),
    Mnemonic.XRSTOR: (XMM | FPU, XMM | FPU),
    Mnemonic.XRSTOR64: (XMM | FPU, XMM | FPU),
    Mnemonic.STMXCSR: (FPU, 0),
    Mnemonic.LDMXCSR: (FPU, FPU),
    Mnemonic.EMMS: (FPU, FPU),
}
_KEEPING: Final = {Mnemonic.RDSSPD, Mnemonic.RDSSPQ}  # without a shadow stack they leave their register
_BY_CL: Final = {code for name, code in vars(Code).items() if name.endswith("_CL")}
_COMPARES: Final = {
    *(Mnemonic.CMPSB, Mnemonic.CMPSW, Mnemonic.CMPSD, Mnemonic.CMPSQ),
    *(Mnemonic.SCASB, Mnemonic.SCASW, Mnemonic.SCASD, Mnemonic.SCASQ),
}
_FPU: Final = {CpuidFeature.FPU, CpuidFeature.FPU287, CpuidFeature.FPU387}


def learn(raw: bytes, insn: Instruction) -> Facts:
    """Memoises an instruction that was decoded from raw, wherever that stands, as if it stood at address 0.

    insn may be kept and changed. Instructions that differ in a distance or a wide number alone share one analysis.
    """
    disp = rip = None
    code = insn.code
    near = _NEAR.get(code)
    if near is not None:
        key = raw[:-near]
        shape = _BRANCHES.get(key)
        if shape is None:
            shape = _BRANCHES[key] = _shape(insn)
        disp = int.from_bytes(raw[-near:], "little", signed=True)
        insn.near_branch64 = disp + len(raw) & _WORD
        points = False
    else:
        if code in _XBEGINS:
            insn = Decoder(64, raw).decode()
        size = insn.memory_displ_size
        if size == 8 and code not in _ABSOLUTE:
            size = 4  # an address of 64 bits, and 32 of them in the instruction
        tail = _TAILS.get(code)
        if tail is None:
            tail = _TAILS[code] = _tail(raw)
        key = raw
        end = len(raw) - tail
        if size:
            key = raw[: end - size] + _ZERO[size] + raw[end:]
        if tail >= 4:
            key = key[:end] + _ZERO[tail]
        points = size >= 4 or tail >= 4
        shape = _SHAPES.get(key)
        if shape is None:
            shape = _SHAPES[key] = _shape(insn)
        if shape[-1]:
            rip = int.from_bytes(raw[end - size : end], "little", signed=True)
            insn.memory_displacement = rip + len(raw) & (_WORD if insn.memory_base == Register.RIP else _WORD >> 32)
    insn.ip = 0
    MEMO[raw] = found = Facts(raw, insn, shape, disp, rip, points)
    return found


def _tail(raw: bytes) -> int:
    """Bytes of an instruction behind its displacement, or its number where it has none: the same for all of a code."""
    decoder = Decoder(64, raw)
    offsets = decoder.get_constant_offsets(decoder.decode())
    if offsets.has_displacement:
        return len(raw) - offsets.displacement_offset - offsets.displacement_size
    return len(raw) - offsets.immediate_offset if offsets.has_immediate else 0


def _flow(insn: Instruction) -> int:
    code = insn.code
    flow = _FLOWS_OF_CODES.get(code)
    if flow is not None:
        return flow
    flow = _FLOWS[insn.flow_control]
    if flow in (JUMP, CALL, COND) and insn.op0_kind not in _NEAR_KINDS:
        return TRAP  # far, and sysenter, vmcall and their like
    if flow in (JUMP_INDIRECT, CALL_INDIRECT) and (insn.is_jmp_far_indirect or insn.is_call_far_indirect):
        return TRAP
    if flow == RET and code not in _NEAR_RETURNS:
        return TRAP
    return flow


def _shape(insn: Instruction) -> Shape:
    flow = _flow(insn)
    if flow == INVALID:
        return insn.code, insn.mnemonic, flow, 0, 0, 0, 0, False
    reads = writes = 0
    for used in _INFO.info(insn).used_registers():
        entry = _BITS.get(used.register)
        if entry is None:
            continue
        bit, partial = entry
        access = used.access
        if access in _READS:
            reads |= bit
        if access in _WRITES:
            writes |= bit
            if partial:
                reads |= bit
    mnemonic = insn.mnemonic
    if mnemonic in _STATE:
        more_reads, more_writes = _STATE[mnemonic]
        reads |= more_reads
        writes |= more_writes
    elif mnemonic in (Mnemonic.RDSSPD, Mnemonic.RDSSPQ):
        reads = writes  # what they leave: there is no shadow stack
    elif not _FPU.isdisjoint(insn.cpuid_features()):
        reads |= FPU
        writes |= FPU
    if mnemonic in _KEEPING:
        reads |= writes
    flag_reads = _FLAG_BITS[insn.rflags_read & 127]
    flag_writes = _FLAG_BITS[insn.rflags_modified & 127]
    if insn.code in _BY_CL or (mnemonic in _COMPARES and (insn.has_rep_prefix or insn.has_repne_prefix)):
        flag_reads |= flag_writes
    rip = insn.is_ip_rel_memory_operand
    return insn.code, mnemonic, flow, reads, writes, flag_reads, flag_writes, rip
