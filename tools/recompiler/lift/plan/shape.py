"""In: a control-flow graph. Out: the order of its nodes, and the wasm loops and blocks around them.

Strongly connected regions become loops, outermost first. One that is entered at several nodes (a region that is not
reducible, or a loop in which execution can resume) gets a dispatch node as its only entry: an edge from outside
sets the selector and goes there. Edges inside a region stay as they are, so the hot paths pay nothing but the
dispatch node's test at the head of the loop. The order is topological, loops are contiguous, and a block is
opened for each forward branch, as in LLVM's CFGStackify.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import Any, Final

from recompiler.lift.plan.graph import components

HUB: Final = 4  # branches within a loop that make a node its center
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


def shape(succ: list[list[int]], selected: dict[int, int], branching: Container[int] = ()) -> Shape:
    """The shape of a graph whose root is node 0; succ[n] begins with the successor that shall follow n.

    selected (node -> selector, from 1 on): nodes the root can go to by the selector; such a node clears it itself.
    branching: nodes that may branch to their first successor even when it comes next; the others just go on to it, and
    no block is opened for that.
    """
    shaper = _Shaper(succ, selected)
    items: list[Any] = [0, *shaper.region(shaper.reachable(), 0, 0)]
    order: list[int] = []
    loops: list[tuple[int, int]] = []
    _flatten(items, order, loops)
    opens, closes = _scopes(order, loops, shaper.edges, branching)
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
        self.own_loops = {node for node, targets in enumerate(succ) if node in targets}  # branch to themselves

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
        parts = self.components(nodes, head)
        edges = self.edges
        own = self.own_loops
        loops = {n: part for n, part in enumerate(parts) if len(part) > 1 or part[0] in own}
        if not loops:
            return [part[0] for part in parts]
        loop_of = dict.fromkeys(nodes, -1)
        for n, part in loops.items():
            for node in part:
                loop_of[node] = n
        outer: dict[int, list[Edge]] = {n: [] for n in loops}  # edges into each loop, in the order of their nodes
        for node in (head, *nodes):
            inside = -1 if node == head else loop_of[node]
            for edge in edges[node]:
                to = loop_of.get(edge.target, -1)
                if to >= 0 and to != inside:
                    outer[to].append(edge)
        return [self.loop(part, outer[n], depth) if n in loops else part[0] for n, part in enumerate(parts)]

    def loop(self, part: list[int], outer: list[Edge], depth: int) -> tuple[int, list[Any]]:
        """Lays out a loop, of which outer are the edges into it: (head, items)."""
        flat = depth >= DEEPEST
        entries = part if flat else sorted({edge.target for edge in outer})
        if len(entries) == 1:
            first = entries[0]
            return first, self.region([node for node in part if node != first], first, depth + 1)
        other = self.center(part, entries)
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
        self.own_loops.difference_update(arms if flat else (other,))  # their branches are to the dispatch now
        for edge in (*outer, *inner):
            if edge.target in arms:
                selector = arms[edge.target][0]
                edge.select = selector
                edge.target = dispatch
        return dispatch, self.region([*part, *stubs], dispatch, depth + 1)

    def center(self, part: list[int], entries: list[int]) -> int:
        """The node that a loop's dispatch node goes on to without a selector: an entry, or where most branches lead."""
        other = next((node for node in entries if node not in self.resuming), entries[0])
        into = dict.fromkeys(part, 0)
        for node in part:
            for edge in self.edges[node]:
                if edge.target in into:
                    into[edge.target] += 1
        most = max(part, key=lambda node: (into[node], -node))
        return most if into[most] >= HUB and into[most] > 2 * into[other] else other

    def add(self, edges: list[Edge]) -> int:
        self.edges.append(edges)
        return len(self.edges) - 1

    def new_selector(self) -> int:
        self.last += 1
        return self.last

    def components(self, nodes: list[int], head: int) -> list[list[int]]:
        """Strongly connected components of ascending nodes in topological order, each sorted."""
        place = {node: n for n, node in enumerate(nodes)}
        edges = self.edges
        succ = [[place[edge.target] for edge in edges[node] if edge.target in place] for node in nodes]
        first = [place[edge.target] for edge in edges[head] if edge.target in place]
        return [[nodes[n] for n in part] for part in components(succ, first)]


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
    order: list[int], loops: list[tuple[int, int]], edges: list[list[Edge]], branching: Container[int]
) -> tuple[dict[int, list[tuple[bool, int]]], dict[int, int]]:
    """Where loops and the blocks of forward branches begin and end, so that they nest."""
    position = [0] * len(edges)
    for at, node in enumerate(order):
        position[node] = at
    begin_of = [-1] * (len(order) + 1)  # by the end of a block: the first branch to it
    for at, node in enumerate(order):
        falls = at + 1 if node not in branching else 0
        for edge in edges[node]:
            end = position[edge.target]
            if end > at and end != falls and begin_of[end] < 0:
                begin_of[end] = at
            falls = 0
    loops_to: dict[int, list[int]] = {}  # end -> begins, the innermost first
    for begin, end in loops:
        loops_to.setdefault(end, []).append(begin)
    # By end, loops before the block there: those that are closed are kept as maximal intervals, the last one on top.
    closed: list[tuple[int, int]] = []
    opens: dict[int, list[tuple[bool, int]]] = {}
    closes: dict[int, int] = {}
    for end, first in enumerate(begin_of):
        for begin in loops_to.get(end, ()):
            while closed and closed[-1][1] > begin:
                closed.pop()
            closed.append((begin, end))
            opens.setdefault(begin, []).append((True, order[begin]))
            closes[end] = closes.get(end, 0) + 1
        if first >= 0:
            while closed and closed[-1][1] > first:
                first = min(first, closed.pop()[0])
            closed.append((first, end))
            opens.setdefault(first, []).append((False, order[end]))
            closes[end] = closes.get(end, 0) + 1
    for scopes in opens.values():
        scopes.reverse()
    return opens, closes
