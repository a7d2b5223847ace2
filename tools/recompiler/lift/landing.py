"""In: the graph of a function. Out: the ways into its loops with calls, and what has to be in the globals there.

A register that is written before such a loop and not in it would be stored at each call and taken back behind it, in
every turn: whether its global is right would depend on the way. So it is stored where the loop is entered.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from recompiler.lift.graph import cycles

DEEPEST: Final = 8  # loops within loops; what is deeper has no landings


def into_loops(succ: Mapping[int, Sequence[int]], calls: Collection[int]) -> list[tuple[int, int]]:
    """Edges from a node outside a loop in which one of the calls is to a node inside, but those of calls themselves."""
    found: set[tuple[int, int]] = set()
    work: list[tuple[Sequence[int], Mapping[int, Sequence[int]], int]] = [(list(succ), succ, 0)]
    while work:
        region, edges, depth = work.pop()
        loops = [part for part in cycles(region, edges) if any(node in calls for node in part)]
        loop_of = {node: number for number, part in enumerate(loops) for node in part}
        heads: list[list[int]] = [[] for _ in loops]
        for node in region if loops else ():
            own = loop_of.get(node, -1)
            for to in succ[node]:
                loop = loop_of.get(to, -1)
                if loop not in (-1, own):
                    heads[loop].append(to)
                    if node not in calls:
                        found.add((node, to))
        for part, into in zip(loops, heads, strict=True):
            if depth < DEEPEST and len(part) > 1:
                head = min(into, default=part[0])
                within = set(part) - {head}
                inner = {node: [to for to in edges[node] if to in within] for node in part}
                work.append((part, inner, depth + 1))
    return sorted(found)


def exposed(succ: Sequence[Sequence[int]], boundary: Sequence[int], killed: Sequence[int]) -> list[int]:
    """For each node the registers of which some way on reaches a boundary before they are written again.

    By node: its successors (numbers beyond are left out), what its boundary has, what it writes before that.
    """
    count = len(succ)
    before: list[list[int]] = [[] for _ in range(count)]
    for node, to in enumerate(succ):
        for other in to:
            if other < count:
                before[other].append(node)
    found = [0] * count
    work = list(range(count))
    while work:
        node = work.pop()
        out = boundary[node]
        for other in succ[node]:
            if other < count:
                out |= found[other]
        out &= ~killed[node]
        if out & ~found[node]:
            found[node] |= out
            work += before[node]
    return found
