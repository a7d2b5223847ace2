"""In: the instructions before an indirect jump. Out: where the jump reads its target, proved or guessed.

The proof is a symbolic evaluation of the jump's own basic block: every register is a constant, a constant plus a scaled
register as it was at one instruction, or a constant plus a word loaded from such an address. What an instruction
outside the table of rules writes is unknown. Memory counts only where the program cannot write it (Binary.constant).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from iced_x86 import MemorySizeExt, Mnemonic, OpKind, Register

from recompiler.lift.elf.model import R_RELATIVE, Binary
from recompiler.lift.find.function import Block, JumpTable
from recompiler.lift.x86.decode import Facts

WORD: Final = (1 << 64) - 1
_FAR: Final = 1 << 40


class Value(NamedTuple):
    """offset + base + (register at the instruction `at`) * scale, or sign * the word there, extended, plus add.

    base: how often the load address of the file is in it. register: -1 for none. size: bytes of the word, 0 for no
    load; signed: how it is extended. add, add_base: offset and base of what is added to the word.
    """

    offset: int
    base: int = 0
    register: int = -1
    scale: int = 0
    at: int = 0
    size: int = 0
    signed: bool = False
    add: int = 0
    add_base: int = 0
    sign: int = 1


State = dict[int, Value | None]


def gpr(register: int) -> int:
    """The number of a 64-bit GPR, else -1."""
    return register - Register.RAX if Register.RAX <= register <= Register.R15 else -1


def _gpr32(register: int) -> int:
    return register - Register.EAX if Register.EAX <= register <= Register.R15D else -1


class Walk:
    """The registers along a row of code. assume: (GPR, its value) for wherever nothing is known of that register.

    used: how often the assumed register had been written when the assumption was taken, one element for a sound guess.
    """

    def __init__(self, assume: tuple[int, Value] | None = None) -> None:
        self.assumed, self.assumption = assume if assume is not None else (-1, Value(0))
        self.state: State = {}
        self.writes = 0
        self.used: set[int] = set()

    def register(self, number: int, at: int) -> Value:
        """The value of a GPR just before the instruction at `at`."""
        value = self.state.get(number)
        if value is not None:
            return value
        if number == self.assumed:
            self.used.add(self.writes)
            return self.assumption
        return Value(0, register=number, scale=1, at=at)

    def step(self, at: int, facts: Facts) -> None:
        """Runs the instruction at `at`."""
        rule = _RULES.get(facts.mnemonic)
        value = rule(self, at, facts) if rule is not None else None
        writes = facts.writes & 0xFFFF
        if not writes:
            return
        if self.assumed >= 0 and writes >> self.assumed & 1:
            self.writes += 1
        target = writes.bit_length() - 1
        if writes == 1 << target:
            self.state[target] = value
        else:
            for number in range(16):
                if writes >> number & 1:
                    self.state[number] = None

    def address(self, at: int, facts: Facts, size: int) -> Value | None:
        """The address of the memory operand, where it is base + index * scale + displacement of 64 bits.

        size: bytes of the words that are loaded, 0 for lea. Each register stands for what is known of it or for itself
        as it is at `at`: of the readings with one register, the first whose words do not overlap.
        """
        insn = facts.insn
        if insn.memory_segment in (Register.FS, Register.GS):
            return None
        if insn.memory_base == Register.RIP and facts.rip is not None:
            return Value((at + facts.size + facts.rip) & WORD, base=1)
        nothing = [Value(0)]
        bases = indexes = nothing
        if insn.memory_base != Register.NONE:
            bases = self._terms(gpr(insn.memory_base), 1, at, size)
        if insn.memory_index != Register.NONE:
            indexes = self._terms(gpr(insn.memory_index), insn.memory_index_scale, at, size)
            if size:
                indexes.reverse()  # what was compared is the index itself
        displacement = Value(insn.memory_displacement & WORD)
        for base in bases:
            for index in indexes:
                total = _sum(base, index)
                if total is not None and (not size or total.scale >= size):
                    return _sum(displacement, total)
        return None

    def _terms(self, number: int, scale: int, at: int, size: int) -> list[Value]:
        """What register * scale can be taken for."""
        if number < 0:
            return []
        plain = Value(0, register=number, scale=scale, at=at)
        known = _times(self.register(number, at), scale)
        if known is None or known == plain or (known.size and size):
            return [plain]
        return [known, plain]

    def target(self, at: int, facts: Facts) -> Value | None:
        """Where the indirect jump at `at` leads."""
        if facts.insn.op0_kind == OpKind.MEMORY:
            return _load(self.address(at, facts, 8), 8, False)
        number = gpr(facts.insn.op0_register)
        return self.state.get(number) if number >= 0 else None


def _sum(a: Value, b: Value) -> Value | None:
    """a + b: at most one of them has a register or a load in it."""
    if b.register >= 0:
        a, b = b, a
    if b.register >= 0:
        return None
    if a.size:
        return a._replace(add=(a.add + b.offset) & WORD, add_base=a.add_base + b.base)
    return a._replace(offset=(a.offset + b.offset) & WORD, base=a.base + b.base)


def _negative(a: Value) -> Value:
    if a.size:
        return a._replace(sign=-a.sign, add=-a.add & WORD, add_base=-a.add_base)
    return a._replace(offset=-a.offset & WORD, base=-a.base, scale=-a.scale)


def _times(a: Value, scale: int) -> Value | None:
    if scale == 1:
        return a
    if a.size or a.base:
        return None
    return a._replace(offset=(a.offset * scale) & WORD, scale=a.scale * scale)


def _load(address: Value | None, size: int, signed: bool) -> Value | None:
    """The word at address, which has an index in it."""
    if address is None or address.size or address.register < 0:
        return None
    return address._replace(size=size, signed=signed)


def _move(walk: Walk, at: int, facts: Facts) -> Value | None:
    insn = facts.insn
    if insn.op0_kind != OpKind.REGISTER:
        return None
    wide, narrow = gpr(insn.op0_register) >= 0, _gpr32(insn.op0_register) >= 0
    kind = insn.op1_kind
    if kind == OpKind.MEMORY:
        size = 8 if wide else 4
        return _load(walk.address(at, facts, size), size, False) if wide or narrow else None
    if kind == OpKind.REGISTER:
        source = gpr(insn.op1_register)
        if wide and source >= 0:
            value = walk.register(source, at)
            return None if value == Value(0, register=source, scale=1, at=at) else value
        return None
    return Value(insn.immediate(1) & WORD) if wide or narrow else None


def _extend(walk: Walk, at: int, facts: Facts) -> Value | None:
    """movsx, movsxd, movzx: a load that is extended, or the sign extension of a word that was loaded."""
    insn = facts.insn
    if gpr(insn.op0_register) < 0 and not (facts.mnemonic == Mnemonic.MOVZX and _gpr32(insn.op0_register) >= 0):
        return None
    signed = facts.mnemonic != Mnemonic.MOVZX
    if insn.op1_kind == OpKind.MEMORY:
        size = MemorySizeExt.size(insn.memory_size)
        return _load(walk.address(at, facts, size), size, signed)
    source = _gpr32(insn.op1_register)
    return _sign_extended(walk.state.get(source)) if facts.mnemonic == Mnemonic.MOVSXD and source >= 0 else None


def _sign_extended(value: Value | None) -> Value | None:
    if value is None or value.size != 4 or value.add or value.add_base or value.sign != 1:
        return None
    return value._replace(signed=True)


def _cdqe(walk: Walk, at: int, facts: Facts) -> Value | None:
    return _sign_extended(walk.state.get(0))


def _lea(walk: Walk, at: int, facts: Facts) -> Value | None:
    return walk.address(at, facts, 0) if gpr(facts.insn.op0_register) >= 0 else None


def _add(walk: Walk, at: int, facts: Facts) -> Value | None:
    insn = facts.insn
    number = gpr(insn.op0_register) if insn.op0_kind == OpKind.REGISTER else -1
    if number < 0:
        return None
    left = walk.register(number, at)
    if insn.op1_kind == OpKind.REGISTER:
        other = gpr(insn.op1_register)
        return _sum(left, walk.register(other, at)) if other >= 0 else None
    if insn.op1_kind == OpKind.MEMORY:
        loaded = _load(walk.address(at, facts, 8), 8, False)
        return None if loaded is None else _sum(left, loaded)
    return _sum(left, Value(insn.immediate(1) & WORD))


def _sub(walk: Walk, at: int, facts: Facts) -> Value | None:
    insn = facts.insn
    if insn.op0_kind != OpKind.REGISTER or insn.op1_kind != OpKind.REGISTER:
        return None
    left, right = gpr(insn.op0_register), gpr(insn.op1_register)
    if left < 0 or right < 0 or left == right:
        return None
    return _sum(walk.register(left, at), _negative(walk.register(right, at)))


def _shl(walk: Walk, at: int, facts: Facts) -> Value | None:
    insn = facts.insn
    number = gpr(insn.op0_register) if insn.op0_kind == OpKind.REGISTER else -1
    if number < 0 or insn.op1_kind != OpKind.IMMEDIATE8:
        return None
    return _times(walk.register(number, at), 1 << (insn.immediate8 & 63))


_RULES: Final[dict[int, Callable[[Walk, int, Facts], Value | None]]] = {
    Mnemonic.MOV: _move,
    Mnemonic.MOVSXD: _extend,
    Mnemonic.MOVSX: _extend,
    Mnemonic.MOVZX: _extend,
    Mnemonic.CDQE: _cdqe,
    Mnemonic.LEA: _lea,
    Mnemonic.ADD: _add,
    Mnemonic.SUB: _sub,
    Mnemonic.SHL: _shl,
}


def entry(binary: Binary, value: Value, index: int, read: Callable[[int, int], int | None]) -> int | None:
    """Where the jump goes for this index (as linked), by the words that read(address, size) gives, or None."""
    if value.register < 0 or not value.size:
        return None
    fixed = binary.kind == "exec"  # loaded where it is linked: the base is 0
    if not fixed and value.base != 1:
        return None
    address = (value.offset + index * value.scale) & WORD
    word = read(address, value.size)
    if word is None:
        return None
    if value.signed and word >> 8 * value.size - 1:
        word -= 1 << 8 * value.size
    moved = address in binary.relocations and binary.relocations[address].kind == R_RELATIVE
    if not fixed and value.add_base + value.sign * moved != 1:
        return None
    return (value.sign * word + value.add) & WORD


def evaluate(code: list[tuple[int, Facts]], assume: tuple[int, Value] | None = None) -> tuple[Value | None, bool]:
    """The target of the jump that code ends with, and whether the assumption holds throughout if it holds at `at`.

    A target of size 0 is computed from the register without any table.
    """
    walk = Walk(assume)
    for at, facts in code[:-1]:
        walk.step(at, facts)
    value = walk.target(*code[-1])
    if value is None or value.register < 0:
        return None, False
    if assume is None:
        return value, True
    written = 0
    for at, facts in code:
        if at == value.at:
            break
        written += facts.writes >> assume[0] & 1
    return value, walk.used == {written}


class Linear(NamedTuple):
    """The target of a jump by the value of one register: origin for 0, and how often the register is in its sums."""

    origin: Value
    times: int
    add_times: int

    def at(self, base: int) -> Value:
        """The target if the register has an address of the file, base as linked."""
        origin = self.origin
        offset, add = origin.offset + self.times * base, origin.add + self.add_times * base
        return origin._replace(offset=offset & WORD, add=add & WORD)


def linear(code: list[tuple[int, Facts]], register: int) -> Linear | None:
    """The target of the jump that code ends with, if that is a table at a place that the register says."""
    origin, _ = evaluate(code, (register, Value(0, base=1)))
    far, _ = evaluate(code, (register, Value(_FAR, base=1)))
    if origin is None or far is None or not origin.size:
        return None
    times, add_times = (far.offset - origin.offset) // _FAR, (far.add - origin.add) // _FAR
    return Linear(origin, times, add_times)


def bases_wanted(code: list[tuple[int, Facts]]) -> list[int]:
    """The registers that memory operands with an index take as they are: one of them may hold a table's address."""
    wanted: list[int] = []
    for _, facts in code[-12:]:
        insn = facts.insn
        if insn.memory_index and insn.memory_base and not facts.rip:
            number = gpr(insn.memory_base)
            if number >= 0 and number not in wanted and number != 4:
                wanted.append(number)
            number = gpr(insn.memory_index)
            if insn.memory_index_scale == 1 and number >= 0 and number not in wanted:
                wanted.append(number)
    return wanted


def constant(binary: Binary, block: Block) -> int | None:
    """The one place that the jump at the end of block leads to, if the block alone says it."""
    walk = Walk()
    *code, last = zip(block.addresses(), block.facts, strict=True)
    for at, facts in code:
        walk.step(at, facts)
    value = walk.target(*last)
    if value is None or value.register >= 0 or value.size or (value.base != 1 and binary.kind != "exec"):
        return None
    return value.offset


def prove(binary: Binary, block: Block, words: list[int], table: int) -> JumpTable | None:
    """The table of the jump at the end of block, if the block alone tells which register is its index.

    words: where it leads as far as the file says, by index. table: its address as linked, for a guard where the block
    alone is not enough.
    """
    code = list(zip(block.addresses(), block.facts, strict=True))
    value, holds = evaluate(code)
    guard = None
    if value is None or not value.size:
        for register in bases_wanted(code):
            found = linear(code, register)
            if found is not None and found.times:
                guard = register, (table - found.origin.offset) // found.times
                value, holds = evaluate(code, (register, Value(guard[1], base=1)))
                break
    if value is None or not value.size or not holds:
        return None
    targets: list[int] = []
    for index in range(len(words)):
        target = entry(binary, value, index, binary.constant)
        if target is None:
            return JumpTable(code[-1][0], value.at, value.register, words, checked=True)
        targets.append(target)
    return JumpTable(code[-1][0], value.at, value.register, targets, guard) if targets else None
