"""In: a graph of numbered nodes. Out: its cycles, and parts of it."""

from __future__ import annotations

from collections.abc import Container, Sequence


def components(succ: Sequence[Sequence[int]], first: Sequence[int] = ()) -> list[list[int]]:
    """Strongly connected components in topological order (Tarjan), each sorted. first: where to begin, the last one
    first. What stands first among the successors of a node is visited last: then it is the next in the order."""
    # Of a node that is done: beyond all numbers. Else 0 until it is seen, then its number; then the least it can reach.
    done = len(succ) + 1
    number = [0] * len(succ)
    low = [0] * len(succ)
    count = 0
    pending: list[int] = []  # seen, and not in a component yet
    found: list[list[int]] = []
    stack = [*range(len(succ)), *first]
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
    found.reverse()
    return found


def cycles(succ: Sequence[Sequence[int]]) -> list[list[int]]:
    """The components with an edge in them."""
    return [part for part in components(succ) if len(part) > 1 or part[0] in succ[part[0]]]


def within(part: Sequence[int], succ: Sequence[Sequence[int]], cut: Container[int] = ()) -> list[list[int]]:
    """The graph of some nodes, numbered by their places among them: no edges out of it, nor to what is cut."""
    place = {node: n for n, node in enumerate(part) if node not in cut}
    return [[place[to] for to in succ[node] if to in place] for node in part]
