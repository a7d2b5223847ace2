"""In: a control-flow graph. Out: the order of its nodes, and the wasm loops and blocks around them.

Strongly connected regions become loops, outermost first. One that is entered at several nodes (a region that is not
reducible, or a loop in which execution can resume) gets a dispatch node as its only entry: an edge from outside
sets the selector and goes there. Edges inside a region stay as they are, so the hot paths pay nothing but the
dispatch node's test at the head of the loop. The order is topological, loops are contiguous, and a block is
opened for each forward branch, as in LLVM's CFGStackify.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

DEEPEST: Final = 60  # nested loops; a region below is dispatched node by node


@dataclass(slots=True)
class Edge:
    """A branch. key: of an ordinary node the successor as it was given; of the root and of dispatch nodes the selector.

    select is to be put into the selector before the branch, unless it is 0.
    """

    key: int
    target: int
    select: int = 0


@dataclass(slots=True)
class Shape:
    """How a graph is laid out.

    order: the nodes that can be reached, the root first. edges: of each of them. opens[p]: the scopes that begin
    before the node at position p, outermost first: (is a loop, node that a branch to it reaches). closes[p]: how
    many end there. dispatches: nodes that were added to go on by the selector, edges[n][0] for 0. stubs:
    nodes that were added to clear the selector and go on at their one edge.
    """

    order: list[int]
    edges: list[list[Edge]]
    opens: dict[int, list[tuple[bool, int]]]
    closes: dict[int, int]
    dispatches: set[int]
    stubs: set[int]


def shape(succ: list[list[int]], selected: dict[int, int]) -> Shape:
    """The shape of a graph whose root is node 0; succ[n] begins with the successor that shall follow n.

    selected (node -> selector, from 1 on): nodes the root can go to by the selector; such a node clears it itself.
    """
    shaper = _Shaper(succ, selected)
    items: list[Any] = [0, *shaper.region(shaper.reachable(), 0, 0)]
    order: list[int] = []
    loops: list[tuple[int, int]] = []
    _flatten(items, order, loops)
    opens, closes = _scopes(order, loops, shaper.edges)
    return Shape(order, shaper.edges, opens, closes, shaper.dispatches, shaper.stubs)


class _Shaper:
    def __init__(self, succ: list[list[int]], selected: dict[int, int]) -> None:
        self.edges = [[Edge(target, target) for target in targets] for targets in succ]
        self.edges[0] = [Edge(0, target) for target in succ[0]]
        self.edges[0] += [Edge(selector, node) for node, selector in selected.items()]
        self.selectors = dict(selected)
        self.resuming = frozenset(selected)
        self.last = max(selected.values(), default=0)
        self.dispatches: set[int] = set()
        self.stubs: set[int] = set()

    def reachable(self) -> list[int]:
        """The nodes that can be reached from the root, without it."""
        seen = {0}
        stack = [0]
        while stack:
            for edge in self.edges[stack.pop()]:
                if edge.target not in seen:
                    seen.add(edge.target)
                    stack.append(edge.target)
        seen.discard(0)
        return sorted(seen)

    def region(self, nodes: list[int], head: int, depth: int) -> list[Any]:
        """Lays out nodes reached from head, without the edges back to it: nodes, and (head, items) of loops."""
        items: list[Any] = []
        for part in self.components(nodes, head):
            if len(part) > 1 or any(edge.target == part[0] for edge in self.edges[part[0]]):
                items.append(self.loop(part, nodes, head, depth))
            else:
                items.append(part[0])
        return items

    def loop(self, part: list[int], nodes: list[int], head: int, depth: int) -> tuple[int, list[Any]]:
        inside = frozenset(part)
        flat = depth >= DEEPEST
        outer = [edge for node in (head, *nodes) if node not in inside for edge in self.edges[node]]
        entries = sorted(inside if flat else {edge.target for edge in outer if edge.target in inside})
        if len(entries) == 1:
            first = entries[0]
            return first, self.region([node for node in part if node != first], first, depth + 1)
        other = next((node for node in entries if node not in self.resuming), entries[0])
        inner = [edge for node in part for edge in self.edges[node] if flat or edge.target == other]
        dispatch = self.add([Edge(0, other)])
        self.dispatches.add(dispatch)
        stubs = []
        arms = {other: (0, other)}
        for node in entries:
            if node == other:
                continue
            selector, arm = self.selectors.get(node, 0), node
            if node not in self.resuming:
                selector = self.selectors[node] = selector or self.new_selector()
                arm = self.add([Edge(node, node)])
                self.stubs.add(arm)
                stubs.append(arm)
            arms[node] = (selector, arm)
            self.edges[dispatch].append(Edge(selector, arm))
        for edge in (*outer, *inner):
            if edge.target in arms:
                selector = arms[edge.target][0]
                edge.select = selector
                edge.target = dispatch
        return dispatch, self.region([*part, *stubs], dispatch, depth + 1)

    def add(self, edges: list[Edge]) -> int:
        self.edges.append(edges)
        return len(self.edges) - 1

    def new_selector(self) -> int:
        self.last += 1
        return self.last

    def components(self, nodes: list[int], head: int) -> list[list[int]]:
        """Strongly connected components in topological order (Tarjan), each sorted."""
        within = frozenset(nodes)
        edges = self.edges
        number: dict[int, int] = {}
        low: dict[int, int] = {}
        stack: list[int] = []
        on_stack: set[int] = set()
        found: list[list[int]] = []
        # What shall follow a node is visited last: then it is the next in the order.
        starts = [edge.target for edge in reversed(edges[head])] + nodes[::-1]
        for start in starts:
            if start in number or start not in within:
                continue
            number[start] = low[start] = len(number)
            stack.append(start)
            on_stack.add(start)
            work = [(start, iter(edges[start][::-1]))]
            while work:
                node, rest = work[-1]
                for edge in rest:
                    target = edge.target
                    if target not in within:
                        continue
                    if target not in number:
                        number[target] = low[target] = len(number)
                        stack.append(target)
                        on_stack.add(target)
                        work.append((target, iter(edges[target][::-1])))
                        break
                    if target in on_stack and number[target] < low[node]:
                        low[node] = number[target]
                else:
                    work.pop()
                    if work and low[node] < low[work[-1][0]]:
                        low[work[-1][0]] = low[node]
                    if low[node] == number[node]:
                        part = []
                        while True:
                            member = stack.pop()
                            on_stack.discard(member)
                            part.append(member)
                            if member == node:
                                break
                        found.append(sorted(part))
        found.reverse()
        return found


def _flatten(items: list[Any], order: list[int], loops: list[tuple[int, int]]) -> None:
    for item in items:
        if isinstance(item, int):
            order.append(item)
        else:
            head, inner = item
            begin = len(order)
            order.append(head)
            _flatten(inner, order, loops)
            loops.append((begin, len(order)))


def _scopes(
    order: list[int], loops: list[tuple[int, int]], edges: list[list[Edge]]
) -> tuple[dict[int, list[tuple[bool, int]]], dict[int, int]]:
    """Where loops and the blocks of forward branches begin and end, so that they nest."""
    position = {node: at for at, node in enumerate(order)}
    first: dict[int, int] = {}  # end of a block -> the first branch to it
    for at, node in enumerate(order):
        for edge in edges[node]:
            end = position[edge.target]
            if end > at:
                first.setdefault(end, at)
    # By end, loops before blocks: those that are closed are kept as maximal intervals, the last one on top.
    wanted = sorted([(end, 0, begin) for begin, end in loops] + [(end, 1, begin) for end, begin in first.items()])
    wanted.sort(key=lambda row: (row[0], row[1], -row[2]))
    closed: list[tuple[int, int]] = []
    opens: dict[int, list[tuple[int, int, bool, int]]] = {}
    closes: dict[int, int] = {}
    for rank, (end, is_block, start) in enumerate(wanted):
        begin = start
        while closed and closed[-1][1] > begin:
            begin = min(begin, closed.pop()[0])
        assert is_block or begin == start
        closed.append((begin, end))
        opens.setdefault(begin, []).append((end, rank, not is_block, order[end] if is_block else order[begin]))
        closes[end] = closes.get(end, 0) + 1
    nested = {at: [(is_loop, node) for _, _, is_loop, node in sorted(rows, reverse=True)] for at, rows in opens.items()}
    return nested, closes
