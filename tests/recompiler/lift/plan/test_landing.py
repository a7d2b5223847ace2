"""Loops with calls have landings on every way in, and on no other; against a search on random graphs."""

from __future__ import annotations

import random

from recompiler.lift.plan import landing

GRAPHS = 400


def reaches(succ: list[list[int]], start: int) -> set[int]:
    """Nodes that can be reached from a node by at least one edge."""
    seen: set[int] = set()
    stack = [start]
    while stack:
        for to in succ[stack.pop()]:
            if to not in seen:
                seen.add(to)
                stack.append(to)
    return seen


def test_every_way_into_a_loop_with_calls_lands() -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    landed = 0
    for _ in range(GRAPHS):
        count = chance.randrange(1, 14)
        succ = [chance.sample(range(count), k=min(count, chance.randrange(3))) for _ in range(count)]
        calls = {n for n in range(count) if chance.random() < 0.2}
        found = set(landing.into_loops(succ, calls))
        after = {n: reaches(succ, n) for n in range(count)}
        together = {n: {other for other in after[n] if n in after[other]} for n in range(count)}  # in one cycle
        for node, targets in enumerate(succ):
            for to in targets:
                outermost = bool(together[to] & calls) and node not in together[to]
                assert not outermost or node in calls or (node, to) in found, (succ, calls, node, to)
                if (node, to) in found:
                    assert node not in calls
                    assert together[to] & calls
        landed += len(found)
    assert landed > GRAPHS // 10


def test_the_ways_into_an_inner_loop_land_too() -> None:
    succ = [[1], [2], [3], [2, 4], [1, 5], []]
    assert landing.into_loops(succ, {3}) == [(0, 1), (1, 2)]
    assert landing.into_loops(succ, {4}) == [(0, 1)]
    assert landing.into_loops(succ, {5}) == []


def test_what_a_boundary_sees() -> None:
    succ = [[1, 2], [3], [3], [0, 9]]
    assert landing.exposed(succ, [0, 0, 0, 0b11], [0, 0b01, 0b10, 0]) == [0b11, 0b10, 0b01, 0b11]
    assert landing.exposed(succ, [0, 0, 0, 0b11], [0b01, 0, 0, 0b10]) == [0, 0b01, 0b01, 0b01]
