"""In: the graph of a function. Out: the ways into its loops with calls, and what has to be in the globals there.

A register that is written before such a loop and not in it would be stored at each call and taken back behind it, in
every turn: whether its global is right would depend on the way. So it is stored where the loop is entered.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Final

from recompiler.lift.plan.dataflow import DIRTIED
from recompiler.lift.plan.flow import Flow
from recompiler.lift.plan.graph import cycles, within
from recompiler.lift.x86.decode import CALL, CALL_INDIRECT, SYSCALL

CALLS: Final = frozenset((CALL, CALL_INDIRECT, SYSCALL))
DEEPEST: Final = 8  # loops within loops; what is deeper has no landings


def place(flow: Flow) -> None:
    """Puts landings on the ways into loops with calls."""
    if not flow.function.looks:
        return
    back = {node: flow.number[address] for address, node in flow.resume.items()}
    succ = [[back.get(to, to) - 1 for to in node.succ] for node in flow.nodes]
    calls = {n for n, node in enumerate(flow.nodes) if node.block.flow in CALLS}
    made: dict[int, int] = {}
    for n, to in into_loops(succ, calls):
        number = made.setdefault(to + 1, len(flow.nodes) + len(flow.resume) + 1 + len(made))
        flow.landing[number] = to + 1
        node = flow.nodes[n]
        node.succ = [number if each == to + 1 else each for each in node.succ]


def fill(flow: Flow) -> None:
    """What landings put into the globals: what is dirty before them, not behind, and is seen unless written."""
    if not flow.landing:
        return
    coming = dict.fromkeys(flow.landing, 0)
    for node in flow.nodes:
        for to in node.succ:
            if to in coming:
                coming[to] |= node.dirty
    seen = exposed(
        [[flow.goal(to) - 1 for to in node.succ] for node in flow.nodes],
        [DIRTIED if node.leaves or node.safepoint else 0 for node in flow.nodes],
        [0 if node.safepoint else node.summary.define for node in flow.nodes],
    )
    for number, to in flow.landing.items():
        flow.landed[number] = coming[number] & ~flow.node(to).dirty_in & seen[to - 1]


def into_loops(succ: Sequence[Sequence[int]], calls: Set[int]) -> list[tuple[int, int]]:
    """Edges from a node outside a loop in which one of the calls is to a node inside, but those of calls themselves."""
    found: set[tuple[int, int]] = set()
    work: list[tuple[Sequence[int], list[list[int]], int]] = [(range(len(succ)), cycles(succ), 0)]
    while work:
        region, loops, depth = work.pop()
        loops = [part for part in loops if not calls.isdisjoint(part)]
        loop_of = {node: number for number, part in enumerate(loops) for node in part}
        heads: list[list[int]] = [[] for _ in loops]
        for node in region if loops else ():
            own = loop_of.get(node, -1)
            for to in succ[node]:
                loop = loop_of.get(to, own)
                if loop != own:
                    heads[loop].append(to)
                    if node not in calls:
                        found.add((node, to))
        for part, into in zip(loops, heads, strict=True):
            if depth < DEEPEST and len(part) > 1:
                inner = cycles(within(part, succ, (min(into, default=part[0]),)))
                work.append((part, [[part[n] for n in each] for each in inner], depth + 1))
    return sorted(found)


def exposed(succ: Sequence[Sequence[int]], boundary: Sequence[int], killed: Sequence[int]) -> list[int]:
    """For each node the registers of which some way on reaches a boundary before they are written again.

    By node: its successors (numbers beyond are left out), what its boundary has, what it writes before that.
    """
    count = len(succ)
    before: list[list[int]] = [[] for _ in range(count)]
    inside = [[to for to in row if to < count] for row in succ]
    for node, row in enumerate(inside):
        for to in row:
            before[to].append(node)
    found = [0] * count
    work = list(range(count))
    while work:
        node = work.pop()
        out = boundary[node]
        for to in inside[node]:
            out |= found[to]
        out &= ~killed[node]
        if out & ~found[node]:
            found[node] |= out
            work += before[node]
    return found
