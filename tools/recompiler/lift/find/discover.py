"""In: a Binary. Out: a Program: all code that symbols, FDEs, control flow, tables and pointers lead to, in functions.

Nothing here is trusted for correctness: an address that was missed is a loud fault at run time, a function boundary in
the wrong place costs speed. Only the jump tables that end up in Function.tables and .guarded are proofs (tables.prove).
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Final

from recompiler.errors import Error
from recompiler.lift.elf.model import CODE, Binary
from recompiler.lift.find import assemble
from recompiler.lift.find.found import Found
from recompiler.lift.find.function import Program
from recompiler.lift.find.gaps import Gaps
from recompiler.lift.find.guess import Guesser
from recompiler.lift.find.references import References
from recompiler.lift.x86 import decode

Progress = Callable[[str, int, int], None]

_ROUNDS: Final = 8  # of tables, references and gaps; each finds less, what is left is for the ledger


def discover(binary: Binary, progress: Progress | None = None) -> Program:
    """Finds the code of a binary and divides it into functions.

    progress is called with a phase and (done, all) instructions or rounds. Raises Error (E_LIFT_ELF) only for a binary
    without any code.
    """
    tell = progress or (lambda phase, done, total: None)
    decode.forget()
    collecting = gc.isenabled()
    gc.disable()  # a million objects are made and none is dropped: collections cost a third of the time
    try:
        return _discover(binary, tell)
    finally:
        if collecting:
            gc.enable()


def _discover(binary: Binary, tell: Progress) -> Program:
    found = Found(binary)
    references, guesser, gaps = References(found), Guesser(found), Gaps(found)
    traverse = found.traversal.traverse
    if not any(segment.executable and segment.data for segment in binary.segments):
        raise Error(CODE, "no executable segment has any code")
    traverse(sorted(references.seeds()))  # from what the file says
    for turn in range(_ROUNDS):
        tell("discover", turn, _ROUNDS)
        known = -1
        while found.leaders != known:
            _follow(found, references, guesser)  # from references and tables
            known = found.leaders
            while grown := guesser.grow():  # from tables whose end nothing tells, word by word
                traverse(grown)
                _follow(found, references, guesser, again=False)
        pointers = references.pointers() | references.behind_nops()  # from words of data, and behind a first NOP
        found.references |= pointers
        traverse(sorted(pointers))
        if found.leaders == known:
            traverse(guesser.rest())  # from every table of a function with a jump that has none for certain
        if found.leaders == known:
            starts = gaps.search()  # from text that nothing has led to
            found.starts.update(starts)
            traverse(starts)
        if found.leaders == known:
            break
    tell("discover", _ROUNDS, _ROUNDS)
    return assemble.program(found, guesser)


def _follow(found: Found, references: References, guesser: Guesser, *, again: bool = True) -> None:
    """Goes on from references and tables until they lead to nothing new. again: tries jumps that had no table, too."""
    traverse = found.traversal.traverse
    known = -1
    for _ in range(_ROUNDS):
        if found.leaders == known:
            break
        known = found.leaders
        named = references.refer()
        found.references |= named
        traverse(sorted(named))
        traverse(guesser.turn(again=again))
