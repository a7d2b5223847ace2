"""Functions in, their new indices out: functions that nothing can tell apart get one.

Two functions are the same when their types and code are, and the functions they name are the same in turn. The largest
such relation is found by splitting (Moore's minimisation): all that look alike begin in one class, and classes are
split by the classes they call until none splits. So mutually recursive functions are found as well.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from recompiler.merge.rewriter import Linked


def classes(imports: int, types: Sequence[int], bodies: Sequence[Linked]) -> list[int]:
    """The index of each function: imports first, each its own, then the classes in order of their first function.

    bodies and what they name count from the imports on: function number imports + k is bodies[k].
    """
    fixed = list(range(imports))
    current = _number([(type_, body.parts) for type_, body in zip(types, bodies, strict=True)], imports)
    while True:
        every = fixed + current
        refined = _number(
            [(own, *(every[f] for f in body.functions)) for own, body in zip(current, bodies, strict=True)], imports
        )
        if refined == current:
            return every
        current = refined


def _number(keys: Sequence[Hashable], first: int) -> list[int]:
    seen: dict[Hashable, int] = {}
    return [seen.setdefault(key, first + len(seen)) for key in keys]
