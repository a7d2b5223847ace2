"""In: the blocks of a function. Out: which registers and flags are live where, and which differ from their globals.

A mask is one of regs.py: 16 general registers, 16 vectors, nine status flags, D. Two passes over the graph: forward,
what has been written since the globals were last right ("dirty"); backward, what is read later. A register that a
boundary spills is read there. Memory, x87 and system state have no locals and are not followed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from recompiler.lift import forms
from recompiler.lift.asm.flags import CONDITIONS
from recompiler.lift.x86.decode import SYSCALL, Facts
from recompiler.lift.x86.regs import ALL_GPR, ALL_XMM, COMPOSITE, DIRECTION, FLAG_BIT, PARTS, PRIMITIVE, STATUS

REGISTERS: Final = ALL_GPR | ALL_XMM
_D_OF_FACTS: Final = 64
Template = tuple[bytes, tuple[tuple[int, int], ...]]  # wasm; (offset of a place, address - end of the instruction)


@dataclass(slots=True)
class Info:
    """What liveness needs of an instruction, and room for its wasm by wanted flags, which emission makes."""

    use: int  # registers and D
    define: int
    flag_use: int  # of the nine
    flag_write: int  # of the six
    form: forms.Form | None
    reason: str  # why there is no wasm
    templates: dict[int, Template | None] = field(default_factory=dict)


INFO: dict[Facts, Info] = {}
_FORMS: dict[int, tuple[forms.Form | None, str, int]] = {}  # by code: form, why there is none, flags of the condition


def info(facts: Facts) -> Info:
    """The same object for the same instruction."""
    known = INFO.get(facts)
    return known if known is not None else _learn(facts)


def _form(facts: Facts) -> tuple[forms.Form | None, str, int]:
    insn = facts.insn
    text = insn.op_code().instruction_string
    form = forms.find(text)
    condition = CONDITIONS[insn.condition_code][0] if insn.condition_code else 0
    found = _FORMS[facts.code] = form, "" if form else f"no form: {text}", condition
    return found


def _learn(facts: Facts) -> Info:
    form, reason, condition = _FORMS.get(facts.code) or _form(facts)
    use, define = facts.reads & REGISTERS, facts.writes & REGISTERS
    if facts.flag_writes & _D_OF_FACTS:
        define |= DIRECTION
    if facts.flag_reads & _D_OF_FACTS:
        use |= DIRECTION
    flag_write = facts.flag_writes & PRIMITIVE
    flag_use = facts.flag_reads & PRIMITIVE
    if facts.flow == SYSCALL:  # it keeps the flags, and R11 is not given them (emit.py)
        flag_use = flag_write = 0
    elif condition:
        flag_use = condition
    elif form is not None and form.keeps:
        flag_use &= _true_reads(facts.insn.rflags_read)
        for parts in PARTS.values():  # a composite made anew takes its other parts as they are
            if parts & flag_write:
                flag_use |= parts & ~flag_write
    known = INFO[facts] = Info(use, define, flag_use, flag_write, form, reason)
    return known


def _true_reads(rflags: int) -> int:
    """iced's RflagsBits (OF SF ZF AF CF PF) as a mask of ours."""
    order = (32, 16, 8, 4, 1, 2)
    return sum(flag for bit, flag in enumerate(order) if rflags >> bit & 1)


_BEFORE: dict[tuple[int, int], int] = {}


def flags_before(known: Info, live: int) -> int:
    """Flags live before an instruction, by those live after it."""
    written = known.flag_write
    if written and not (known.form is not None and known.form.keeps):
        key = (written, live)
        before = _BEFORE.get(key)
        if before is None:
            before = live & ~written
            for composite, parts in PARTS.items():
                if live & composite and parts & written:
                    before = before & ~composite | parts & ~written
            _BEFORE[key] = before
        return before | known.flag_use
    return live | known.flag_use


@dataclass(slots=True)
class Summary:
    """A block as one instruction: registers read before they are written, written; flags by flags_of."""

    use: int
    define: int
    flag_use: int
    flag_kill: int  # of the nine, except composites that `carried` has
    carried: dict[int, int]  # composite that is wanted after -> flags that are wanted before

    def before(self, live: int) -> int:
        """What is live before the block, by what is live after it (registers, D and flags in one mask)."""
        flags = live >> FLAG_BIT & STATUS
        registers = live & ~(STATUS << FLAG_BIT)
        kept = flags & ~self.flag_kill
        if self.carried and flags & COMPOSITE:
            for composite, parts in self.carried.items():
                if flags & composite:
                    kept = kept & ~composite | parts
        return self.use | registers & ~self.define | (self.flag_use | kept) << FLAG_BIT


def summarize(infos: list[Info]) -> Summary:
    """The summary of instructions in a row."""
    use = define = 0
    touched = full = False
    for known in infos:
        use |= known.use & ~define
        define |= known.define
        if known.flag_write or known.flag_use:
            touched = True
            full = full or (known.flag_write == PRIMITIVE and not (known.form is not None and known.form.keeps))
    if not touched:
        return Summary(use, define, 0, 0, {})
    flag_use = flags_backward(infos, 0)
    if full:  # whatever is wanted after the block was written in it
        return Summary(use, define, flag_use, STATUS, {})
    kill, carried = 0, {}
    for n in range(9):
        flag = 1 << n
        before = flags_backward(infos, flag) & ~flag_use
        if not before & flag:
            kill |= flag
            if before:
                carried[flag] = before
    return Summary(use, define, flag_use, kill, carried)


def flags_backward(infos: list[Info], live: int) -> int:
    """Flags live before instructions in a row, by those live after them."""
    for known in reversed(infos):
        if known.flag_write or known.flag_use:
            live = flags_before(known, live)
    return live
