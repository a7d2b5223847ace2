"""Which functions are the same, against a slow and plain definition of it."""

from __future__ import annotations

import random

from recompiler.merge.equal import classes
from recompiler.wasm.rewriter import Linked

SEED = 5


def alike(imports: int, types: list[int], bodies: list[Linked]) -> list[list[bool]]:
    """Functions differ that look different, or name at one place functions that differ; all others are alike."""
    count = imports + len(bodies)
    look = [(number, ()) for number in range(imports)] + [(-1 - t, b.parts) for t, b in zip(types, bodies, strict=True)]
    names = [()] * imports + [body.functions for body in bodies]
    same = [[look[x] == look[y] for y in range(count)] for x in range(count)]
    changed = True
    while changed:
        changed = False
        for x in range(count):
            for y in range(count):
                if same[x][y] and not all(same[p][q] for p, q in zip(names[x], names[y], strict=True)):
                    same[x][y], changed = False, True
    return same


def test_classes_are_those_of_the_definition() -> None:
    shared = 0
    for number in range(400):
        print(f"seed {SEED}:{number}")
        source = random.Random(f"{SEED}:{number}")
        imports, count = source.randrange(3), source.randrange(1, 14)
        bodies = []
        for _ in range(count):
            calls = source.choice((0, 1, 1, 2))
            text = (source.choice((b"a", b"a", b"b")), *[b""] * calls)
            bodies.append(Linked(text, tuple(source.randrange(imports + count) for _ in range(calls))))
        types = [source.choice((0, 0, 0, 1)) for _ in range(count)]
        found = classes(imports, list(zip(types, bodies, strict=True)))
        same = alike(imports, types, bodies)
        assert [[x == y for y in found] for x in found] == same
        assert found[:imports] == list(range(imports))
        assert list(dict.fromkeys(found)) == list(range(len(set(found))))
        shared += len(found) - len(set(found))
    assert shared > 100


def test_what_calls_itself_is_the_same_as_another_that_does() -> None:
    loop = [Linked((b"x", b"y"), (1,)), Linked((b"x", b"y"), (2,)), Linked((b"x", b"z"), (2,))]
    assert classes(1, list(zip([0, 0, 0], loop, strict=True))) == [0, 1, 1, 2]
    assert classes(1, list(zip([0, 1, 0], loop, strict=True))) == [0, 1, 2, 3]
    loop = [Linked((b"x", b"y"), (1,)), Linked((b"x", b"y"), (2,)), Linked((b"x", b"y"), (1,))]
    assert classes(1, list(zip([0, 0, 0], loop, strict=True))) == [0, 1, 1, 1]
