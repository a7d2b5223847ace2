"""Shape: walks through the structured code visit the blocks that walks through the graph visit. Graphs are random."""

from __future__ import annotations

import random
from collections.abc import Container
from dataclasses import dataclass

import pytest

from recompiler.lift.plan import shape as module
from recompiler.lift.plan.shape import Shape, shape
from tests.testbed import FIGURES

GRAPHS = 40_000 if FIGURES else 1_200
STEPS = 60
WALKS = 3


@dataclass(frozen=True)
class Graph:
    """succ: of each node; node 0 is the root. selected: nodes that the root goes to by a selector."""

    succ: list[list[int]]
    selected: dict[int, int]


def graph(chance: random.Random) -> Graph:
    """2 to 24 nodes of up to three successors, some of them entries."""
    count = chance.randrange(2, 25)
    succ = [[chance.randrange(1, count)]]
    for _ in range(1, count):
        degree = chance.choice((0, 1, 1, 2, 2, 2, 3))
        succ.append(list(dict.fromkeys(chance.randrange(1, count) for _ in range(degree))))
    entries = set(chance.sample(range(1, count), chance.randrange(min(count, 6)))) - set(succ[0])
    return Graph(succ, {node: n for n, node in enumerate(sorted(entries), 1)})


def walk(of: Graph, selector: int, turns: random.Random) -> list[int]:
    """The nodes that a random walk through the graph visits."""
    at = next((node for node, n in of.selected.items() if n == selector), 0)
    visited = []
    while len(visited) < STEPS:
        visited.append(at)
        if not of.succ[at]:
            break
        at = of.succ[0][0] if at == 0 else turns.choice(of.succ[at])
    return visited


def scopes(of: Shape) -> list[list[tuple[bool, int]]]:
    """The scopes around each position: (is a loop, node that a branch to it reaches)."""
    open_: list[tuple[bool, int]] = []
    found = []
    for at in range(len(of.order) + 1):
        for _ in range(of.closes.get(at, 0)):
            open_.pop()
        open_ += of.opens.get(at, [])
        found.append(list(open_))
    assert not open_, "a scope stays open"
    return found


def structured_walk(
    of: Graph, made: Shape, selector: int, turns: random.Random, branching: Container[int]
) -> list[int]:
    """The same walk through the code: selectors are followed, and every branch goes to an open scope or the next."""
    position = {node: at for at, node in enumerate(made.order)}
    around = scopes(made)
    node, entry = 0, selector
    visited: list[int] = []
    while len(visited) < STEPS:
        edges = made.edges[node]
        if node == 0 or node in made.dispatches:
            edge = next((edge for edge in edges if edge.key == entry), edges[0])
            if node == 0 and not entry:
                visited.append(0)
        elif node in made.stubs:
            entry, edge = 0, edges[0]
        else:
            visited.append(node)
            if node in of.selected:
                entry = 0
            assert entry == 0, "a block runs while a selector is set"
            if not edges:
                break
            wanted = turns.choice(of.succ[node])
            edge = next(edge for edge in edges if edge.key == wanted)
        if edge.select:
            entry = edge.select
        at, to = position[node], position[edge.target]
        falls = to == at + 1 and edge is edges[0] and node not in branching
        assert falls or (to <= at, edge.target) in around[at], "a branch to no scope"
        node = edge.target
    return visited


@pytest.mark.figures
@pytest.mark.parametrize("deepest", [0, 1, 2, 60])
def test_structured_code_visits_the_blocks_that_the_graph_visits(deepest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DEEPEST", deepest)
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    for _ in range(GRAPHS // 4):
        given = graph(chance)
        branching = {node for node in range(len(given.succ)) if chance.random() < 0.3}
        made = shape([list(nodes) for nodes in given.succ], given.selected, branching)
        for selector in (0, *given.selected.values()):
            for key in range(WALKS):
                wanted = walk(given, selector, random.Random(key))
                assert structured_walk(given, made, selector, random.Random(key), branching) == wanted, (
                    given,
                    selector,
                )


@pytest.mark.figures
def test_every_reachable_node_is_laid_out_once_and_scopes_nest() -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    for _ in range(GRAPHS // 4):
        given = graph(chance)
        made = shape([list(nodes) for nodes in given.succ], given.selected)
        assert len(made.order) == len(set(made.order))
        reached, stack = {0, *given.selected}, [0, *given.selected]
        while stack:
            for node in given.succ[stack.pop()]:
                if node not in reached:
                    reached.add(node)
                    stack.append(node)
        assert reached == set(made.order) - made.dispatches - made.stubs
        scopes(made)


def test_a_reducible_graph_needs_no_dispatch() -> None:
    """Loops within loops, each entered at its head; what follows a block comes right behind it."""
    made = shape([[1], [2], [3, 6], [4], [5, 3], [2], []], {})
    assert not made.dispatches
    assert not made.stubs
    assert made.order == [0, 1, 2, 3, 4, 5, 6]
    assert {at: rows for at, rows in made.opens.items() if any(loop for loop, _ in rows)}.keys() == {2, 3}


def test_a_loop_that_is_entered_twice_has_one_dispatch_of_its_own() -> None:
    made = shape([[1], [2, 3], [3], [2, 4], []], {})
    assert len(made.dispatches) == 1


def test_a_long_chain_and_a_deep_nest_are_laid_out_without_recursion() -> None:
    count = 20_000
    made = shape([[n + 1] for n in range(count)] + [[]], {})
    assert made.order == list(range(count + 1))
    depth = 2 * module.DEEPEST  # loops within loops, deeper than wasm shall nest: the innermost are dispatched
    heads = [[head + 1] for head in range(1, depth + 1)]
    tails = [[tail + 1, 2 * depth + 1 - tail] for tail in range(depth + 1, 2 * depth + 1)]
    made = shape([[1], *heads, *tails, []], {})
    assert len(made.order) - len(made.dispatches) - len(made.stubs) == 2 * depth + 2
    assert max(sum(loop for loop, _ in rows) for rows in scopes(made)) <= module.DEEPEST + 1
