"""In: a function. Out: where it must look whether a signal waits, so that no loop runs without a look.

A loop is broken at its syscalls, which look themselves; where its calls come back, and before the table jumps that
interpreters have, for there the registers are in the globals already, or PC says where to go on; where it is left by
what a register is counted or stepped to, for such a loop ends. What is left of loops then is broken at their heads,
which become entries.
"""

from __future__ import annotations

from functools import cache, reduce
from operator import or_
from typing import Final

from iced_x86 import Mnemonic, OpKind

from recompiler.lift.find.function import Block, Function, Program
from recompiler.lift.plan.flow import hubs
from recompiler.lift.plan.graph import cycles, within
from recompiler.lift.x86.decode import CALL, CALL_INDIRECT, COND, SYSCALL, Facts
from recompiler.lift.x86.regs import ALL_GPR

_STEPS: Final = frozenset((Mnemonic.INC, Mnemonic.DEC))
_STEPS_BY: Final = frozenset((Mnemonic.ADD, Mnemonic.SUB, Mnemonic.SHR, Mnemonic.SAR, Mnemonic.SHL))


def place(program: Program) -> None:
    """Gives every function its safepoints and looks, and the entries for them."""
    for function in program.functions:
        heads, looks = safepoints(function)
        if heads or looks:
            function.safepoints, function.looks = frozenset(heads), frozenset(looks)
            start, *others = function.entries
            found = heads.union(*(function.blocks[at].succ for at in looks))
            function.entries = [start, *sorted({*others, *found} - {start})]


def safepoints(function: Function) -> tuple[set[int], set[int]]:
    """Starts of blocks that look at their start, and of those that look where they end with a call or a table jump."""
    blocks = list(function.blocks.values())
    heads: set[int] = set()
    looks: set[int] = set()
    if all(to > block.start for block in blocks for to in block.succ):
        return heads, looks
    number = {block.start: n for n, block in enumerate(blocks)}
    edges = [[] if block.flow == SYSCALL else [number[to] for to in block.succ] for block in blocks]
    sources = _sources(function)
    work = cycles(edges)
    while work:
        part = work.pop()
        inside = set(part)
        cut = {n for n in part if blocks[n].start in sources and not inside.isdisjoint(edges[n])}
        looks.update(blocks[n].start for n in cut)
        if not cut:
            cut = _counting(blocks, part, edges)
        for n in cut:
            edges[n] = []
        if not cut:
            head = _head(part, edges)
            heads.add(blocks[head].start)
            for n in part:
                edges[n] = [to for to in edges[n] if to != head]
        work += [[part[n] for n in each] for each in cycles(within(part, edges))]
    return heads, looks


def _sources(function: Function) -> set[int]:
    """Blocks with calls at their ends, or jumps of a hub or through a table that is checked."""
    found = {jump for jump, table in function.tables.items() if table.checked} | hubs(function).keys()
    return {
        start
        for start, block in function.blocks.items()
        if block.flow in (CALL, CALL_INDIRECT) or (found and block.end - block.facts[-1].size in found)
    }


def _counting(blocks: list[Block], part: list[int], edges: list[list[int]]) -> set[int]:
    """Of a loop the blocks that leave it by a register which the loop only steps."""
    inside = set(part)
    loop = [blocks[n] for n in part]
    writes = reduce(or_, (facts.writes for block in loop for facts in block.facts), 0)
    stepped = others = 0
    for block in loop:
        for facts in block.facts:
            by = _step(facts)
            if by is None or by & writes:
                others |= facts.writes
            else:
                stepped |= facts.writes
    stepped &= ~others & ALL_GPR
    found = set()
    for n in part:
        block = blocks[n]
        if block.flow == COND and len([to for to in edges[n] if to in inside]) < 2:
            test = next((facts for facts in block.facts[-2::-1] if facts.flag_writes), None)
            if test is not None and test.reads & stepped:
                found.add(n)
    return found


@cache
def _step(facts: Facts) -> int | None:
    """Whether a register becomes its own value moved by a constant or by registers: a mask of these, else None."""
    insn = facts.insn
    if insn.op_count == 0 or insn.op0_kind != OpKind.REGISTER:
        return None
    own = facts.writes & ALL_GPR
    if insn.mnemonic == Mnemonic.LEA:
        return facts.reads & ~own if insn.memory_base == insn.op0_register else None
    if insn.mnemonic in _STEPS:
        return 0
    if insn.mnemonic in _STEPS_BY and insn.op1_kind != OpKind.MEMORY:
        same = insn.op1_kind == OpKind.REGISTER and insn.op0_register == insn.op1_register
        return None if same else facts.reads & ~own
    return None


def _head(part: list[int], edges: list[list[int]]) -> int:
    """The first block that is jumped back to."""
    inside = set(part)
    return min(to for n in part for to in edges[n] if to in inside and to <= n)
