"""In: a graph of numbered nodes. Out: its cycles, and parts of it."""

from __future__ import annotations

from collections.abc import Container, Sequence


def cycles(succ: Sequence[Sequence[int]]) -> list[list[int]]:
    """Strongly connected components with an edge in them, each sorted (Tarjan)."""
    # Of a node that is done: beyond all numbers. Else 0 until it is seen, then its number; then the least it can reach.
    done = len(succ) + 1
    number = [0] * len(succ)
    low = [0] * len(succ)
    count = 0
    pending: list[int] = []
    found: list[list[int]] = []
    stack = list(range(len(succ)))
    while stack:
        node = stack[-1]
        if not number[node]:
            count += 1
            number[node] = low[node] = count
            pending.append(node)
            fresh = [to for to in succ[node] if not number[to]]
            if fresh:
                stack += fresh
                continue
        stack.pop()
        if low[node] == done:
            continue
        least = number[node]
        for to in succ[node]:
            if low[to] < least:
                least = low[to]
        if least < number[node]:
            low[node] = least
        elif pending[-1] == node:
            low[pending.pop()] = done
            if node in succ[node]:
                found.append([node])
        else:
            at = len(pending) - 1
            while pending[at] != node:
                at -= 1
            part = pending[at:]
            del pending[at:]
            for member in part:
                low[member] = done
            part.sort()
            found.append(part)
    return found


def within(part: Sequence[int], succ: Sequence[Sequence[int]], cut: Container[int] = ()) -> list[list[int]]:
    """The graph of some nodes, numbered by their places among them: no edges out of it, nor to what is cut."""
    place = {node: n for n, node in enumerate(part) if node not in cut}
    return [[place[to] for to in succ[node] if to in place] for node in part]
