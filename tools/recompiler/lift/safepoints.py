"""In: a function. Out: blocks at which it must look whether a signal waits, so that no loop runs without a look.

A loop is broken at its syscalls, which look themselves; at the return sites of its calls and behind the table jumps
that interpreters have, which are entries anyway; where it is left by what a register is counted or stepped to, for such
a loop ends. What is left of loops then is broken at their heads, which become entries.
"""

from __future__ import annotations

from functools import cache, reduce
from operator import or_
from typing import Final

from iced_x86 import Mnemonic, OpKind

from recompiler.lift.decode import CALL, CALL_INDIRECT, COND, SYSCALL, Facts
from recompiler.lift.flow import hubs
from recompiler.lift.function import Block, Function, Program
from recompiler.lift.regs import ALL_GPR

_STEPS: Final = frozenset((Mnemonic.INC, Mnemonic.DEC))
_STEPS_BY: Final = frozenset((Mnemonic.ADD, Mnemonic.SUB, Mnemonic.SHR, Mnemonic.SAR, Mnemonic.SHL))


def place(program: Program) -> None:
    """Gives every function its safepoints, and the entries for them."""
    for function in program.functions:
        found = safepoints(function)
        if found:
            start, *others = function.entries
            function.safepoints = frozenset(found)
            function.entries = [start, *sorted({*others, *found} - {start})]


def safepoints(function: Function) -> set[int]:
    """Starts of blocks."""
    blocks = function.blocks
    if all(to > block.start for block in blocks.values() for to in block.succ):
        return set()
    edges = {block.start: [] if block.flow == SYSCALL else list(block.succ) for block in blocks.values()}
    sources = _sources(function)
    found: set[int] = set()
    work = _cycles(list(edges), edges)
    while work:
        part = work.pop()
        within = set(part)
        sites = {to for start in part if start in sources for to in edges[start] if to in within}
        counting = [] if sites else _counting([blocks[start] for start in part], edges, within)
        looks = sites or (set() if counting else {_head(part, edges)})
        found |= looks
        for start in part:
            edges[start] = [] if start in counting else [to for to in edges[start] if to not in looks]
        work += _cycles(part, edges)
    return found


def _sources(function: Function) -> set[int]:
    """Blocks with calls at their ends, or jumps of a hub or through a table that is checked."""
    found = {jump for jump, table in function.tables.items() if table.checked} | hubs(function).keys()
    return {
        start
        for start, block in function.blocks.items()
        if block.flow in (CALL, CALL_INDIRECT) or (found and block.end - block.facts[-1].size in found)
    }


def _counting(part: list[Block], edges: dict[int, list[int]], within: set[int]) -> set[int]:
    """Blocks that leave a loop by a register which the loop only steps."""
    writes = reduce(or_, (facts.writes for block in part for facts in block.facts), 0)
    stepped = others = 0
    for block in part:
        for facts in block.facts:
            by = _step(facts)
            if by is None or by & writes:
                others |= facts.writes
            else:
                stepped |= facts.writes
    stepped &= ~others & ALL_GPR
    found = set()
    for block in part:
        if block.flow == COND and len([to for to in edges[block.start] if to in within]) < 2:
            test = next((facts for facts in block.facts[-2::-1] if facts.flag_writes), None)
            if test is not None and test.reads & stepped:
                found.add(block.start)
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


def _head(part: list[int], edges: dict[int, list[int]]) -> int:
    """The first block that is jumped back to."""
    within = set(part)
    return min(to for start in part for to in edges[start] if to in within and to <= start)


def _cycles(nodes: list[int], edges: dict[int, list[int]]) -> list[list[int]]:
    """Strongly connected components with an edge in them (Tarjan)."""
    within = set(nodes)
    number: dict[int, int] = {}
    low: dict[int, int] = {}
    stack: list[int] = []
    done: set[int] = set()
    found = []
    for first in nodes:
        if first in number:
            continue
        number[first] = low[first] = len(number)
        stack.append(first)
        work = [(first, iter(edges[first]))]
        while work:
            node, rest = work[-1]
            for to in rest:
                if to not in within or to in done:
                    continue
                if to not in number:
                    number[to] = low[to] = len(number)
                    stack.append(to)
                    work.append((to, iter(edges[to])))
                    break
                low[node] = min(low[node], number[to])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == number[node]:
                    part = stack[stack.index(node) :]
                    del stack[-len(part) :]
                    done.update(part)
                    if len(part) > 1 or node in edges[node]:
                        found.append(sorted(part))
    return found
