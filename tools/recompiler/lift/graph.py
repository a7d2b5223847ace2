"""In: a graph of blocks. Out: its cycles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def cycles(nodes: Sequence[int], edges: Mapping[int, Sequence[int]]) -> list[list[int]]:
    """Strongly connected components with an edge in them, each sorted (Tarjan). edges may lead out of the nodes."""
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
