"""In: the graph of a function. Out: of each node, which registers and flags are dirty and which are live.

Dirty, forward: what has been written since the globals were last right. Live, backward: what is read later; a register
that a boundary spills is read there.
"""

from __future__ import annotations

from typing import Final

from recompiler.lift.plan.flow import Flow, primitives
from recompiler.lift.plan.liveness import REGISTERS
from recompiler.lift.x86.decode import SYSCALL
from recompiler.lift.x86.regs import DIRECTION, FLAG_BIT, STATUS

DIRTIED: Final = REGISTERS | DIRECTION


def dirty(flow: Flow) -> None:
    """Registers that may differ from their globals at the start and end of each block; at an entry none do."""
    nodes = flow.nodes
    count = len(nodes)
    work = list(range(count, 0, -1))
    while work:
        node = nodes[work.pop() - 1]
        node.dirty = out = node.dirty_in | node.summary.define & DIRTIED
        for to in node.succ:
            if to <= count:
                other = nodes[to - 1]
                if out & ~other.dirty_in:
                    other.dirty_in |= out
                    work.append(to)


def live(flow: Flow) -> None:
    """Registers and flags that are read on some way on from the start and end of each block."""
    nodes, landing, landed = flow.nodes, flow.landing, flow.landed
    count = len(nodes)
    before: list[list[int]] = [[] for _ in range(count + 1)]
    for n, node in enumerate(nodes, 1):
        for to in node.succ:
            if to <= count:
                before[to].append(n)
            elif to in landing:
                before[landing[to]].append(n)
            elif node.block.flow == SYSCALL:  # flags pass it
                before[flow.number[node.block.end]].append(n)
    queued = [True] * (count + 1)
    work = list(range(1, count + 1))
    while work:
        n = work.pop()
        queued[n] = False
        node = nodes[n - 1]
        out = (node.dirty | node.flags_out << FLAG_BIT) if node.leaves else 0
        for to in node.succ:
            if to <= count:
                out |= nodes[to - 1].live_in
            elif to in landed:
                out |= landed[to] | nodes[landing[to] - 1].live_in
            elif node.block.flow == SYSCALL:
                out |= flow.flags_resumed(node.block.end) << FLAG_BIT
        node.live_out = out
        at_start = node.summary.before(out)
        if node.safepoint:  # the globals have the flags of which a composite is made
            at_start |= primitives(at_start >> FLAG_BIT & STATUS) << FLAG_BIT
        if at_start != node.live_in:
            node.live_in = at_start
            for back in before[n]:
                if not queued[back]:
                    queued[back] = True
                    work.append(back)
