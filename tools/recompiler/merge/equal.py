"""Functions in, their new indices out: functions that nothing can tell apart get one.

Two functions are the same when their types and code are, and the functions they name are the same in turn. The largest
such relation is found by splitting (Moore, 1956): all that look alike begin in one class, and each round splits classes
by the classes that their functions name, until none splits. So mutually recursive functions are found as well. The
thirty programs of the tests need five rounds. A chain of calls made for it would need one for each function: work has a
limit, beyond which every function stays by itself.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Final

from recompiler.wasm.rewriter import Linked

WORK: Final = 30_000_000  # names of functions looked at: ten seconds


def classes(imports: int, functions: Sequence[tuple[int, Linked]], work: int = WORK) -> list[int]:
    """The index of each function: imports first, each its own, then the classes in order of their first function.

    Functions are their types and bodies; function number imports + k is functions[k].
    """
    fixed = list(range(imports))
    a_round = sum(1 + len(body.functions) for _, body in functions)
    current = _number([(type_, body.parts) for type_, body in functions], imports)
    while work >= a_round:
        work -= a_round
        every = fixed + current
        pairs = zip(current, functions, strict=True)
        refined = _number([(own, *(every[f] for f in body.functions)) for own, (_, body) in pairs], imports)
        if refined == current:
            return every
        current = refined
    return list(range(imports + len(functions)))


def _number(keys: Sequence[Hashable], first: int) -> list[int]:
    seen: dict[Hashable, int] = {}
    return [seen.setdefault(key, first + len(seen)) for key in keys]
