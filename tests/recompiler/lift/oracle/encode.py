"""In: the manual's text of a form. Out: instructions of it: registers, addressing modes, immediates, prefixes."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import cache

from iced_x86 import (
    Code,
    Encoder,
    EncodingKind,
    Instruction,
    MemorySizeInfo,
    Mnemonic,
    OpCodeInfo,
    OpCodeOperandKind,
    OpKind,
    Register,
    RegisterInfo,
)

from recompiler.lift.x86.decode import Facts, facts

CODE = 0x20000000
WINDOW = 0x10000000
MIDDLE = WINDOW + 4096
BITS = {Mnemonic.BT, Mnemonic.BTS, Mnemonic.BTR, Mnemonic.BTC}
FS, GS = 0x00346000, 0x00345000


def _names(kinds: object) -> dict[int, str]:
    return {number: name for name, number in vars(kinds).items() if isinstance(number, int) and name.isupper()}


_KINDS = _names(OpCodeOperandKind)
_RANGES = {
    "R8": [*range(Register.AL, Register.R15L + 1)],
    "R16": [*range(Register.AX, Register.R15W + 1)],
    "R32": [*range(Register.EAX, Register.R15D + 1)],
    "R64": [*range(Register.RAX, Register.R15 + 1)],
    "XMM": [*range(Register.XMM0, Register.XMM15 + 1)],
    "MM": [*range(Register.MM0, Register.MM7 + 1)],
    "SEG": [*range(Register.ES, Register.GS + 1)],
    "STI": [*range(Register.ST0, Register.ST7 + 1)],
}
_FIXED = {
    name: getattr(Register, name) for name in ("AL", "AX", "EAX", "RAX", "CL", "DX", "ST0", "ES", "CS", "SS", "DS")
} | {"FS": Register.FS, "GS": Register.GS}
_IMMEDIATES = {
    "IMM8": (OpKind.IMMEDIATE8, 8, False),
    "IMM8_CONST_1": (OpKind.IMMEDIATE8, 1, False),
    "IMM8SEX16": (OpKind.IMMEDIATE8TO16, 8, True),
    "IMM8SEX32": (OpKind.IMMEDIATE8TO32, 8, True),
    "IMM8SEX64": (OpKind.IMMEDIATE8TO64, 8, True),
    "IMM16": (OpKind.IMMEDIATE16, 16, False),
    "IMM32": (OpKind.IMMEDIATE32, 32, False),
    "IMM32SEX64": (OpKind.IMMEDIATE32TO64, 32, True),
    "IMM64": (OpKind.IMMEDIATE64, 64, False),
}
# String operands: (kind, with a 32-bit address).
_STRINGS = {
    "SEG_RSI": (OpKind.MEMORY_SEG_RSI, OpKind.MEMORY_SEG_ESI),
    "SEG_RDI": (OpKind.MEMORY_SEG_RDI, OpKind.MEMORY_SEG_EDI),
    "ES_RDI": (OpKind.MEMORY_ESRDI, OpKind.MEMORY_ESEDI),
}


Memory = Callable[[Instruction, int, random.Random], None]  # gives an instruction its memory operand


@cache
def codes() -> dict[str, list[int]]:
    """The manual's text -> iced's codes, of what exists in 64-bit mode without VEX."""
    found: dict[str, list[int]] = {}
    for name, code in vars(Code).items():
        if name.startswith("_") or not isinstance(code, int):
            continue
        info = OpCodeInfo(code)
        if info.is_instruction and info.mode64 and info.encoding == EncodingKind.LEGACY:
            found.setdefault(info.instruction_string, []).append(code)
    return found


def instructions(text: str, count: int, seed: str, memory: Memory | None = None, first: int = 0) -> Iterator[Facts]:
    """Up to count distinct instructions of a form, the same ones for the same seed; they take turns from first on."""
    choose = random.Random(f"{seed} {text}")
    known = set()
    for number in range(first, first + count * 4):  # some choices cannot be encoded together (AH and a REX prefix)
        every = codes()[text]
        raw = _encode(every[number % len(every)], number, choose, memory or _memory)
        if raw is None or raw in known:
            continue
        known.add(raw)
        yield facts(raw)
        if len(known) == count:
            return


def _encode(code: int, number: int, choose: random.Random, memory: Memory) -> bytes | None:
    """The bytes of one choice, or None where it cannot be encoded or means another form."""
    insn = Instruction()
    insn.code = code
    info = insn.op_code()
    narrow = choose.random() < 0.1
    for i in range(info.op_count):
        _operand(insn, i, _KINDS[info.op_kind(i)], number, narrow, choose, memory)
    if info.can_use_lock_prefix and insn.op0_kind == OpKind.MEMORY:
        insn.has_lock_prefix = bool(number & 4)
    if info.can_use_rep_prefix and insn.is_string_instruction:
        insn.has_rep_prefix = number % 3 == 1
        insn.has_repne_prefix = info.can_use_repne_prefix and number % 3 == 2
    encoder = Encoder(64)
    try:
        encoder.encode(insn, CODE)
    except ValueError:
        return None
    raw = bytes(encoder.take_buffer())
    return raw if facts(raw).code == code and not _moves_with_its_address(insn) else None


def _moves_with_its_address(insn: Instruction) -> bool:
    """BT [rcx], cx: the bit lies anywhere; PUSH [rsp + r8]: the stack does."""
    if insn.is_stack_instruction and insn.memory_base == Register.RSP:
        return bool(insn.memory_index) or 0x80 < insn.memory_displacement < 1 << 63
    if insn.mnemonic not in BITS or insn.op0_kind != OpKind.MEMORY or insn.op1_kind != OpKind.REGISTER:
        return False
    parts = [insn.memory_base, insn.memory_index]
    full = [RegisterInfo(each).full_register for each in parts if each]
    return RegisterInfo(insn.op1_register).full_register in full


def _operand(
    insn: Instruction, i: int, kind: str, number: int, narrow: bool, choose: random.Random, memory: Memory
) -> None:
    family, _, rest = kind.partition("_")
    if kind in _FIXED:
        insn.set_op_kind(i, OpKind.REGISTER)
        insn.set_op_register(i, _FIXED[kind])
    elif kind in _IMMEDIATES:
        op_kind, bits, signed = _IMMEDIATES[kind]
        insn.set_op_kind(i, OpKind.IMMEDIATE8_2ND if insn.code == Code.ENTERQ_IMM16_IMM8 and i == 1 else op_kind)
        _immediate(insn, i, bits, signed, choose)
        if insn.code == Code.ENTERQ_IMM16_IMM8 and i == 1:
            insn.immediate8_2nd = choose.choice((0, 0, 32, 1))
    elif kind in _STRINGS:
        insn.set_op_kind(i, _STRINGS[kind][narrow])
    elif kind == "SEG_RBX_AL":
        insn.set_op_kind(i, OpKind.MEMORY)
        insn.memory_base, insn.memory_index = Register.RBX, Register.AL
    elif kind == "MEM_OFFS":
        insn.set_op_kind(i, OpKind.MEMORY)
        insn.memory_displacement, insn.memory_displ_size = _absolute(insn, choose), 8
    elif kind == "MEM" or (rest == "OR_MEM" and number & 1):
        insn.set_op_kind(i, OpKind.MEMORY)
        memory(insn, number >> 1, choose)
    elif family in _RANGES:
        insn.set_op_kind(i, OpKind.REGISTER)
        same = [insn.op_register(j) for j in range(i) if insn.op_kind(j) == OpKind.REGISTER]
        registers = _RANGES[family]
        again = [register for register in same if register in registers]
        if again and choose.random() < 0.15:
            insn.set_op_register(i, again[0])
        else:
            few = registers[:8] if choose.random() < 0.6 else registers
            insn.set_op_register(i, choose.choice(few))


def _immediate(insn: Instruction, i: int, bits: int, signed: bool, choose: random.Random) -> None:
    """Borders and noise; small numbers often, for counts."""
    if bits == 1:
        insn.set_immediate_u64(i, 1)
        return
    top = 1 << bits - 1
    borders = [0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, top - 1, top, 2 * top - 1, 2 * top - 2]
    value = choose.choice(borders) if choose.random() < 0.7 else choose.getrandbits(bits)
    value &= 2 * top - 1
    if signed:
        insn.set_immediate_i64(i, value - (2 * top if value >= top else 0))
    else:
        insn.set_immediate_u64(i, value)


def _absolute(insn: Instruction, choose: random.Random) -> int:
    """A fixed address among the data: at the page border, or near it."""
    size = MemorySizeInfo(insn.op_code().memory_size).size
    if size > 256:
        return MIDDLE - 256
    if size >= 16 or insn.op_code().can_use_lock_prefix or insn.mnemonic == Mnemonic.XCHG:
        return MIDDLE + choose.choice((-64, -32, -16, 0, 16, 48))
    return MIDDLE + choose.choice((-17, -16, -9, -8, -7, -4, -3, -2, -1, 0, 16, 32, 48, -64))


def _wide(insn: Instruction) -> bool:
    """Whether the memory operand may have to be aligned."""
    return bool(MemorySizeInfo(insn.op_code().memory_size).size >= 16)


MODES = (
    "base",
    "disp8",
    "disp32",
    "sib",
    "sib8",
    "rip",
    "negative",
    "index",
    "absolute",
    "segment",
    "narrow",
    "rsp",
    "rbp",
)


def _memory(insn: Instruction, number: int, choose: random.Random) -> None:
    """One addressing mode: each comes round."""
    registers, wide = _RANGES["R64"], _wide(insn)
    mode = MODES[(number * 5 + choose.randrange(2)) % len(MODES)]
    insn.memory_base = choose.choice(registers)
    small, large = choose.choice((1, 8, 0x40, 0x7F)), choose.choice((0x80, 0x1000, 0xFFF8, 0x10000, 0x12345))
    displacement = size = 0
    if mode in ("disp8", "segment", "narrow"):
        displacement, size = small, 1
    elif mode == "disp32":
        displacement, size = large, 4
    elif mode == "negative":
        displacement, size = choose.choice(((-8, 1), (-128, 1), (-0x1000, 4))), 0
        displacement, size = displacement
    elif mode in ("sib", "sib8"):
        same = insn.memory_base if wide else Register.NONE
        insn.memory_index = choose.choice([each for each in registers if each not in (Register.RSP, same)])
        insn.memory_index_scale = choose.choice((1, 2, 4, 8))
        if mode == "sib8":
            displacement, size = -small, 1
    elif mode == "index":
        insn.memory_base = Register.NONE
        insn.memory_index = choose.choice([each for each in registers if each != Register.RSP])
        insn.memory_index_scale = choose.choice((1, 2, 4, 8))
        displacement, size = choose.choice((0, 0x20, 0x1230 if wide else large)), 8
    elif mode == "rip":
        insn.memory_base = Register.RIP
        displacement, size = _absolute(insn, choose), 8
    elif mode == "absolute":
        insn.memory_base = Register.NONE
        displacement, size = _absolute(insn, choose), 8
    elif mode in ("rsp", "rbp"):
        insn.memory_base = Register.RSP if mode == "rsp" else Register.RBP
        displacement, size = (small, 1) if choose.random() < 0.5 else (0, 0)
    if mode == "segment":
        insn.segment_prefix = choose.choice((Register.FS, Register.GS))
    if mode == "narrow":
        insn.memory_base = choose.choice(_RANGES["R32"])
        if choose.random() < 0.5:
            insn.memory_index = choose.choice(
                [each for each in _RANGES["R32"] if each not in (Register.ESP, insn.memory_base)]
            )
            insn.memory_index_scale = choose.choice((1, 4))
    if insn.memory_base in (Register.RBP, Register.R13, Register.EBP, Register.R13D) and not size:
        size = 1
    insn.memory_displacement = displacement & (1 << 64) - 1
    insn.memory_displ_size = size
